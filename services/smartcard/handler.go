package smartcard

import (
	"context"
	"errors"
	"net/http"

	"ghostaux/pkg/auth"
	"ghostaux/pkg/service"
	"ghostaux/pkg/ws"
)

// mount is where a card agent connects, on the front door.
const mount = "/smartcard/"

// agentReadLimit is the longest message of a card agent in bytes: a packet, and room to tell one that is too long.
const agentReadLimit = 2 * MaxPacket

// Displaced is the reason that an agent is closed with, code 1008, when another one takes its place. It must not
// come back by itself: the two would take turns for ever.
const Displaced = "another card agent has taken over"

var errDisplaced = errors.New(Displaced)

// agent is a card agent that has connected: one packet a message, both ways.
type agent struct {
	conn *ws.Conn
	user string
	out  *courier
	end  context.CancelCauseFunc
}

// handler is the edge for card agents.
type handler struct{ service *Service }

// ServeHTTP serves one card agent until it goes, a newer one comes, or the card reader is lost.
func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sockets := h.service.env.Sockets
	b := h.service.running()
	if b == nil {
		sockets.Refuse(w, r, ws.TryAgainLater, "this desktop has no virtual card reader now; it needs pcscd with vpcd")
		return
	}
	conn, err := sockets.Accept(w, r, ws.Options{ReadLimit: agentReadLimit})
	if err != nil {
		return
	}
	defer conn.Release()
	a := &agent{conn: conn, user: auth.From(r.Context()).User}
	a.out = newCourier(func(_ context.Context, packet []byte) error { return conn.Write(ws.Binary, packet) })
	h.service.metrics.agents.Inc()
	a.serve(b)
}

// serve is the life of an agent with a bridge.
func (a *agent) serve(b *bridge) {
	ctx, end := context.WithCancelCause(b.ctx)
	defer end(nil)
	a.end = end
	group, groupCtx := service.NewGroup(ctx)
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		a.close(context.Cause(ctx))
	})
	if !b.attach(a) {
		<-closed // the bridge's end is the agent's
		return
	}
	defer b.detach(a)
	group.Go(func() error {
		err := a.out.run(groupCtx)
		if ctx.Err() == nil { // otherwise close tells the agent why
			a.cut() // ends read
		}
		return err
	})
	group.Go(func() error {
		a.read(b)
		return errGone // ends the writer
	})
	_ = group.Wait()
	if !stop() {
		<-closed
	}
}

var errGone = errors.New("the card agent is gone")

// close tells the agent why.
func (a *agent) close(why error) {
	if errors.Is(why, errDisplaced) {
		a.conn.Close(ws.PolicyViolation, Displaced)
		return
	}
	a.conn.Close(ws.TryAgainLater, "the virtual card reader of this desktop is gone; it comes back by itself")
}

func (a *agent) read(b *bridge) {
	var buf []byte
	for {
		typ, msg, err := a.conn.Read(buf)
		if err != nil {
			return
		}
		buf = msg
		if typ != ws.Binary {
			a.conn.Close(ws.UnsupportedData, "a card agent speaks binary messages")
			return
		}
		b.onPacket(a, msg)
	}
}

// cut ends the connection at once.
func (a *agent) cut() { a.conn.Cut() }
