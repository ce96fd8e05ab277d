package auth_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ghostaux/pkg/auth"
	"ghostaux/pkg/metrics"
)

const (
	password = "a:b@%+/ü x" // what passwords have in them
	token    = "kasm_user:" + password
)

func newAuth(t *testing.T, c auth.Config) (*auth.Auth, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	a, err := auth.New(c, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), metrics.New())
	if err != nil {
		t.Fatal(err)
	}
	return a, &log
}

func basic(credential string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(credential))
}

// try asks a handler behind a guard for the role, and returns the answer.
func try(a *auth.Auth, role auth.Role, edit func(r *http.Request)) *http.Response {
	r := httptest.NewRequest(http.MethodGet, "https://desk.example:4901/", nil)
	if edit != nil {
		edit(r)
	}
	w := httptest.NewRecorder()
	a.Require(role, nil)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := auth.From(r.Context())
		w.Header().Set("X-Who", id.User+" "+id.Role.String())
	})).ServeHTTP(w, r)
	return w.Result()
}

func with(header, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(header, value) }
}

// Every way to give the token, against every way to present one.
func TestToken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\r\nsecond line\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]auth.Config{
		"flag":   {AuthToken: token},
		"file":   {AuthTokenFile: file},
		"VNC_PW": {VNCPassword: password},
		"first":  {AuthToken: token, VNCPassword: "other"},
	} {
		a, log := newAuth(t, c)
		for _, p := range []struct {
			what, header string
			status       int
		}{
			{"right", basic(token), 200},
			{"scheme in lower case", "basic " + strings.TrimPrefix(basic(token), "Basic "), 200},
			{"wrong", basic(token + "x"), 401},
			{"short", basic(token[:len(token)-1]), 401},
			{"other user", basic("kasm-user:" + password), 401},
			{"empty password", basic("kasm_user:"), 401},
			{"empty", basic(""), 401},
			{"Latin-1", basic("kasm_user:a:b@%+/\xfc x"), 401},
			{"not Basic", "Bearer " + token, 401},
			{"not base64", "Basic " + token, 401},
			{"no credential", "", 401},
		} {
			resp := try(a, auth.Owner, with("Authorization", p.header))
			if resp.StatusCode != p.status {
				t.Errorf("%s, %s: %d, want %d", name, p.what, resp.StatusCode, p.status)
			}
			if p.status == 200 && resp.Header.Get("X-Who") != "kasm_user owner" {
				t.Errorf("%s, %s: who %q", name, p.what, resp.Header.Get("X-Who"))
			}
			if p.status == 401 && resp.Header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s, %s: no challenge", name, p.what)
			}
		}
		if strings.Contains(log.String(), password) {
			t.Errorf("%s: the log has the password: %s", name, log)
		}
	}
}

// Only for what a person opens do browsers ask for a password themselves.
func TestChallenge(t *testing.T) {
	a, _ := newAuth(t, auth.Config{AuthToken: token})
	for mode, scheme := range map[string]string{"": "Basic", "navigate": "Basic", "cors": "Cookie", "no-cors": "Cookie", "same-origin": "Cookie"} {
		resp := try(a, auth.Owner, with("Sec-Fetch-Mode", mode))
		if got, _, _ := strings.Cut(resp.Header.Get("WWW-Authenticate"), " "); resp.StatusCode != 401 || got != scheme {
			t.Errorf("%q: %s, %s, want 401, %s", mode, resp.Status, got, scheme)
		}
	}
}

func TestGeneratedToken(t *testing.T) {
	a, log := newAuth(t, auth.Config{})
	b, _ := newAuth(t, auth.Config{})
	if len(a.Generated()) < len("kasm_user:")+20 || a.Generated() == b.Generated() {
		t.Errorf("generated %q, then %q", a.Generated(), b.Generated())
	}
	if resp := try(a, auth.Owner, with("Authorization", basic(a.Generated()))); resp.StatusCode != 200 {
		t.Errorf("the generated token: %s", resp.Status)
	}
	if resp := try(a, auth.Viewer, nil); resp.StatusCode != 401 {
		t.Errorf("no token: %s", resp.Status)
	}
	if strings.Contains(log.String(), a.Generated()) {
		t.Error("the log has it")
	}
}

func TestNoAuth(t *testing.T) {
	a, _ := newAuth(t, auth.Config{NoAuth: true})
	if resp := try(a, auth.Owner, nil); resp.StatusCode != 200 {
		t.Errorf("%s", resp.Status)
	}
	if resp := try(a, auth.Owner, with("Origin", "https://evil.example")); resp.StatusCode != 403 {
		t.Errorf("a page of another origin: %s", resp.Status)
	}
}

func TestConfigFaults(t *testing.T) {
	for _, c := range []struct {
		config auth.Config
		want   []string
	}{
		{auth.Config{AuthToken: "secret", Kasmpasswd: "f", AllowOrigin: []string{"desk.example", "https://ok.example"}}, []string{"--auth-token", "--kasmpasswd", `"desk.example"`, "user:password"}},
		{auth.Config{AuthToken: "kasm_user:"}, []string{"user:password"}},
		{auth.Config{NoAuth: true, AuthTokenFile: "f"}, []string{"--no-auth", "--auth-token-file"}},
	} {
		err := c.config.Validate()
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v does not say %s", err, want)
			}
		}
		if err != nil && strings.Contains(err.Error(), `"secret"`) {
			t.Errorf("%v has the secret", err)
		}
	}
	if _, err := auth.New(auth.Config{AuthTokenFile: "/no/such/file"}, slog.New(slog.DiscardHandler), metrics.New()); err == nil {
		t.Error("a token file that is not there is no fault")
	}
}

func TestOrigins(t *testing.T) {
	basicOf := basic(token)
	for _, c := range []struct {
		what   string
		list   []string
		origin string
		cookie bool
		status int
	}{
		{"a program", nil, "", false, 200},
		{"the proxy's page, whose host the proxy has rewritten", nil, "https://kasm.example", false, 200},
		{"the same host", nil, "https://desk.example:4901", true, 200},
		{"the same host on another port", nil, "https://desk.example:6901", true, 200},
		{"a foreign page with the cookie", nil, "https://evil.example", true, 403},
		{"a sandboxed page with the cookie", nil, "null", true, 403},
		{"a page on the list with the cookie", []string{"https://kasm.example"}, "https://kasm.example", true, 200},
		{"a page on the list", []string{"https://kasm.example"}, "https://kasm.example", false, 200},
		{"a page that is not on the list", []string{"https://kasm.example"}, "https://evil.example", false, 403},
	} {
		a, _ := newAuth(t, auth.Config{AuthToken: token, AllowOrigin: c.list})
		resp := try(a, auth.Owner, func(r *http.Request) {
			r.Header.Set("Origin", c.origin)
			if c.origin == "" {
				r.Header.Del("Origin")
			}
			if c.cookie {
				r.AddCookie(login(t, a, "kasm_user", password))
			} else {
				r.Header.Set("Authorization", basicOf)
			}
		})
		if resp.StatusCode != c.status {
			t.Errorf("%s: %s, want %d", c.what, resp.Status, c.status)
		}
	}
}

// Wrong credentials are slowed down, and then even the right one waits; a session does not.
func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := newAuth(t, auth.Config{AuthToken: token})
		cookie := login(t, a, "kasm_user", password)
		right, wrong := with("Authorization", basic(token)), with("Authorization", basic("kasm_user:x"))
		statuses := map[int]int{}
		for range 100 {
			statuses[try(a, auth.Owner, wrong).StatusCode]++
		}
		if statuses[401] != 60 || statuses[429] != 40 {
			t.Errorf("100 wrong ones: %v", statuses)
		}
		resp := try(a, auth.Owner, right)
		if resp.StatusCode != 429 || resp.Header.Get("Retry-After") == "" {
			t.Errorf("the right one among them: %s", resp.Status)
		}
		if resp := try(a, auth.Owner, func(r *http.Request) { r.AddCookie(cookie) }); resp.StatusCode != 200 {
			t.Errorf("a session: %s", resp.Status)
		}
		if resp := try(a, auth.Owner, func(r *http.Request) { right(r); r.RemoteAddr = "198.51.100.7:1" }); resp.StatusCode != 200 {
			t.Errorf("another address: %s", resp.Status)
		}
		time.Sleep(2 * time.Second)
		if resp := try(a, auth.Owner, right); resp.StatusCode != 200 {
			t.Errorf("the right one two seconds later: %s", resp.Status)
		}
	})
}

// Ports, notations of IPv4 and the addresses of one IPv6 network are one address to the throttle; X-Forwarded-For is none.
func TestThrottleKnowsNetworks(t *testing.T) {
	for _, c := range []struct {
		first, then string
		status      int
	}{
		{"192.0.2.1:1", "192.0.2.1:2", 429},
		{"192.0.2.1:1", "[::ffff:192.0.2.1]:1", 429},
		{"192.0.2.1:1", "192.0.2.2:1", 200},
		{"[2001:db8::1]:1", "[2001:db8::abcd:1]:1", 429},
		{"[2001:db8::1]:1", "[2001:db8:0:1::1]:1", 200},
		{"[fe80::1%eth0]:1", "[fe80::2%eth0]:1", 429},
	} {
		a, _ := newAuth(t, auth.Config{AuthToken: token})
		for i := range 100 {
			try(a, auth.Owner, func(r *http.Request) {
				r.RemoteAddr = c.first
				r.Header.Set("X-Forwarded-For", fmt.Sprintf("203.0.113.%d", i))
				r.Header.Set("Authorization", basic("kasm_user:x"))
			})
		}
		resp := try(a, auth.Owner, func(r *http.Request) {
			r.RemoteAddr = c.then
			r.Header.Set("Authorization", basic(token))
		})
		if resp.StatusCode != c.status {
			t.Errorf("after %s, %s: %s, want %d", c.first, c.then, resp.Status, c.status)
		}
	}
}
