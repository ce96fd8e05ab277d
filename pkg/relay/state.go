package relay

import (
	"context"
	"errors"
	"time"
)

// How often Wait looks for a relay: soon at first, for one that restarts, then once a second.
const (
	firstLook = 50 * time.Millisecond
	lastLook  = time.Second
)

// State is a relay as it is now.
type State struct {
	Path    string `json:"path"`
	Present bool   `json:"present"`           // somebody listens there; whether a browser does nobody can tell
	Reason  string `json:"reason,omitempty"`  // why it is not present
	Advice  string `json:"advice,omitempty"`  // what to do about it
	Waiting string `json:"waiting,omitempty"` // for how long a datagram has been waiting for room: Xvnc is busy or stopped
}

// Probe tells whether anybody listens at path now: nil, or an *AbsentError. Nobody notices it.
func Probe(path string) error {
	if err := probe(path); err != nil {
		return &AbsentError{Path: path, Err: err}
	}
	return nil
}

// StateOf looks at the relay at path, for whoever has no Client of it.
func StateOf(path string) State { return stateFrom(path, Probe(path)) }

// State looks at the relay, without sending anything.
func (c *Client) State() State {
	s := stateFrom(c.options.Path, c.look())
	if since := c.waiting.Load(); since != 0 {
		s.Waiting = time.Since(time.Unix(0, since)).Round(time.Millisecond).String()
	}
	return s
}

func stateFrom(path string, err error) State {
	s := State{Path: path, Present: err == nil}
	if err != nil {
		s.Reason = err.Error()
	}
	if absent, ok := errors.AsType[*AbsentError](err); ok {
		s.Advice = absent.Advice()
	}
	return s
}

// Wait returns nil when somebody listens at the relay, and otherwise when ctx ends.
func (c *Client) Wait(ctx context.Context) error {
	delay := firstLook
	timer := time.NewTimer(delay)
	defer timer.Stop()
	for {
		if c.look() == nil {
			return nil
		}
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		delay = min(delay*2, lastLook)
		timer.Reset(delay)
	}
}

func (c *Client) look() error {
	err := Probe(c.options.Path)
	c.note(err)
	return err
}

// note logs when the relay comes or goes; err is nil or why it is not there.
func (c *Client) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	was, first := c.absent, !c.looked
	c.absent, c.looked = err, true
	switch {
	case err == nil && (first || was != nil):
		c.log.Info("relay found", "path", c.options.Path)
	case err != nil && first:
		c.log.Info("relay not there yet", "error", err)
	case err != nil && was == nil:
		c.log.Warn("relay lost", "error", err)
	}
}
