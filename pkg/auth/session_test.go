package auth_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ghostaux/pkg/auth"
	"ghostaux/pkg/metrics"
)

// post sends the login form.
func post(a *auth.Auth, user, password string) *http.Response {
	form := url.Values{"user": {user}, "password": {password}}
	r := httptest.NewRequest(http.MethodPost, "https://desk.example/login", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", "https://desk.example")
	w := httptest.NewRecorder()
	a.Login().ServeHTTP(w, r)
	return w.Result()
}

func login(t *testing.T, a *auth.Auth, user, password string) *http.Cookie {
	t.Helper()
	resp := post(a, user, password)
	if resp.StatusCode != http.StatusSeeOther || len(resp.Cookies()) != 1 {
		t.Fatalf("login: %s, %d cookies", resp.Status, len(resp.Cookies()))
	}
	return resp.Cookies()[0]
}

func TestLogin(t *testing.T) {
	a, _ := newAuth(t, auth.Config{AuthToken: token})
	cookie := login(t, a, "kasm_user", password)
	if !cookie.HttpOnly || !cookie.Secure || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" {
		t.Errorf("cookie %v", cookie)
	}
	if strings.Contains(cookie.Value, password) {
		t.Error("the cookie has the password")
	}
	if resp := try(a, auth.Owner, func(r *http.Request) { r.AddCookie(cookie) }); resp.Header.Get("X-Who") != "kasm_user owner" {
		t.Errorf("with the cookie: %s, %q", resp.Status, resp.Header.Get("X-Who"))
	}
	if resp := post(a, "kasm_user", "wrong"); resp.StatusCode != 401 || len(resp.Cookies()) != 0 {
		t.Errorf("wrong password: %s", resp.Status)
	}
}

func TestLoginByPrintedAddress(t *testing.T) {
	a, _ := newAuth(t, auth.Config{AuthToken: token})
	for credential, status := range map[string]int{token: 303, token + "x": 401} {
		r := httptest.NewRequest(http.MethodGet, "https://desk.example/login?"+url.Values{"token": {credential}}.Encode(), nil)
		w := httptest.NewRecorder()
		a.Login().ServeHTTP(w, r)
		if w.Code != status || status == 303 && w.Header().Get("Location") != "./" {
			t.Errorf("%q: %d to %q", credential, w.Code, w.Header().Get("Location"))
		}
	}
}

func TestForeignPageCannotLogIn(t *testing.T) {
	a, _ := newAuth(t, auth.Config{AuthToken: token})
	for _, path := range []string{"/login", "/logout"} {
		r := httptest.NewRequest(http.MethodPost, "https://desk.example"+path, strings.NewReader("user=x&password=y"))
		r.Header.Set("Origin", "https://evil.example")
		w := httptest.NewRecorder()
		a.Login().ServeHTTP(w, r)
		if w.Code != 403 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

func TestSessionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := newAuth(t, auth.Config{AuthToken: token})
		cookie := login(t, a, "kasm_user", password)
		use := func(a *auth.Auth, c *http.Cookie) int {
			return try(a, auth.Viewer, func(r *http.Request) { r.AddCookie(c) }).StatusCode
		}
		restarted, _ := newAuth(t, auth.Config{AuthToken: token})
		changed, _ := newAuth(t, auth.Config{AuthToken: token + "2"})
		if use(restarted, cookie) != 200 {
			t.Error("a restart ends it")
		}
		if use(changed, cookie) != 401 {
			t.Error("another password does not end it")
		}
		raw, _ := base64.RawURLEncoding.DecodeString(cookie.Value)
		for i := range raw {
			bad := append([]byte(nil), raw...)
			bad[i] ^= 1
			if use(a, &http.Cookie{Name: cookie.Name, Value: base64.RawURLEncoding.EncodeToString(bad)}) != 401 {
				t.Fatalf("a changed byte %d is not noticed", i)
			}
		}
		time.Sleep(13 * time.Hour)
		if use(a, cookie) != 401 {
			t.Error("13 hours do not end it")
		}
	})
}

func TestPageSendsPeopleToTheLogin(t *testing.T) {
	a, _ := newAuth(t, auth.Config{AuthToken: token})
	guard := a.RequirePage(auth.Viewer, "/x")
	for _, c := range []struct {
		path, accept, authorization string
		status                      int
		location                    string
	}{
		{"/x/", "text/html,*/*", "", 303, "./login"},
		{"/x/a/b", "text/html,*/*", "", 303, "./../login"},
		{"/x/main.js", "*/*", "", 401, ""},
		{"/x/", "text/html", basic("kasm_user:old"), 401, ""},
		{"/x/", "text/html", basic(token), 200, ""},
	} {
		r := httptest.NewRequest(http.MethodGet, "https://desk.example"+c.path, nil)
		r.Header.Set("Accept", c.accept)
		if c.authorization != "" {
			r.Header.Set("Authorization", c.authorization)
		}
		w := httptest.NewRecorder()
		guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
		if w.Code != c.status || w.Header().Get("Location") != c.location {
			t.Errorf("%s: %d to %q, want %d to %q", c.path, w.Code, w.Header().Get("Location"), c.status, c.location)
		}
	}
}

// Whatever a cookie holds, it opens nothing unless it is ours.
func FuzzSession(f *testing.F) {
	a, err := auth.New(auth.Config{AuthToken: token}, nil, metrics.New())
	if err != nil {
		f.Fatal(err)
	}
	f.Add("")
	f.Add("AAAA")
	f.Add(base64.RawURLEncoding.EncodeToString(make([]byte, 41)))
	f.Fuzz(func(t *testing.T, value string) {
		resp := try(a, auth.Viewer, func(r *http.Request) { r.Header.Set("Cookie", "ghostaux_session="+value) })
		if resp.StatusCode != 401 {
			t.Errorf("%q opened a session", value)
		}
	})
}
