package gamepad

import (
	"context"
	"errors"
	"sync"
	"time"
)

// reopenEvery is how often a slot whose attached device is missing is looked at, at most, while states come for it.
const reopenEvery = time.Second

// run is the state of one Run. It belongs to Run's goroutine, except feel.
type run struct {
	service *Service
	maker   maker
	pads    [Slots]pad
	orders  [Slots]order
	feel    feel
	warned  bool // about pads that cannot be seen
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
		if err := r.open(slot); err != nil {
			return err
		}
	}
	return nil
}

// startAttached opens the pads that are there; one is enough. Without any, the first slot's error tells why.
func (r *run) startAttached() (first error) {
	opened := 0
	for slot := range Slots {
		err := r.open(slot)
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

func (r *run) open(slot int) error {
	p := &r.pads[slot]
	p.tried = time.Now()
	d, err := r.maker.open(slot, r.tell)
	if err != nil {
		return err
	}
	p.device, p.frame = d, frame{}
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

// flush takes every slot to the state that the peers want.
func (r *run) flush() error {
	dirty := r.service.board.take(&r.orders)
	for slot := range Slots {
		if dirty>>slot&1 == 0 {
			continue
		}
		if err := r.obey(slot, &r.orders[slot]); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) obey(slot int, o *order) error {
	p := &r.pads[slot]
	if p.device == nil {
		if !o.held {
			return nil
		}
		if err := r.reopen(slot); err != nil || p.device == nil {
			return err
		}
	}
	if err := r.write(p, &o.state); err != nil {
		return err
	}
	if !o.since.IsZero() {
		r.service.count.latency.Observe(time.Since(o.since).Seconds())
	}
	if !o.held && r.service.config.Remove == RemoveAtDisconnect && r.maker.name() == DeviceUinput && slot >= r.service.config.Count {
		defer r.report()
		return r.closePad(slot)
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
	err := r.open(slot)
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
	r.service.count.events.Add(float64(len(events)))
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
	r.service.count.pads.Dec()
	r.feel.mu.Lock()
	r.feel.motors[slot] = newMotors()
	r.feel.mu.Unlock()
	return err
}

// close releases and removes everything. What fails now is gone anyway.
func (r *run) close() {
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
