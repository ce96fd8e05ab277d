package auth

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"

	"ghostaux/pkg/metrics"
)

// Config says which credentials exist and which pages may use them.
type Config struct {
	AuthToken     string   `help:"The credential user:password. It is hidden from the process list." placeholder:"USER:PASSWORD" env:"GHOSTAUX_AUTH_TOKEN"`
	AuthTokenFile string   `help:"File whose first line is the credential user:password." type:"path" placeholder:"FILE" env:"GHOSTAUX_AUTH_TOKEN_FILE"`
	Kasmpasswd    string   `help:"KasmVNC's password file; its roles are kept: w and o may do everything, r may only listen." type:"path" placeholder:"FILE" env:"GHOSTAUX_KASMPASSWD"`
	NoAuth        bool     `help:"Let everybody in, as owner. Only behind a proxy that signs people in." env:"GHOSTAUX_NO_AUTH"`
	AllowOrigin   []string `help:"Origins whose pages may use the services, such as https://desk.example:6901. When set, pages of all other origins are refused." placeholder:"ORIGIN" env:"GHOSTAUX_ALLOW_ORIGIN"`
	TrustedProxy  []string `help:"Addresses or networks of proxies whose X-Forwarded-For is believed, so that wrong passwords slow down their sender only." placeholder:"NETWORK" env:"GHOSTAUX_TRUSTED_PROXY"`
	VNCPassword   string   `kong:"-"` // VNC_PW of the container: the credential is then kasm_user:VNC_PW
}

// Validate names every combination that cannot be meant.
func (c Config) Validate() error {
	var sources []string
	if c.AuthToken != "" {
		sources = append(sources, "--auth-token")
	}
	if c.AuthTokenFile != "" {
		sources = append(sources, "--auth-token-file")
	}
	if c.Kasmpasswd != "" {
		sources = append(sources, "--kasmpasswd")
	}
	if c.NoAuth {
		sources = append(sources, "--no-auth")
	}
	var errs []error
	if len(sources) > 1 {
		errs = append(errs, fmt.Errorf("%s exclude each other: choose one", strings.Join(sources, ", ")))
	}
	if c.AuthToken != "" && !complete(c.AuthToken) {
		errs = append(errs, errors.New("--auth-token: want user:password, such as kasm_user:secret"))
	}
	for _, o := range c.AllowOrigin {
		if !validOrigin(o) {
			errs = append(errs, fmt.Errorf("--allow-origin %q: want scheme://host or scheme://host:port", o))
		}
	}
	if _, err := parseProxies(c.TrustedProxy); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Auth knows the credentials. It is safe for use by many goroutines.
type Auth struct {
	config   Config
	log      *slog.Logger
	verifier verifier // nil: everybody is owner
	printed  string   // the generated token, "" when one was configured
	throttle *throttle
	proxies  proxies
	fallback []byte // key of sessions when the verifier has none
	refused  metrics.Counters
}

// verifier knows the credentials of one source.
type verifier interface {
	// verify returns the identity of a whole credential "user:password", or why there is none: Wrong, or TooMany
	// when it could not be checked now.
	verify(ctx context.Context, credential []byte) (Identity, Reason, bool)
	// key changes when the credentials do; sessions are signed with it.
	key() []byte
}

// New reads the configured source of credentials, or makes a random token when there is none.
func New(c Config, log *slog.Logger, reg *metrics.Registry) (*Auth, error) {
	a := &Auth{
		config:   c,
		log:      log,
		throttle: newThrottle(),
		fallback: make([]byte, 32),
		refused:  reg.Counters("auth_refused_total", "Requests that a guard refused, by reason.", "reason"),
	}
	var err error
	if a.proxies, err = parseProxies(c.TrustedProxy); err != nil {
		return nil, err
	}
	_, _ = rand.Read(a.fallback) // never fails (crypto/rand)
	for why := range reasonsEnd {
		a.refused.With(why.String())
	}
	if a.verifier, err = a.source(); err != nil {
		return nil, err
	}
	return a, nil
}

func (a *Auth) source() (verifier, error) {
	c := a.config
	switch {
	case c.NoAuth:
		return nil, nil
	case c.AuthToken != "":
		return newToken(c.AuthToken), nil
	case c.AuthTokenFile != "":
		token, err := readTokenFile(c.AuthTokenFile)
		if err != nil {
			return nil, err
		}
		return newToken(token), nil
	case c.Kasmpasswd != "":
		return openKasmpasswd(c.Kasmpasswd, a.log)
	case c.VNCPassword != "":
		return newToken("kasm_user:" + c.VNCPassword), nil
	}
	secret := rand.Text()
	a.printed = "kasm_user:" + secret
	return newToken(a.printed), nil
}

// Credential is the one that a client of another ghostaux presents: the configured token, "" when there is none.
func (c Config) Credential() (string, error) {
	switch {
	case c.AuthToken != "":
		return c.AuthToken, nil
	case c.AuthTokenFile != "":
		return readTokenFile(c.AuthTokenFile)
	case c.VNCPassword != "":
		return "kasm_user:" + c.VNCPassword, nil
	}
	return "", nil
}

// Generated returns the token that New made since none was configured, or "".
func (a *Auth) Generated() string { return a.printed }

// Disabled reports that everybody is let in.
func (a *Auth) Disabled() bool { return a.verifier == nil }

func readTokenFile(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read --auth-token-file: %w", err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	line = strings.TrimSuffix(line, "\r")
	if !complete(line) {
		return "", fmt.Errorf("--auth-token-file %s: the first line is not user:password", path)
	}
	return line, nil
}

// complete reports whether a credential has a user and a password: an empty password would be no lock.
func complete(credential string) bool {
	user, password, _ := strings.Cut(credential, ":")
	return user != "" && password != ""
}

// token is the one credential of the container. The whole string is compared, so a colon in the
// password is harmless, and so is a password that is not UTF-8.
type token struct {
	sum        [sha256.Size]byte
	user       string
	sessionKey func() []byte
}

func newToken(credential string) *token {
	user, _, _ := strings.Cut(credential, ":")
	return &token{
		sum: sha256.Sum256([]byte(credential)), user: user,
		sessionKey: sync.OnceValue(func() []byte { return stretch(credential) }),
	}
}

func (t *token) verify(_ context.Context, credential []byte) (Identity, Reason, bool) {
	sum := sha256.Sum256(credential)
	if !hmac.Equal(sum[:], t.sum[:]) {
		return Identity{}, Wrong, false
	}
	return Identity{User: t.user, Role: Owner}, 0, true
}

func (t *token) key() []byte { return t.sessionKey() }

// stretchRounds cost a few hundredths of a second, once, when the first cookie is made or seen.
const stretchRounds = 200_000

// stretch makes a key of a credential, so slowly that whoever got hold of a cookie cannot try passwords against it.
// The salt is the same everywhere, since nothing is stored and sessions outlive the process.
func stretch(credential string) []byte {
	key, err := pbkdf2.Key(sha256.New, credential, []byte("ghostaux session"), stretchRounds, sha256.Size)
	if err != nil {
		panic(err) // only for sizes that the standard does not allow
	}
	return key
}

// identify finds the identity of a request, and whether a cookie told it.
func (a *Auth) identify(r *http.Request) (id Identity, byCookie bool, why Reason, ok bool) {
	if a.verifier == nil {
		// Nobody had to show anything, so a foreign page could act for whoever can reach us: judged like a cookie.
		return Identity{User: "anybody", Role: Owner}, true, 0, true
	}
	credential, presented := basic(r)
	if presented {
		id, why, ok = a.Verify(r, credential)
		if ok {
			return id, false, 0, true
		}
	}
	if id, ok := a.session(r); ok {
		return id, true, 0, true
	}
	if !presented {
		return Identity{}, false, Missing, false
	}
	return Identity{}, false, why, false
}

// Verify checks one credential that a request presented, within the limit of wrong ones per address.
func (a *Auth) Verify(r *http.Request, credential []byte) (Identity, Reason, bool) {
	if a.verifier == nil {
		return Identity{User: "anybody", Role: Owner}, 0, true
	}
	addr := a.proxies.remoteHost(r)
	if !a.throttle.allowed(addr) {
		return Identity{}, TooMany, false
	}
	id, why, ok := a.verifier.verify(r.Context(), credential)
	if why == Wrong && !ok {
		a.throttle.failed(addr)
	}
	return id, why, ok
}
