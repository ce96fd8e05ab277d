package auth

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/GehirnInc/crypt"
	_ "github.com/GehirnInc/crypt/sha256_crypt" // $5$, what KasmVNC writes
)

const verifiedMax = 256 // credentials whose costly hash was checked already

// kasmpasswd is KasmVNC's password file: lines of user:$5$salt$hash:permissions, where permissions are any of
// w (write), o (own) and r (read). It is read again when it changes; while it cannot be read, the last good one counts.
type kasmpasswd struct {
	path string
	log  *slog.Logger

	mu       sync.Mutex // guards the following fields
	modified time.Time
	size     int64
	users    map[string]kasmUser
	sum      [sha256.Size]byte
	verified map[[sha256.Size]byte]Identity
}

type kasmUser struct {
	hash string
	role Role
}

func openKasmpasswd(path string, log *slog.Logger) (*kasmpasswd, error) {
	k := &kasmpasswd{path: path, log: log}
	if err := k.load(); err != nil {
		return nil, err
	}
	return k, nil
}

// load runs with mu held, or before k is shared.
func (k *kasmpasswd) load() error {
	info, err := os.Stat(k.path)
	if err != nil {
		return fmt.Errorf("read --kasmpasswd: %w", err)
	}
	if k.users != nil && info.ModTime().Equal(k.modified) && info.Size() == k.size {
		return nil
	}
	content, err := os.ReadFile(k.path)
	if err != nil {
		return fmt.Errorf("read --kasmpasswd: %w", err)
	}
	users, err := parseKasmpasswd(content)
	if err != nil {
		return fmt.Errorf("read --kasmpasswd %s: %w", k.path, err)
	}
	k.modified, k.size, k.users = info.ModTime(), info.Size(), users
	k.sum = sha256.Sum256(content)
	k.verified = make(map[[sha256.Size]byte]Identity)
	return nil
}

func parseKasmpasswd(content []byte) (map[string]kasmUser, error) {
	users := make(map[string]kasmUser)
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
		role := roleOf(fields[2])
		if role == 0 {
			continue // no permission at all: KasmVNC knows such users, and they may nothing
		}
		users[fields[0]] = kasmUser{hash: fields[1], role: role}
	}
	if err := lines.Err(); err != nil {
		return nil, err
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

func (k *kasmpasswd) verify(credential []byte) (Identity, bool) {
	users, verified := k.current()
	sum := sha256.Sum256(credential)
	if id, ok := verified(sum); ok {
		return id, true
	}
	name, password, ok := strings.Cut(string(credential), ":")
	if !ok {
		return Identity{}, false
	}
	user, known := users[name]
	if !known {
		user.hash = "$5$unknown$" // takes as long as a known user
	}
	if crypt.NewFromHash("$5$").Verify(user.hash, []byte(password)) != nil || !known {
		return Identity{}, false
	}
	id := Identity{User: name, Role: user.role}
	k.remember(sum, id)
	return id, true
}

// current returns the newest readable users, and a look-up among the credentials checked against them.
func (k *kasmpasswd) current() (map[string]kasmUser, func([sha256.Size]byte) (Identity, bool)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.load(); err != nil {
		k.log.Warn("password file unreadable, the last good one stays in force", "error", err)
	}
	cache := k.verified
	return k.users, func(sum [sha256.Size]byte) (Identity, bool) {
		k.mu.Lock()
		defer k.mu.Unlock()
		id, ok := cache[sum]
		return id, ok
	}
}

func (k *kasmpasswd) remember(sum [sha256.Size]byte, id Identity) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.verified) >= verifiedMax {
		clear(k.verified)
	}
	k.verified[sum] = id
}

func (k *kasmpasswd) key() []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	_ = k.load() // verify reports it
	return k.sum[:]
}
