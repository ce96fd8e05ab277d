package host

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"ghostaux/pkg/auth"
	"ghostaux/pkg/service"
	"ghostaux/pkg/ws"
)

// The events are one WebSocket that tells a page what the services are doing, so that it asks for nothing.
const (
	eventsVersion   = 1                      // grows when a page written for the version before would misread the messages
	eventsReadLimit = 1 << 10                // bytes; a page has nothing to say
	eventsLeast     = 100 * time.Millisecond // between two messages: what changes faster is told once
	eventsMost      = time.Second            // between two looks at what the services report of themselves
	eventsAlive     = 10 * time.Second       // without news, something is said, since a page cannot see pings
	viewersService  = "audioout"             // the one that viewers may use, and so may know of
)

// What a page may do with a service's control.
const (
	controlOn     = "on"
	controlHidden = "hidden" // --console-hide
	controlLocked = "locked" // --console-lock
)

// eventsMessage is everything that a page shows, whole each time: a page that missed some is right with the next.
type eventsMessage struct {
	Version  int            `json:"version"`
	Type     string         `json:"type"` // "state"; "alive" has nothing new
	Ghostaux string         `json:"ghostaux,omitempty"`
	Role     string         `json:"role"`
	Services []eventService `json:"services"`
}

// eventService is one service; a viewer gets neither reasons nor details, which have paths and addresses in them.
type eventService struct {
	Name    string        `json:"name"`
	Control string        `json:"control"`
	State   service.State `json:"state"`
	Since   time.Time     `json:"since"`
	Reason  string        `json:"reason,omitempty"`
	Advice  string        `json:"advice,omitempty"`
	Absent  bool          `json:"absent,omitempty"`
	NextTry *time.Time    `json:"next_try,omitempty"`
	Detail  any           `json:"detail,omitempty"`
}

// events serves one page until it goes.
func (h *Host) events(w http.ResponseWriter, r *http.Request) {
	conn, err := h.opts.Sockets.Accept(w, r, ws.Options{ReadLimit: eventsReadLimit})
	if err != nil {
		return
	}
	defer conn.Release()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	group, ctx := service.NewGroup(ctx)
	group.Go(func() error {
		defer conn.Cut() // ends the reading too
		return h.tell(ctx, conn, auth.From(r.Context()).Role)
	})
	if _, _, err := conn.Read(make([]byte, 0, 64)); err == nil {
		conn.Close(ws.UnsupportedData, "a page has nothing to send here")
	}
	conn.Cut() // ends a write to a page that takes nothing
	cancel()
	if err := group.Wait(); err != nil && ctx.Err() == nil {
		h.opts.Log.Debug("events ended", "error", err)
	}
}

// tell sends the state now and whenever it has changed. There is no queue: what a slow page gets next is what is so
// when it has taken what it got before.
func (h *Host) tell(ctx context.Context, conn *ws.Conn, role auth.Role) error {
	alive, err := json.Marshal(eventsMessage{Version: eventsVersion, Type: "alive", Role: role.String(), Services: []eventService{}})
	if err != nil {
		return err
	}
	var last []byte
	var said time.Time
	for {
		changed := h.opts.Supervisor.Changed()
		msg, err := json.Marshal(h.message(role))
		if err != nil {
			return err
		}
		news := !bytes.Equal(msg, last)
		if !news && time.Since(said) >= eventsAlive {
			msg = alive
		}
		if news || time.Since(said) >= eventsAlive {
			if err := conn.Write(ws.Text, msg); err != nil {
				return err
			}
			said = time.Now()
		}
		if news {
			last = msg
		}
		if !pause(ctx, eventsLeast, nil) || !pause(ctx, eventsMost-eventsLeast, changed) {
			return ctx.Err()
		}
	}
}

// pause waits for the time or for something to be closed; it is false when ctx ended.
func pause(ctx context.Context, d time.Duration, closed <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-closed:
	case <-ctx.Done():
		return false
	}
	return true
}

// message is the state as the role may know it.
func (h *Host) message(role auth.Role) eventsMessage {
	m := eventsMessage{Version: eventsVersion, Type: "state", Role: role.String(), Services: []eventService{}}
	if role >= auth.Owner {
		m.Ghostaux = h.opts.Version
	}
	for _, st := range h.opts.Supervisor.Snapshot() {
		e := eventService{Name: st.Name, Control: h.control(st.Name), State: st.State, Since: st.Since, Absent: st.Absent}
		switch {
		case role >= auth.Owner:
			e.Reason, e.Advice, e.NextTry, e.Detail = st.Reason, st.Advice, st.NextTry, st.Detail
		case st.Name != viewersService:
			continue
		}
		if e.Control == controlHidden {
			e = eventService{Name: st.Name, Control: controlHidden, State: st.State, Since: st.Since}
		}
		m.Services = append(m.Services, e)
	}
	return m
}

// control is what pages may do with a service.
func (h *Host) control(name string) string {
	switch {
	case slices.Contains(h.opts.Config.ConsoleHide, name):
		return controlHidden
	case slices.Contains(h.opts.Config.ConsoleLock, name):
		return controlLocked
	}
	return controlOn
}
