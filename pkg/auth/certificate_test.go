package auth_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ghostaux/pkg/auth"
	"ghostaux/pkg/testkit"
)

// pair makes a certificate for name, and its key in the form that openssl and KasmVNC may have written.
func pair(t *testing.T, name, form string) (cert, key []byte) {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(100 * 365 * 24 * time.Hour)}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var der []byte
	switch form {
	case "RSA":
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		der, err = x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
		if err != nil {
			t.Fatal(err)
		}
		key = pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)})
	default:
		der, err = x509.CreateCertificate(rand.Reader, template, template, &ec.PublicKey, ec)
		if err != nil {
			t.Fatal(err)
		}
		b, err := x509.MarshalECPrivateKey(ec)
		if err != nil {
			t.Fatal(err)
		}
		key = pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: b})
		if form == "EC with parameters" {
			key = append(pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{6, 8, 42, 134, 72, 206, 61, 3, 1, 7}}), key...)
		}
		if form == "PKCS#8" {
			b, err := x509.MarshalPKCS8PrivateKey(ec)
			if err != nil {
				t.Fatal(err)
			}
			key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: b})
		}
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), key
}

// served is the common name of the certificate that a handshake gets.
func served(t *testing.T, cs *auth.Certificates) string {
	t.Helper()
	client, server := net.Pipe()
	defer client.Close()
	defer server.Close()
	go func() { _ = tls.Server(server, cs.TLSConfig()).Handshake() }()
	c := tls.Client(client, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	if p := c.ConnectionState().NegotiatedProtocol; p != "http/1.1" {
		t.Errorf("protocol %q: WebSockets need http/1.1", p)
	}
	return c.ConnectionState().PeerCertificates[0].Subject.CommonName
}

func put(t *testing.T, path string, parts ...[]byte) {
	t.Helper()
	if err := os.WriteFile(path, bytes.Join(parts, nil), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFormsOfCertificates(t *testing.T) {
	for _, form := range []string{"RSA", "EC", "EC with parameters", "PKCS#8"} {
		dir := t.TempDir()
		cert, key := pair(t, form, form)
		put(t, dir+"/key-first", key, cert)
		put(t, dir+"/cert-first", cert, key)
		put(t, dir+"/cert", cert)
		put(t, dir+"/key", key)
		for _, c := range []auth.CertConfig{
			{Cert: dir + "/key-first"},
			{Cert: dir + "/cert-first"},
			{Cert: dir + "/cert-first", Certkey: dir + "/cert-first"},
			{Cert: dir + "/cert", Certkey: dir + "/key"},
		} {
			cs, err := auth.OpenCertificates(c, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Errorf("%s, %+v: %v", form, c, err)
				continue
			}
			if name := served(t, cs); name != form {
				t.Errorf("%s, %+v: served %q", form, c, name)
			}
		}
	}
}

func TestUnusableCertificateIsAFault(t *testing.T) {
	dir := t.TempDir()
	cert, _ := pair(t, "a", "EC")
	_, key := pair(t, "b", "EC")
	put(t, dir+"/mismatch", cert, key)
	put(t, dir+"/rubbish", []byte("rubbish"))
	for _, name := range []string{"/mismatch", "/rubbish"} {
		_, err := auth.OpenCertificates(auth.CertConfig{Cert: dir + name}, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), dir+name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (auth.CertConfig{Certkey: "k"}).Validate(); err == nil {
		t.Error("a key without a certificate is no fault")
	}
}

// A missing certificate is made, kept, and used again at the next start.
func TestMissingCertificateIsMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "self.pem")
	first, err := auth.OpenCertificates(auth.CertConfig{Cert: path}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	made, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != fs.FileMode(0o600) {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if _, err := auth.OpenCertificates(auth.CertConfig{Cert: path}, slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	}
	again, _ := os.ReadFile(path)
	if !bytes.Equal(made, again) {
		t.Error("the second start made another one")
	}
	if name := served(t, first); name != "ghostaux" {
		t.Errorf("served %q", name)
	}
	// Where nothing can be written there is one all the same.
	t.Setenv("HOME", "")
	for _, c := range []auth.CertConfig{{}, {Cert: "/proc/no/such.pem"}} {
		cs, err := auth.OpenCertificates(c, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if name := served(t, cs); name != "ghostaux" {
			t.Errorf("%+v: served %q", c, name)
		}
	}
}

func TestKasmCertificateIsTheDefault(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	if err := os.Mkdir(home+"/.vnc", 0o700); err != nil {
		t.Fatal(err)
	}
	cert, key := pair(t, "kasm", "RSA")
	put(t, home+"/.vnc/self.pem", key, cert)
	cs, err := auth.OpenCertificates(auth.CertConfig{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if name := served(t, cs); name != "kasm" {
		t.Errorf("served %q", name)
	}
}

// The certificate follows its files, through a rename and through a swapped symlink as Kubernetes does it; what cannot be
// used leaves the last good one in force.
func TestCertificateReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		for _, version := range []string{"one", "two"} {
			cert, key := pair(t, version, "EC")
			if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
				t.Fatal(err)
			}
			put(t, filepath.Join(dir, version, "tls.crt"), cert)
			put(t, filepath.Join(dir, version, "tls.key"), key)
		}
		data := filepath.Join(dir, "data")
		swap := func(version string) {
			t.Helper()
			if err := os.Symlink(version, data+".new"); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(data+".new", data); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
		}
		swap("one")
		cs, err := auth.OpenCertificates(auth.CertConfig{Cert: data + "/tls.crt", Certkey: data + "/tls.key"}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		get := func() string {
			c, err := cs.TLSConfig().GetCertificate(nil)
			if err != nil {
				t.Fatal(err)
			}
			return c.Leaf.Subject.CommonName
		}
		if get() != "one" {
			t.Fatalf("serves %q", get())
		}
		swap("two")
		if get() != "two" {
			t.Errorf("after the swap it serves %q", get())
		}
		put(t, data+"/tls.crt", []byte("half a cert"))
		time.Sleep(2 * time.Second)
		if get() != "two" {
			t.Errorf("after a broken write it serves %q", get())
		}
		swap("one")
		if get() != "one" {
			t.Errorf("after mending it serves %q", get())
		}
	})
}

// Handshakes go on while the files change under them, half written now and then.
func TestCertificateReloadDuringHandshakes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "self.pem")
	cert, key := pair(t, "one", "EC")
	put(t, path, key, cert)
	cs, err := auth.OpenCertificates(auth.CertConfig{Cert: path}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var handshakes sync.WaitGroup
	for range 4 {
		handshakes.Go(func() {
			for range 10 {
				if name := served(t, cs); name != "one" && name != "two" {
					t.Errorf("served %q", name)
				}
			}
		})
	}
	next, nextKey := pair(t, "two", "EC")
	for range 100 {
		put(t, path, nextKey, next[:len(next)/2])
		put(t, path, nextKey, next)
	}
	handshakes.Wait()
	testkit.Eventually(t, 10*time.Second, "the new one is served", func() bool { return served(t, cs) == "two" })
}
