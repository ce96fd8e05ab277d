package auth

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/GehirnInc/crypt"
	_ "github.com/GehirnInc/crypt/sha256_crypt" // $5$, what KasmVNC writes
)

const (
	verifiedMax = 256 // credentials of one version of the file whose costly hash was checked already
	passwordMax = 512 // bytes, as crypt(3) has it; the cost of a check grows with the square of the length
	costlyWait  = 5 * time.Second
)

// kasmpasswd is KasmVNC's password file: lines of user:$5$salt$hash:permissions, where permissions are any of
// w (write), o (own) and r (read). It is read again when it changes; while it cannot be read, the last good one counts.
type kasmpasswd struct {
	path   string
	log    *slog.Logger
	costly chan struct{} // places for checks of a hash, each of which takes milliseconds of one core

	mu      sync.Mutex // guards the following fields
	seen    stamp      // of the file when it was last read, good or bad
	problem string     // why the file could not be read the last time
	users   *kasmUsers
}

// kasmUsers is one version of the file. What was checked against it is forgotten with it.
type kasmUsers struct {
	byName map[string]kasmUser
	sum    [sha256.Size]byte

	mu       sync.Mutex // guards the following field
	verified map[[sha256.Size]byte]Identity
}

type kasmUser struct {
	hash string
	role Role
}

func openKasmpasswd(path string, log *slog.Logger) (*kasmpasswd, error) {
	k := &kasmpasswd{path: path, log: log, costly: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))}
	if err := k.load(); err != nil {
		return nil, err
	}
	return k, nil
}

// load runs with mu held, or before k is shared.
func (k *kasmpasswd) load() error {
	now := stampOf(k.path)
	content, err := os.ReadFile(k.path)
	if err != nil {
		return fmt.Errorf("read --kasmpasswd: %w", err)
	}
	k.seen = now
	users, err := parseKasmpasswd(content)
	if err != nil {
		return fmt.Errorf("read --kasmpasswd %s: %w", k.path, err)
	}
	k.users = &kasmUsers{byName: users, sum: sha256.Sum256(content), verified: make(map[[sha256.Size]byte]Identity)}
	return nil
}

func parseKasmpasswd(content []byte) (map[string]kasmUser, error) {
	users := make(map[string]kasmUser)
	empty := true
	lines := bufio.NewScanner(bytes.NewReader(content))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(line, ":")
		if len(fields) != 3 || fields[0] == "" {
			return nil, fmt.Errorf("line %d is not user:hash:permissions", n)
		}
		if !strings.HasPrefix(fields[1], "$5$") {
			return nil, fmt.Errorf("line %d: the hash is not SHA-256 crypt ($5$)", n)
		}
		empty = false
		role := roleOf(fields[2])
		if role == 0 {
			continue // no permission at all: KasmVNC knows such users, and they may nothing
		}
		users[fields[0]] = kasmUser{hash: fields[1], role: role}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if empty {
		return nil, errors.New("it names no user") // a file that is just being written looks like this
	}
	return users, nil
}

func roleOf(permissions string) Role {
	switch {
	case strings.ContainsAny(permissions, "wo"):
		return Owner
	case strings.Contains(permissions, "r"):
		return Viewer
	}
	return 0
}

func (k *kasmpasswd) verify(ctx context.Context, credential []byte) (Identity, Reason, bool) {
	users := k.current()
	sum := sha256.Sum256(credential)
	if id, ok := users.known(sum); ok {
		return id, 0, true
	}
	name, password, _ := strings.Cut(string(credential), ":")
	if password == "" || len(password) > passwordMax {
		return Identity{}, Wrong, false
	}
	user, known := users.byName[name]
	if !known {
		user.hash = "$5$unknown$" // takes as long as a known user
	}
	if !k.enter(ctx) {
		return Identity{}, TooMany, false
	}
	err := crypt.NewFromHash("$5$").Verify(user.hash, []byte(password))
	<-k.costly
	if err != nil || !known {
		return Identity{}, Wrong, false
	}
	id := Identity{User: name, Role: user.role}
	users.remember(sum, id)
	return id, 0, true
}

// enter waits for a place to check a hash. Whoever floods us with passwords must not take every core from the services.
func (k *kasmpasswd) enter(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, costlyWait)
	defer cancel()
	select {
	case k.costly <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// current returns the newest readable version of the file.
func (k *kasmpasswd) current() *kasmUsers {
	k.mu.Lock()
	defer k.mu.Unlock()
	if stampOf(k.path) == k.seen {
		return k.users
	}
	err := k.load()
	problem := ""
	if err != nil {
		problem = err.Error()
	}
	if problem != "" && problem != k.problem { // said once, not at every request
		k.log.Warn("password file unreadable, the last good one stays in force", "error", err)
	}
	k.problem = problem
	return k.users
}

func (k *kasmpasswd) key() []byte { return k.current().sum[:] }

func (u *kasmUsers) known(sum [sha256.Size]byte) (Identity, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	id, ok := u.verified[sum]
	return id, ok
}

func (u *kasmUsers) remember(sum [sha256.Size]byte, id Identity) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.verified) >= verifiedMax {
		clear(u.verified)
	}
	u.verified[sum] = id
}
