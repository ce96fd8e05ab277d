package auth_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/GehirnInc/crypt"
	_ "github.com/GehirnInc/crypt/sha256_crypt"

	"ghostaux/pkg/auth"
	"ghostaux/pkg/metrics"
)

// The line that KasmVNC itself wrote for the password CorrectHorseBatteryStaple.
const kasmLine = "kasm_viewer:$5$kasm$liEQvAlcV49V2ZmUDqwFKcz9v2.HmvNFrvVKxBp2kW9:r\n"

func hash(t *testing.T, password string) string {
	t.Helper()
	h, err := crypt.NewFromHash("$5$").Generate([]byte(password), []byte("$5$kasm"))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// write replaces the file and makes its time differ, as a later write would.
func write(t *testing.T, path, content string, age time.Duration) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, time.Time{}, time.Now().Add(-age)); err != nil {
		t.Fatal(err)
	}
}

func TestKasmpasswd(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".kasmpasswd")
	write(t, path, kasmLine+"kasm_user:"+hash(t, password)+":wo\nwriter:"+hash(t, "w")+":w\nnobody:"+hash(t, "n")+":\n", time.Hour)
	a, _ := newAuth(t, auth.Config{Kasmpasswd: path})
	for _, c := range []struct {
		credential   string
		view, manage int
	}{
		{token, 200, 200},
		{"writer:w", 200, 200},
		{"kasm_viewer:CorrectHorseBatteryStaple", 200, 403},
		{"kasm_viewer:wrong", 401, 401},
		{"nobody:n", 401, 401},
		{"unknown:" + password, 401, 401},
		{"kasm_user", 401, 401},
	} {
		for range 2 { // the second time from memory
			view := try(a, auth.Viewer, with("Authorization", basic(c.credential))).StatusCode
			manage := try(a, auth.Owner, with("Authorization", basic(c.credential))).StatusCode
			if view != c.view || manage != c.manage {
				t.Errorf("%s: may look %d, may do %d; want %d, %d", c.credential, view, manage, c.view, c.manage)
			}
		}
	}
}

func TestKasmpasswdFollowsItsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".kasmpasswd")
	write(t, path, "u:"+hash(t, "one")+":wo\n", time.Hour)
	a, _ := newAuth(t, auth.Config{Kasmpasswd: path})
	status := func(password string) int {
		return try(a, auth.Owner, with("Authorization", basic("u:"+password))).StatusCode
	}
	cookie := login(t, a, "u", "one")
	if status("one") != 200 {
		t.Fatal("the first password is refused")
	}
	write(t, path, "u:"+hash(t, "two")+":wo\n", time.Minute)
	if status("one") != 401 || status("two") != 200 {
		t.Error("a new password is not followed")
	}
	if resp := try(a, auth.Owner, func(r *http.Request) { r.AddCookie(cookie) }); resp.StatusCode != 401 {
		t.Error("sessions of the old password go on")
	}
	write(t, path, "u:half a li", time.Second)
	if status("two") != 200 {
		t.Error("a broken file ends the last good one")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if status("two") != 200 {
		t.Error("a missing file ends the last good one")
	}
}

func TestKasmpasswdFaults(t *testing.T) {
	for _, content := range []string{"u:x", "u:plain:wo", ":$5$a$b:wo", "u:$1$a$b:w", "", "# nobody\n"} {
		path := filepath.Join(t.TempDir(), ".kasmpasswd")
		write(t, path, content, 0)
		if _, err := auth.New(auth.Config{Kasmpasswd: path}, nil, metrics.New()); err == nil {
			t.Errorf("%q is no fault", content)
		}
	}
}

// Whoever may send passwords may not choose what checking one costs, and no empty one is let in.
func TestKasmpasswdRefusesLongAndEmptyPasswords(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".kasmpasswd")
	long := strings.Repeat("x", 512)
	write(t, path, "u:"+hash(t, long)+":wo\nempty:"+hash(t, "")+":wo\n", time.Hour)
	a, _ := newAuth(t, auth.Config{Kasmpasswd: path})
	for credential, status := range map[string]int{
		"u:" + long: 200, "u:" + long + "x": 401, "u:" + strings.Repeat("x", 700<<10): 401, "empty:": 401,
	} {
		if resp := try(a, auth.Viewer, with("Authorization", basic(credential))); resp.StatusCode != status {
			t.Errorf("a credential of %d bytes: %s, want %d", len(credential), resp.Status, status)
		}
	}
}

func TestKasmpasswdSaysOnceWhatIsWrong(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".kasmpasswd")
	write(t, path, "u:"+hash(t, "one")+":wo\n", time.Hour)
	a, log := newAuth(t, auth.Config{Kasmpasswd: path})
	for _, problem := range []func(){
		func() { write(t, path, "", time.Minute) }, // as a file that is just being written
		func() { write(t, path, "half a line", time.Second) },
		func() { _ = os.Remove(path) },
	} {
		log.Reset()
		problem()
		for range 10 {
			if resp := try(a, auth.Owner, with("Authorization", basic("u:one"))); resp.StatusCode != 200 {
				t.Errorf("the last good one is not in force: %s", resp.Status)
			}
		}
		if n := strings.Count(log.String(), "unreadable"); n != 1 {
			t.Errorf("said %d times: %s", n, log)
		}
	}
}

// While the file changes under many requests, the old password never counts again.
func TestKasmpasswdReloadUnderLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".kasmpasswd")
	one, two := "u:"+hash(t, "one")+":wo\n", "u:"+hash(t, "two")+":wo\n"
	write(t, path, one, time.Hour)
	a, _ := newAuth(t, auth.Config{Kasmpasswd: path})
	status := func(i int, password string) int {
		return try(a, auth.Owner, func(r *http.Request) {
			r.RemoteAddr = fmt.Sprintf("192.0.2.%d:1", i) // or they would wait for each other
			r.Header.Set("Authorization", basic("u:"+password))
		}).StatusCode
	}
	var requests sync.WaitGroup
	for i := range 20 {
		requests.Go(func() { status(i, "one") })
	}
	if err := os.WriteFile(path+".new", []byte(two), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	requests.Wait()
	if s1, s2 := status(100, "one"), status(100, "two"); s1 != 401 || s2 != 200 {
		t.Errorf("the old password: %d, the new: %d", s1, s2)
	}
}
