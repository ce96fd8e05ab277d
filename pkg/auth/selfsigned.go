package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

const selfSignedYears = 10 // as KasmVNC makes them

// selfSigned makes a certificate and its key in one PEM. It is on P-256: an RSA key takes a hundred times as long to make,
// and ghostaux has to be listening within milliseconds.
func selfSigned() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	names := []string{"localhost"}
	if name, err := os.Hostname(); err == nil && name != "localhost" {
		names = append(names, name)
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "ghostaux"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().AddDate(selfSignedYears, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     names,
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},

		BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	out := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})...), nil
}

func (cs *Certificates) makeInMemory() error {
	pair, err := selfSigned()
	if err != nil {
		return fmt.Errorf("make a certificate: %w", err)
	}
	return cs.use(pair)
}

// makeFile makes the missing certificate where it was looked for. Where nothing can be written it stays in memory, and the
// file is used once it appears.
func (cs *Certificates) makeFile() error {
	pair, err := selfSigned()
	if err != nil {
		return fmt.Errorf("make a certificate: %w", err)
	}
	if cs.key != cs.cert {
		cs.log.Warn("certificate missing, one in memory is used until it is there", "file", cs.cert)
		return cs.use(pair)
	}
	if err := writeNew(cs.cert, pair); err != nil {
		cs.log.Warn("certificate missing and not writable, one in memory is used", "file", cs.cert, "error", err)
		return cs.use(pair)
	}
	cs.log.Info("certificate made", "file", cs.cert)
	cs.seen = cs.stamps()
	return cs.use(pair)
}

func (cs *Certificates) use(pair []byte) error {
	cert, err := tls.X509KeyPair(pair, onlyKey(pair))
	if err != nil {
		return fmt.Errorf("make a certificate: %w", err)
	}
	cs.current = &cert
	return nil
}

// writeNew writes a file that nobody else may read and that appears whole; it does not replace one that somebody made meanwhile.
func writeNew(path string, content []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".ghostaux-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if _, err := tmp.Write(content); err != nil {
		_ = tmp.Close()
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Link(tmp.Name(), path)
}
