package printer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"ghostaux/pkg/relay"
)

// After END come this many harmless STARTs of size 0, each alone: Xvnc puts datagrams into WebSocket frames as it reads
// them, and the browser handles one message of a frame. What is left in a frame moves with the next.
const (
	pokes   = 2
	pokeGap = 50 * time.Millisecond
)

// sender sends the documents of the queue, one after the other, for one Run.
type sender struct {
	*Service
	relay *relay.Client
	chunk int       // bytes of a document in one datagram
	last  time.Time // of the last datagram
	timer *time.Timer

	packet []byte // a CHUNK; made for the first document
	start  [startLength]byte
	end    [endLength]byte
}

func newSender(s *Service, r *relay.Client) *sender {
	return &sender{Service: s, relay: r, chunk: s.config.Chunk, timer: time.NewTimer(0)}
}

// run sends until ctx ends. The document that it was at then stays the first of the queue.
func (s *sender) run(ctx context.Context) error {
	defer s.timer.Stop()
	for {
		d, err := s.queue.first(ctx)
		if err != nil {
			return nil
		}
		s.deliver(ctx, d)
		if ctx.Err() != nil {
			return nil
		}
		s.queue.done()
	}
}

// deliver sends one document, from its beginning as often as the relay goes away, until its end is sent, it cannot be, or ctx ends.
func (s *sender) deliver(ctx context.Context, d *document) {
	for {
		began := time.Now()
		err := s.try(ctx, d)
		switch {
		case err == nil:
			s.delivered(d, time.Since(began))
			s.poke(ctx)
			return
		case ctx.Err() != nil:
			s.history.change(d, func(d *document) { d.state = waiting })
			return
		case errors.Is(err, relay.ErrAbsent):
			s.restart(d)
			if s.relay.Wait(ctx) != nil || sleep(ctx, s.config.Grace) != nil {
				return
			}
		case errors.Is(err, relay.ErrTooLarge) && s.chunk/2 >= minChunk:
			s.chunk /= 2
			s.log.Warn("messages to the browser made smaller", "bytes", s.chunk, "error", err)
		default:
			s.fail(d, err)
			return
		}
	}
}

func (s *sender) delivered(d *document, took time.Duration) {
	s.metrics.sent.Inc()
	s.history.change(d, func(d *document) {
		d.state, d.sent = sent, time.Now()
		d.times++
	})
	s.log.Info("document sent", "name", d.name, "id", d.id, "bytes", d.stamp.size, "took", took.Round(time.Millisecond))
}

// restart notes that the relay went away, and whether it has had a part of the document.
func (s *sender) restart(d *document) {
	again := d.progress.Swap(0) > 0
	if again {
		s.metrics.restarts.Inc()
	}
	s.history.change(d, func(d *document) {
		d.state = waiting
		if again {
			d.restarts++
		}
	})
}

func (s *sender) fail(d *document, err error) {
	reason := reasonUnreadable
	switch {
	case errors.Is(err, errGone):
		reason = reasonGone
	case errors.Is(err, relay.ErrTooLarge):
		reason = reasonTooLarge
	}
	s.metrics.failed.With(reason).Inc()
	s.history.change(d, func(d *document) { d.state = failed })
	s.log.Log(context.Background(), slog.LevelWarn, "document not sent", "name", d.name, "id", d.id, "error", err)
}

// try sends the document from START to END.
func (s *sender) try(ctx context.Context, d *document) error {
	f, err := s.history.open(d)
	if err != nil {
		return err
	}
	defer f.Close()
	s.cores.Enter() // a slow disk holds nobody else up
	defer s.cores.Leave()
	if err := s.relay.Begin(ctx); err != nil {
		return err
	}
	d.progress.Store(0)
	s.history.change(d, func(d *document) { d.state = sending })
	defer func() { // also what was sent in part stays in the browser
		if n := d.progress.Load(); n > 0 {
			s.pages.add(n, d.tables)
		}
	}()
	if err := s.send(ctx, s.config.Pace, putStart(&s.start, d.stamp.size)); err != nil {
		return err
	}
	if err := s.sendChunks(ctx, d, f); err != nil {
		return err
	}
	return s.send(ctx, s.config.Pace, putEnd(&s.end))
}

func (s *sender) sendChunks(ctx context.Context, d *document, f *os.File) error {
	blank := s.misleading(d)
	if s.packet == nil {
		s.packet = make([]byte, chunkHeader+s.config.Chunk)
	}
	for at := int64(0); at < d.stamp.size; {
		n := int(min(int64(s.chunk), d.stamp.size-at))
		data := s.packet[chunkHeader : chunkHeader+n]
		if _, err := f.ReadAt(data, at); err != nil {
			if errors.Is(err, io.EOF) {
				return errGone // it was cut, where no copy could be kept
			}
			return fmt.Errorf("read: %w", err)
		}
		for i := max(blank.digits, at); i < min(blank.digits+int64(blank.length), at+int64(n)); i++ {
			data[i-at] = '0'
		}
		if err := s.send(ctx, s.config.Pace, putChunk(s.packet, n)); err != nil {
			return err
		}
		at += int64(n)
		d.progress.Store(at)
		s.metrics.bytes.Add(n)
	}
	return nil
}

// misleading is the last startxref of the document if it would lead the browser's viewer to an earlier document.
func (s *sender) misleading(d *document) table {
	if len(d.tables) == 0 {
		return table{}
	}
	last := d.tables[len(d.tables)-1]
	if !s.pages.misleads(last.offset) {
		return table{}
	}
	return last
}

// poke pushes on what is stuck in the browser's frames. The document is sent, whatever becomes of it.
func (s *sender) poke(ctx context.Context) {
	gap := pokeGap
	if s.config.Pace == 0 { // not a browser
		gap = 0
	}
	for range pokes {
		if s.send(ctx, max(gap, s.config.Pace), putStart(&s.start, 0)) != nil {
			return
		}
	}
}

// send sends one datagram, not sooner after the last than the gap.
func (s *sender) send(ctx context.Context, gap time.Duration, packet []byte) error {
	if err := s.wait(ctx, s.last.Add(gap)); err != nil {
		return err
	}
	err := s.relay.Send(ctx, packet)
	s.last = time.Now()
	return err
}

// fine is how much of a wait the kernel's own sleep does: Go's timers are late by half a millisecond or more, which would be
// a twentieth of the pace.
const fine = time.Millisecond

func (s *sender) wait(ctx context.Context, until time.Time) error {
	if d := time.Until(until.Add(-fine)); d > 0 {
		s.timer.Reset(d)
		select {
		case <-s.timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for d := time.Until(until); d > 0; d = time.Until(until) { // again after a signal
		left := unix.NsecToTimespec(d.Nanoseconds())
		_ = unix.Nanosleep(&left, nil)
	}
	return nil
}
