package auth

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// CertConfig says where the one certificate of the process comes from.
type CertConfig struct {
	Cert    string `help:"Certificate in PEM, with its chain; it may hold the key too. Default: ~/.vnc/self.pem, KasmVNC's own, where that is. Made when missing." type:"path" placeholder:"FILE" env:"GHOSTAUX_CERT"`
	Certkey string `help:"Key in PEM. Default: the file of --cert." type:"path" placeholder:"FILE" env:"GHOSTAUX_CERTKEY"`
	TLS     string `help:"auto: TLS on every address that others reach; off: plain HTTP, for those who end TLS in front." enum:"auto,off" default:"auto" env:"GHOSTAUX_TLS"`
}

// Validate names what does not go together.
func (c CertConfig) Validate() error {
	if c.Certkey != "" && c.Cert == "" {
		return errors.New("--certkey without --cert: name the certificate that the key belongs to")
	}
	return nil
}

// Enabled reports whether there is TLS at all.
func (c CertConfig) Enabled() bool { return c.TLS != "off" }

// lookEvery is how often, at most, a handshake looks whether the files have changed.
const lookEvery = time.Second

// Certificates is the certificate in force. It follows its files: a handshake looks at them, at most once a second, and
// loads them when they differ. Nothing polls. A pair that cannot be read, or does not match yet, leaves the last good one in force.
type Certificates struct {
	cert, key string // paths; "" when the certificate is in memory only
	log       *slog.Logger

	mu      sync.Mutex // guards the following fields
	current *tls.Certificate
	looked  time.Time
	seen    [2]stamp // of the files when they were last read, good or bad
}

// stamp tells one version of a file from another; a symlink swap, as Kubernetes does it, changes the inode.
type stamp struct {
	modified time.Time
	size     int64
	inode    uint64
}

// OpenCertificates loads the configured pair, or KasmVNC's own, or makes one. It fails when a configured file is there but
// cannot be used.
func OpenCertificates(c CertConfig, log *slog.Logger) (*Certificates, error) {
	cs := &Certificates{cert: c.Cert, key: c.Certkey, log: log}
	if cs.cert == "" {
		cs.cert = kasmCertificate()
	}
	if cs.key == "" {
		cs.key = cs.cert
	}
	if cs.cert == "" {
		return cs, cs.makeInMemory()
	}
	_, err := os.Stat(cs.cert)
	if errors.Is(err, fs.ErrNotExist) {
		return cs, cs.makeFile()
	}
	cs.seen = cs.stamps()
	cs.current, err = load(cs.cert, cs.key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", cs.cert, err)
	}
	return cs, nil
}

// kasmCertificate is the path of KasmVNC's certificate, or "" where there is no ~/.vnc.
func kasmCertificate() string {
	home := os.Getenv("HOME")
	if home == "" {
		return ""
	}
	dir := filepath.Join(home, ".vnc")
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return ""
	}
	return filepath.Join(dir, "self.pem")
}

// TLSConfig is for every listener: TLS 1.2 at least, and HTTP/1.1 only, since WebSockets need it.
func (cs *Certificates) TLSConfig() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cs.get(), nil },
	}
}

// get returns the certificate in force, having looked at the files when it is time to.
func (cs *Certificates) get() *tls.Certificate {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.cert == "" || time.Since(cs.looked) < lookEvery {
		return cs.current
	}
	cs.looked = time.Now()
	now := cs.stamps()
	if now == cs.seen {
		return cs.current
	}
	cs.seen = now
	next, err := load(cs.cert, cs.key)
	if err != nil {
		cs.log.Warn("certificate unreadable, the last good one stays in force", "file", cs.cert, "error", err)
		return cs.current
	}
	cs.current = next
	cs.log.Info("certificate reloaded", "file", cs.cert)
	return cs.current
}

func (cs *Certificates) stamps() [2]stamp {
	return [2]stamp{stampOf(cs.cert), stampOf(cs.key)}
}

// load reads a pair. Both may be the same file, with certificate and key in either order, as KasmVNC writes it.
func load(certPath, keyPath string) (*tls.Certificate, error) {
	cert, err := os.ReadFile(certPath)
	if err != nil {
		return nil, err
	}
	key := cert
	if keyPath != certPath {
		if key, err = os.ReadFile(keyPath); err != nil {
			return nil, err
		}
	}
	pair, err := tls.X509KeyPair(cert, onlyKey(key))
	if err != nil {
		return nil, err
	}
	return &pair, nil
}

// onlyKey drops what stands beside the key, such as the EC parameters that openssl writes before it.
func onlyKey(content []byte) []byte {
	rest := content
	for {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			return content
		}
		if bytes.HasSuffix([]byte(block.Type), []byte("PRIVATE KEY")) {
			return pem.EncodeToMemory(block)
		}
	}
}
