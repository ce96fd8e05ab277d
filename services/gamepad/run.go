package gamepad

import (
	"context"
	"errors"
	"sync"
	"time"
)

// reopenEvery is how often a slot whose attached device is missing is looked at, at most, while states come for it.
const reopenEvery = time.Second

// run is the state of one Run. Run's goroutine opens and closes the pads; those of the peers write to the open ones.
type run struct {
	service *Service
	maker   maker
	feel    feel
	warned  bool // about pads that cannot be seen

	mu     sync.Mutex // guards the following fields; which pads are open, only Run's goroutine changes
	pads   [Slots]pad
	open   uint8 // bit per slot that has a device
	orders [Slots]order
	broken error // what a peer's write has met
}

// pad is one slot's device.
type pad struct {
	device device // nil while there is none
	frame  frame
	tried  time.Time // to open it, last
}

// feel is what games tell the motors. The devices' goroutines fill it, Run empties it.
type feel struct {
	mu     sync.Mutex // guards the following fields
	motors [Slots]motors
	dirty  uint8 // bit per slot whose motors took something
	lost   error // a device that went away by itself
}

// start opens what must be there from the beginning.
func (r *run) start() error {
	for i := range r.feel.motors {
		r.feel.motors[i] = newMotors()
	}
	if r.maker.name() == DeviceAttach {
		return r.startAttached()
	}
	if err := r.maker.probe(); err != nil {
		return err
	}
	for slot := range r.service.config.Count {
		if err := r.openPad(slot); err != nil {
			return err
		}
	}
	return nil
}

// startAttached opens the pads that are there; one is enough. Without any, the first slot's error tells why.
func (r *run) startAttached() (first error) {
	opened := 0
	for slot := range Slots {
		err := r.openPad(slot)
		switch {
		case err == nil:
			opened++
		case first == nil:
			first = err
		}
	}
	if opened > 0 {
		return nil
	}
	return first
}

func (r *run) openPad(slot int) error {
	p := &r.pads[slot]
	p.tried = time.Now()
	d, err := r.maker.open(slot, r.tell)
	if err != nil {
		return err
	}
	p.device, p.frame = d, frame{}
	r.open |= 1 << slot
	if d.layout().foreign {
		p.frame.forget()
	}
	r.service.count.pads.Inc()
	return nil
}

// tell takes feedback from a device's goroutine.
func (r *run) tell(f feedback) {
	r.feel.mu.Lock()
	if f.kind == lost {
		r.feel.lost = f.err
	} else {
		r.feel.motors[f.slot].take(&f, time.Now())
		r.feel.dirty |= 1 << f.slot
	}
	r.feel.mu.Unlock()
	r.service.board.notify()
}

// loop works until ctx ends or a device fails.
func (r *run) loop(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.service.board.wake:
		case <-timer.C:
		}
		if err := r.flush(); err != nil {
			return err
		}
		next, err := r.vibrate(time.Now())
		if err != nil {
			return err
		}
		timer.Reset(next)
	}
}

// deliver takes the open pads to the state that the peers want, in the goroutine of a peer: waking Run's would take
// longer than the write. It is false when Run has something to do.
func (r *run) deliver() bool {
	if !r.mu.TryLock() {
		return false // Run will see it
	}
	defer r.mu.Unlock()
	dirty, rest := r.service.board.take(&r.orders, r.open)
	done := rest == 0
	for slot := range Slots {
		if dirty>>slot&1 == 0 || r.broken != nil {
			continue
		}
		r.broken = r.fulfil(slot)
		done = done && r.orders[slot].held // Run may have to remove a pad that nobody holds
	}
	return done && r.broken == nil
}

// flush takes every slot to the state that the peers want.
func (r *run) flush() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken != nil {
		return r.broken
	}
	dirty, _ := r.service.board.take(&r.orders, 1<<Slots-1)
	for slot := range Slots {
		if dirty>>slot&1 == 0 {
			continue
		}
		if err := r.obey(slot); err != nil {
			return err
		}
	}
	return r.prune()
}

func (r *run) obey(slot int) error {
	p := &r.pads[slot]
	if p.device == nil {
		if !r.orders[slot].held {
			return nil
		}
		if err := r.reopen(slot); err != nil || p.device == nil {
			return err
		}
	}
	return r.fulfil(slot)
}

// fulfil gives an open pad what is wanted of it.
func (r *run) fulfil(slot int) error {
	o := &r.orders[slot]
	if err := r.write(&r.pads[slot], &o.state); err != nil {
		return err
	}
	if !o.since.IsZero() {
		r.service.count.latency.Update(time.Since(o.since).Seconds())
	}
	return nil
}

// prune removes the pads that nobody holds, where that is wanted.
func (r *run) prune() error {
	c := &r.service.config
	if c.Remove != RemoveAtDisconnect || r.maker.name() != DeviceUinput {
		return nil
	}
	for slot := c.Count; slot < Slots; slot++ {
		if r.pads[slot].device == nil || r.orders[slot].held {
			continue
		}
		if err := r.closePad(slot); err != nil {
			return err
		}
		r.report()
	}
	return nil
}

// reopen opens the device of a slot that is needed now. An attached device may be missing.
func (r *run) reopen(slot int) error {
	attached := r.maker.name() == DeviceAttach
	if attached && time.Since(r.pads[slot].tried) < reopenEvery {
		r.service.count.noDevice.Inc()
		return nil
	}
	err := r.openPad(slot)
	if err != nil && attached && (missing(err) || errors.Is(err, errNotAPad)) {
		r.service.count.noDevice.Inc()
		return nil
	}
	r.report()
	return err
}

// write gives the device what changed.
func (r *run) write(p *pad, s *State) error {
	events := p.frame.diff(p.device.layout(), s)
	if len(events) == 0 {
		return nil
	}
	if err := p.device.writeFrame(events); err != nil {
		return err
	}
	r.service.count.frames.Inc()
	r.service.count.events.Add(len(events))
	return nil
}

// vibrate tells the peers what their pads' motors shall do, and returns when to look again.
func (r *run) vibrate(now time.Time) (next time.Duration, err error) {
	next = time.Hour
	r.feel.mu.Lock()
	defer r.feel.mu.Unlock()
	for slot := range Slots {
		m := &r.feel.motors[slot]
		if r.feel.dirty>>slot&1 != 0 || !m.next.IsZero() && !now.Before(m.next) {
			if v, tell := m.update(now); tell {
				if peer := r.service.board.holderOf(slot); peer != nil {
					peer.rumble(slot, v)
				}
			}
		}
		if !m.next.IsZero() {
			next = min(next, max(m.next.Sub(now), 0))
		}
	}
	r.feel.dirty = 0
	return next, r.feel.lost
}

// closePad removes a device, after it was released.
func (r *run) closePad(slot int) error {
	p := &r.pads[slot]
	if p.device == nil {
		return nil
	}
	err := r.write(p, &State{})
	if cerr := p.device.Close(); err == nil {
		err = cerr
	}
	p.device = nil
	r.open &^= 1 << slot
	r.service.count.pads.Dec()
	r.feel.mu.Lock()
	r.feel.motors[slot] = newMotors()
	r.feel.mu.Unlock()
	return err
}

// close releases and removes everything. What fails now is gone anyway.
func (r *run) close() {
	r.service.board.writer.Store(nil)
	r.mu.Lock()
	defer r.mu.Unlock()
	for slot := range Slots {
		_ = r.closePad(slot)
	}
}

// report publishes the open pads.
func (r *run) report() {
	var pads []PadReport
	for slot := range r.pads {
		if d := r.pads[slot].device; d != nil {
			report := d.report()
			report.Slot = slot
			pads = append(pads, report)
			r.warn(&report)
		}
	}
	a := &r.service.device
	a.mu.Lock()
	a.pads = pads
	a.mu.Unlock()
}

// warn says once when programs in this container cannot see the pads.
func (r *run) warn(report *PadReport) {
	if report.Visible || r.warned {
		return
	}
	r.warned = true
	r.service.env.Log.Warn("programs here cannot open the gamepad", "node", report.Node,
		"advice", "Give the container the host's input devices: docker run -v /dev/input:/dev/input --device-cgroup-rule 'c 13:* rmw'; Kubernetes: a hostPath volume of /dev/input.")
}
