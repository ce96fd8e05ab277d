package cardagent

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"ghostaux/pkg/service"
	"ghostaux/pkg/ws"
	"ghostaux/services/smartcard"
	"ghostaux/services/smartcard/pcsc"
)

// Config says where the desktop is, how to get in, and which card to take there.
type Config struct {
	URL        string       // of /smartcard/ on ghostaux's front door, https
	Credential string       // user:password
	ServerCert string       // file with the certificate that the server must have, PEM; "": any that the system trusts
	Insecure   bool         // take any certificate, and plain http to any host
	Socket     string       // of pcscd; "": pcsc.DefaultSocket
	Reader     string       // part of the reader's name; "": any but vpcd's
	Log        *slog.Logger // states only, never what the card says
}

// Times of connecting.
const (
	dialTimeout = 15 * time.Second
	firstRetry  = 500 * time.Millisecond
	lastRetry   = 15 * time.Second
	steadyAfter = 30 * time.Second // a connection that lasts so long is not counted as a failure
)

// Agent connects the card.
type Agent struct {
	config Config
	client *http.Client
	header http.Header
}

// New checks the configuration.
func New(c Config) (*Agent, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("%q: want the address of the desktop, such as https://desktop.example:4900/smartcard/", c.URL)
	}
	if u.Scheme == "http" && !c.Insecure && !isLoopback(u.Hostname()) {
		return nil, fmt.Errorf("%s would send the password in the clear: use https, or --insecure", c.URL)
	}
	if c.Socket == "" {
		c.Socket = pcsc.DefaultSocket
	}
	config, err := c.tls()
	if err != nil {
		return nil, err
	}
	a := &Agent{config: c, header: http.Header{}}
	a.client = &http.Client{
		Transport:     &http.Transport{TLSClientConfig: config, Proxy: http.ProxyFromEnvironment},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if c.Credential != "" {
		a.header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(c.Credential)))
	}
	return a, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// tls is the configuration that believes the system's authorities, or one certificate, or any.
func (c Config) tls() (*tls.Config, error) {
	switch {
	case c.Insecure:
		return &tls.Config{InsecureSkipVerify: true}, nil
	case c.ServerCert == "":
		return &tls.Config{}, nil
	}
	text, err := os.ReadFile(c.ServerCert)
	if err != nil {
		return nil, fmt.Errorf("read the server's certificate: %w", err)
	}
	var want []byte
	for block, rest := pem.Decode(text); block != nil && want == nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			want = block.Bytes
		}
	}
	if want == nil {
		return nil, fmt.Errorf("%s has no certificate", c.ServerCert)
	}
	return &tls.Config{
		InsecureSkipVerify: true, // its name and issuer do not matter: it must be this one
		VerifyConnection: func(s tls.ConnectionState) error {
			if !bytes.Equal(s.PeerCertificates[0].Raw, want) {
				return errors.New("the server has another certificate than the given one")
			}
			return nil
		},
	}, nil
}

// ErrDisplaced ends Run when another agent has taken this one's place.
var ErrDisplaced = errors.New(smartcard.Displaced + "; start this one again to take it back")

// Run connects the card to the desktop, again and again, until ctx ends or another agent takes over.
func (a *Agent) Run(ctx context.Context) error {
	log := a.config.Log
	defer a.client.CloseIdleConnections()
	c := &card{socket: a.config.Socket, want: a.config.Reader, log: log}
	var last string
	delay := firstRetry
	for {
		begin := time.Now()
		err := a.connect(ctx, c, func() {
			log.Info("connected to the desktop", "url", a.config.URL)
			last = ""
		})
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, ErrDisplaced):
			return err
		case time.Since(begin) >= steadyAfter:
			delay = firstRetry
		}
		if err.Error() != last {
			last = err.Error()
			log.Warn("not connected to the desktop; trying again", "url", a.config.URL, "error", err)
		}
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return nil
		}
		delay = min(2*delay, lastRetry)
	}
}

// connect is the life of one connection.
func (a *Agent) connect(ctx context.Context, c *card, connected func()) error {
	dialing, cancel := context.WithTimeout(ctx, dialTimeout)
	conn, err := ws.Dial(dialing, a.config.URL, ws.DialOptions{
		Client: a.client, Header: a.header, ReadLimit: 2 * smartcard.MaxPacket,
	})
	cancel()
	if err != nil {
		return explain(err)
	}
	defer conn.Close()
	connected()
	packets := make(chan []byte)
	group, groupCtx := service.NewGroup(ctx)
	stop := context.AfterFunc(groupCtx, c.abort)
	group.Go(func() error { return conn.KeepAlive(groupCtx) })
	group.Go(func() error { return receive(groupCtx, conn, packets) })
	group.Go(func() error {
		defer c.close() // a card that was unlocked for one connection is locked for the next
		return answer(groupCtx, conn, c, packets)
	})
	err = group.Wait()
	stop()
	if ws.CloseCode(err) == ws.PolicyViolation {
		return ErrDisplaced
	}
	return err
}

// receive reads always, so that pings are answered while the card thinks.
func receive(ctx context.Context, conn *ws.Dialed, packets chan<- []byte) error {
	for {
		typ, msg, err := conn.Read(ctx)
		if err != nil {
			return err
		}
		if typ != ws.Binary {
			return errors.New("the server does not speak the protocol of a card agent")
		}
		select {
		case packets <- msg:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func answer(ctx context.Context, conn *ws.Dialed, c *card, packets <-chan []byte) error {
	for {
		select {
		case p := <-packets:
			if err := conn.Write(ctx, ws.Binary, c.answer(ctx, p)); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// explain turns a refusal into words for a person.
func explain(err error) error {
	refused, ok := errors.AsType[*ws.RefusedError](err)
	if !ok {
		return err
	}
	switch refused.Status {
	case http.StatusUnauthorized:
		return errors.New("the user or the password is wrong")
	case http.StatusForbidden:
		return errors.New("this user may only listen and look")
	case http.StatusNotFound:
		return errors.New("there is no smart card service at this address")
	}
	return refused
}
