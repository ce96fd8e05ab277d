package smartcard

import (
	"bytes"
	"context"
	"encoding/hex"
	"log/slog"
	"sync"
	"time"
)

// Report is what /status shows of the service.
type Report struct {
	State       string     `json:"state"`           // a State
	Far         string     `json:"far_end"`         // what the card is reached through: "relay", "agent" or "none"
	Relay       string     `json:"relay,omitempty"` // why KasmVNC's relay is not there; empty: it is, or an agent is used
	Reader      string     `json:"reader"`          // of vpcd: "empty", "missing", "connecting", "connected" or "in use"
	ReaderError string     `json:"reader_error,omitempty"`
	Card        bool       `json:"card"`
	ATR         string     `json:"atr,omitempty"`     // in hexadecimal
	Viewers     int        `json:"viewers,omitempty"` // browsers that answer; more than one makes a card slower
	LastError   string     `json:"last_error,omitempty"`
	LastErrorAt *time.Time `json:"last_error_at,omitempty"`
	Advice      string     `json:"advice,omitempty"` // what to do now
}

// Where the card's connection to vpcd is.
const (
	readerEmpty      = "empty"
	readerMissing    = "missing" // empty, and vpcd does not listen any more
	readerConnecting = "connecting"
	readerConnected  = "connected" // pcscd has not spoken yet
	readerInUse      = "in use"
)

// board is what the bridge knows, for others to read, and the lines of the log that say how it changes.
type board struct {
	log    *slog.Logger
	config Config

	mu       sync.Mutex // guards the following fields
	report   Report
	logged   [statesEnd]time.Time // when each state was last logged
	coarse   State
	relayErr error
	vpcdErr  error
}

func newBoard(log *slog.Logger, c Config) *board {
	b := &board{log: log, config: c}
	b.reset()
	return b
}

// reset is the board without a bridge.
func (b *board) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.report = Report{State: NoRelay.String(), Far: "none", Reader: readerEmpty}
	b.coarse = NoRelay
	b.relayErr, b.vpcdErr = nil, nil
}

func (b *board) relay(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.relayErr = err
}

func (b *board) vpcd(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.vpcdErr == nil && err != nil {
		b.log.Warn("pcscd's virtual reader cannot be reached", "addr", b.config.VpcdAddr, "error", err)
	}
	b.vpcdErr = err
}

// get is the report, made anew.
func (b *board) get() Report {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.report
	r.Advice = b.advice()
	if b.vpcdErr != nil && r.Reader == readerConnecting {
		r.ReaderError = "cannot connect to vpcd at " + b.config.VpcdAddr
	}
	if b.relayErr != nil && r.Far != "agent" {
		r.Relay = b.relayErr.Error()
	}
	return r
}

// quietFor is how long a state that was logged is not logged again.
const quietFor = time.Minute

// state logs changes of the state once each, and those of an exchange not at all.
func (b *board) state(s State, now time.Time) {
	if s == Powered || s == Exchanging {
		s = CardPresent
	}
	if s == b.coarse {
		return
	}
	b.coarse = s
	level := slog.LevelInfo
	if now.Sub(b.logged[s]) < quietFor {
		level = slog.LevelDebug
	} else {
		b.logged[s] = now
	}
	b.log.Log(context.Background(), level, "smart card state changed", "state", s.String())
}

// freshFor is how long the last error is what a person should do something about.
const freshFor = time.Minute

// advice is what a person can do now. It runs with mu held.
func (b *board) advice() string {
	fresh := b.report.LastErrorAt != nil && time.Since(*b.report.LastErrorAt) < freshFor
	switch b.coarse {
	case CardPresent:
		if b.vpcdErr != nil && b.report.Reader == readerConnecting {
			return "Start pcscd with the vpcd driver. " + installAdvice()
		}
	case NoRelay:
		return "Start KasmVNC's Xvnc with -UnixRelay smartcard:" + b.config.Relay + ", or run `ghostaux card-agent` at the desk where the card is."
	case NoBrowser:
		return "Open the desktop in a browser with Kasm's smart card extension and its native part, or run `ghostaux card-agent` at the desk where the card is."
	case NoCard:
		if fresh {
			return b.report.Advice
		}
		return "Insert the card. If it is in: the browser needs Kasm's smart card extension and its native part, and only the first reader is used."
	}
	if fresh {
		return b.report.Advice
	}
	return ""
}

// publish shows what has changed since it was called last.
func (b *bridge) publish() {
	m, board := b.machine, b.board
	board.mu.Lock()
	defer board.mu.Unlock()
	r := &board.report
	state := m.State()
	r.State, r.Far, r.Reader, r.Viewers = state.String(), b.farName(), b.readerName(), 0
	if state > NoBrowser {
		r.Viewers = m.viewers
	}
	if r.Reader == readerConnected || r.Reader == readerInUse {
		board.vpcdErr = nil
	}
	if !bytes.Equal(b.shown, m.atr) {
		b.shown = append(b.shown[:0], m.atr...)
		r.Card, r.ATR = m.atr != nil, hex.EncodeToString(m.atr)
	}
	if t := &m.trouble; t.Text != "" && (r.LastErrorAt == nil || !r.LastErrorAt.Equal(t.At)) {
		at := t.At
		r.LastError, r.LastErrorAt, r.Advice = t.Text, &at, t.Advice
	}
	board.state(state, time.Now())
}

func (b *bridge) farName() string {
	switch {
	case b.agent != nil:
		return "agent"
	case b.relayFound:
		return "relay"
	}
	return "none"
}

func (b *bridge) readerName() string {
	switch {
	case b.reader == nil:
		return readerEmpty
	case b.reader.conn == nil:
		return readerConnecting
	case !b.reader.heard:
		return readerConnected
	}
	return readerInUse
}
