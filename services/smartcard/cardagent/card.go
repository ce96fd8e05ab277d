package cardagent

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"ghostaux/services/smartcard"
	"ghostaux/services/smartcard/pcsc"
)

// virtualReader is how vpcd calls its readers: the card of a desktop must not be offered to that desktop.
const virtualReader = "Virtual PCD"

// transmitLimit is longer than ghostaux waits. When ghostaux gives up it ends the connection, which ends the call.
const transmitLimit = time.Hour

// Codes of PC/SC that the agent itself gives, pcsclite.h.
const (
	codeNoCard    = pcsc.Code(0x8010000C) // SCARD_E_NO_SMARTCARD
	codeNoService = pcsc.Code(0x8010001D) // SCARD_E_NO_SERVICE
)

// card is the card in a local reader. It belongs to one goroutine, except abort.
type card struct {
	socket string
	want   string // part of the reader's name; "": any but vpcd's
	log    *slog.Logger

	reader   string     // that is used
	conn     *pcsc.Card // nil: not connected
	out      []byte     // the answer
	response []byte
	said     string // what was logged last

	mu     sync.Mutex   // guards the following field against abort
	client *pcsc.Client // nil: pcscd was not there
}

// answer answers one packet; what it returns is valid until the next call.
func (c *card) answer(ctx context.Context, packet []byte) []byte {
	p, err := smartcard.Decode(packet)
	if err != nil {
		return c.fail(errors.New("invalid_relay_packet"))
	}
	switch p.Command {
	case smartcard.Status:
		return c.ack(c.status(ctx))
	case smartcard.Initialize:
		return c.ack(nil)
	case smartcard.PowerOn:
		err = c.connect(ctx)
	case smartcard.PowerOff:
		c.disconnect()
	case smartcard.Reset:
		err = c.reset()
	case smartcard.Transmit:
		return c.transmit(ctx, p.Payload)
	default:
		err = errors.New("unknown command")
	}
	if err != nil {
		return c.fail(err)
	}
	return c.ack(nil)
}

func (c *card) ack(payload []byte) []byte {
	c.out = smartcard.AppendPacket(c.out[:0], smartcard.Ack, payload)
	return c.out
}

func (c *card) fail(err error) []byte {
	text := err.Error()
	if code, ok := errors.AsType[pcsc.Code](err); ok {
		text = code.Error()
	}
	c.out = smartcard.AppendPacket(c.out[:0], smartcard.Error, []byte(text))
	return c.out
}

// status returns the ATR, nil without a card.
func (c *card) status(ctx context.Context) []byte {
	reader, err := c.choose(ctx)
	switch {
	case err != nil:
		c.say("no card: pcscd cannot be asked", "error", err)
	case reader.Name == "":
		c.say("no card: there is no reader")
	case reader.ATR == nil:
		c.say("no card in the reader", "reader", reader.Name)
	default:
		c.say("card in the reader", "reader", reader.Name)
		return reader.ATR
	}
	c.conn = nil
	return nil
}

// say logs what is different from the last time.
func (c *card) say(msg string, attrs ...any) {
	if c.said != msg {
		c.said = msg
		c.log.Info(msg, attrs...)
	}
}

// choose returns the reader to use: the one used before, as long as it has a card; otherwise one with a card; otherwise one without.
func (c *card) choose(ctx context.Context) (pcsc.Reader, error) {
	client, err := c.open(ctx)
	if err != nil {
		return pcsc.Reader{}, err
	}
	readers, err := client.Readers()
	if err != nil {
		c.close()
		return pcsc.Reader{}, err
	}
	var best pcsc.Reader
	for _, r := range readers {
		if !c.eligible(r.Name) {
			continue
		}
		better := best.Name == "" || best.ATR == nil && r.ATR != nil
		if r.Name == c.reader && r.ATR != nil || better {
			best = r
		}
	}
	if best.Name != c.reader {
		c.conn = nil
	}
	c.reader = best.Name
	return best, nil
}

func (c *card) eligible(name string) bool {
	if c.want == "" {
		return !strings.HasPrefix(name, virtualReader)
	}
	return strings.Contains(strings.ToLower(name), strings.ToLower(c.want))
}

func (c *card) connect(ctx context.Context) error {
	if c.conn != nil {
		return nil
	}
	reader, err := c.choose(ctx)
	if err != nil {
		return codeNoService
	}
	if reader.ATR == nil {
		return codeNoCard
	}
	conn, err := c.client.Connect(reader.Name)
	if err != nil {
		return c.lost(err)
	}
	c.conn = conn
	return nil
}

func (c *card) disconnect() {
	if c.conn != nil {
		_ = c.lost(c.conn.Disconnect(pcsc.Unpower))
		c.conn = nil
	}
}

func (c *card) reset() error {
	if c.conn == nil {
		return nil
	}
	return c.lost(c.conn.Reconnect(pcsc.Reset))
}

var wrongLength = []byte{0x67, 0x00} // ISO 7816-4

func (c *card) transmit(ctx context.Context, apdu []byte) []byte {
	if err := c.connect(ctx); err != nil {
		return c.fail(err)
	}
	var err error
	c.response, err = c.conn.Transmit(apdu, c.response[:0], transmitLimit)
	if err != nil {
		return c.fail(c.lost(err))
	}
	if len(c.response) > smartcard.MaxPayload {
		return c.ack(wrongLength)
	}
	return c.ack(c.response)
}

// lost drops the connection that an error has made useless, and returns the error. A card that another program has reset is
// connected to anew next time, so that nobody goes on as if nothing had been.
func (c *card) lost(err error) error {
	if err == nil {
		return nil
	}
	code, isCode := errors.AsType[pcsc.Code](err)
	if !isCode {
		c.close()
		return codeNoService
	}
	if c.conn != nil {
		_ = c.conn.Disconnect(pcsc.Leave)
		c.conn = nil
	}
	return code
}

// open returns the connection to pcscd.
func (c *card) open(ctx context.Context) (*pcsc.Client, error) {
	if c.client != nil {
		return c.client, nil
	}
	client, err := pcsc.Dial(ctx, c.socket)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.client = client
	return client, nil
}

// close ends the connection to pcscd, which resets the card.
func (c *card) close() {
	c.conn = nil
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client != nil {
		_ = c.client.Close()
		c.client = nil
	}
}

// abort ends a call that waits for the card. It may be called from another goroutine.
func (c *card) abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client != nil {
		_ = c.client.Close()
	}
}
