package upload

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"ghostaux/pkg/auth"
	"ghostaux/pkg/metrics"
	"ghostaux/pkg/testkit"
)

func TestGuardSpeaksAsTheOriginal(t *testing.T) {
	g := start(t, nil)
	body, kind := formBody("a", randomBytes(9, 10_000_000))
	for _, c := range []struct{ authorization, text string }{
		{"", "Authorization Header missing or invalid"},
		{"Bearer x", "Authorization Header missing or invalid"},
		{"Basic !!!", "Authorization Header missing or invalid"},
		{testkit.Authorization("kasm_user:wrong"), "Access Denied!"},
	} {
		a := g.do(http.MethodPost, "/upload", bytes.NewReader(body), "Content-Type", kind, "Authorization", c.authorization)
		if a.status != 403 || a.body != c.text || a.header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%q: %v", c.authorization, a)
		}
	}
	g.wantFiles()
	a := g.do(http.MethodPost, "/upload", bytes.NewReader(body), "Content-Type", kind, "Authorization", "", "Accept", "application/json")
	g.want(a, 403, `{"error":"Authorization Header missing or invalid"}`)
	a = g.do(http.MethodPost, "/upload", bytes.NewReader(body), "Authorization", "", "Accept", "application/json", "X-Requested-With", "XMLHttpRequest")
	g.want(a, 403, "Authorization")
	if a.body[0] == '{' {
		t.Error("Dropzone got JSON")
	}
}

func TestRoutes(t *testing.T) {
	g := start(t, nil)
	g.want(g.do("GET", "/upload", nil), 405, "Method not allowed")
	g.want(g.do("GET", "/", nil), 404, "Not found")
	g.want(g.do("POST", "/other", strings.NewReader("x")), 404, "Not found")
	g.want(g.do("POST", "/style/", strings.NewReader(`{"style":"lowbandwidth"}`)), 204, "")
	if a := g.do("OPTIONS", "/upload", nil, "Authorization", ""); a.status != 200 || a.header.Get("Allow") != "OPTIONS, POST" {
		t.Errorf("OPTIONS: %v", a)
	}
	page := start(t, func(c *Config) { c.Page = true })
	page.want(page.do("GET", "/", nil), 200, "<form")
	page.want(page.do("GET", "/", nil, "Authorization", ""), 401, "Sign in")
}

func TestCORS(t *testing.T) {
	env := testkit.Env(t)
	var err error
	env.Auth, err = auth.New(auth.Config{AuthToken: testkit.Token, AllowOrigin: []string{"https://desk.example"}}, env.Log, metrics.New())
	if err != nil {
		t.Fatal(err)
	}
	g := rigOf(t, defaults(t.TempDir()), env)
	g.run()
	pre := func(origin string) answer {
		return g.do("OPTIONS", "/upload", nil, "Authorization", "", "Origin", origin, "Access-Control-Request-Method", "POST",
			"Access-Control-Request-Headers", "cache-control,x-requested-with")
	}
	a := pre("https://desk.example")
	if a.status != 204 || a.header.Get("Access-Control-Allow-Origin") != "https://desk.example" ||
		a.header.Get("Access-Control-Allow-Credentials") != "true" || !strings.Contains(a.header.Get("Access-Control-Allow-Headers"), "cache-control") ||
		!strings.Contains(a.header.Get("Access-Control-Allow-Methods"), "PUT") {
		t.Errorf("preflight: %v", a)
	}
	if a := pre("https://evil.example"); a.status != 403 || a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("foreign preflight: %v", a)
	}
	body, kind := formBody("a", []byte("x"))
	a = g.do("POST", "/upload", bytes.NewReader(body), "Content-Type", kind, "Origin", "https://evil.example")
	g.want(a, 403, "not allowed")
	g.want(g.do("PUT", "/folder/new", nil, "Origin", "https://evil.example"), 403, "not allowed")
	a = g.do("POST", "/upload", bytes.NewReader(body), "Content-Type", kind, "Origin", "https://desk.example")
	g.want(a, 200, "uploaded Chunk")
	if a.header.Get("Access-Control-Allow-Origin") != "https://desk.example" {
		t.Errorf("answer: %v", a.header)
	}
}
