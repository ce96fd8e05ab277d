package integration

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"ghostaux/pkg/testkit"
)

// padSocket is a browser's gamepad socket.
type padSocket struct {
	conn *websocket.Conn

	mu     sync.Mutex // guards the following fields
	texts  []string   // messages received
	closed error
}

func (m *machine) connect(t testing.TB) *padSocket {
	t.Helper()
	c := &padSocket{conn: testkit.Dial(t, "https://"+m.Addr(padPort))}
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			_, msg, err := c.conn.Read(context.Background())
			c.mu.Lock()
			if err != nil {
				c.closed = err
				c.mu.Unlock()
				return
			}
			c.texts = append(c.texts, string(msg))
			c.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		_ = c.conn.CloseNow()
		reading.Wait()
	})
	return c
}

func (c *padSocket) send(t testing.TB, msg string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := c.conn.Write(ctx, websocket.MessageText, []byte(msg)); err != nil {
		t.Fatalf("send: %v", err)
	}
}

// text waits for a message of the service.
func (c *padSocket) text(t testing.TB) (msg string) {
	t.Helper()
	patiently(t, "a message from the service", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.texts) == 0 {
			return false
		}
		msg, c.texts = c.texts[0], c.texts[1:]
		return true
	})
	return msg
}

// end waits until the service has closed the socket.
func (c *padSocket) end(t testing.TB) (err error) {
	t.Helper()
	patiently(t, "the socket is closed", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		err = c.closed
		return err != nil
	})
	return err
}

// padRow is a message with one pad's state: cells by their place after the slot, 0 to 3 the axes, 4 to 20 the buttons.
func padRow(slot int, cells map[int]string) string {
	parts := []string{fmt.Sprint(slot)}
	for i := range 21 {
		cell := "0"
		if c, ok := cells[i]; ok {
			cell = c
		}
		parts = append(parts, cell)
	}
	return "[[" + strings.Join(parts, ",") + "]]"
}

// allPressed has A, left trigger and left stick.
func allPressed(slot int) string {
	return padRow(slot, map[int]string{0: "32767", 1: "-32767", 4: "1", 10: "1"})
}
