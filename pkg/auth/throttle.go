package auth

import (
	"sync"
	"time"
)

// Wrong credentials of one address: a burst, for a page with an old password on several services, then one a
// second. A right credential waits too while the address is over its limit, or guessing would go on at full speed;
// sessions, whose cookie cannot be guessed, do not.
const (
	throttleBurst     = 60
	throttleRefill    = time.Second
	throttleAddresses = 4096 // remembered at once
	retryAfterSeconds = 2
)

type throttle struct {
	now func() time.Time

	mu     sync.Mutex // guards the following field
	wrongs map[string]wrongs
}

// wrongs is a leaky bucket: count wrong attempts at the time since.
type wrongs struct {
	count int
	since time.Time
}

func newThrottle() *throttle {
	return &throttle{now: time.Now, wrongs: make(map[string]wrongs)}
}

func (t *throttle) allowed(addr string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.leak(addr).count < throttleBurst
}

func (t *throttle) failed(addr string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := t.leak(addr)
	w.count++
	if _, known := t.wrongs[addr]; !known && len(t.wrongs) >= throttleAddresses {
		t.forget()
	}
	t.wrongs[addr] = w
}

// leak returns the bucket as it is now.
func (t *throttle) leak(addr string) wrongs {
	now := t.now()
	w, ok := t.wrongs[addr]
	if !ok {
		return wrongs{since: now}
	}
	drained := int(now.Sub(w.since) / throttleRefill)
	if drained >= w.count {
		return wrongs{since: now}
	}
	return wrongs{count: w.count - drained, since: w.since.Add(time.Duration(drained) * throttleRefill)}
}

// forget makes room: the addresses that are empty by now, or else any.
func (t *throttle) forget() {
	for addr := range t.wrongs {
		if t.leak(addr).count == 0 {
			delete(t.wrongs, addr)
		}
	}
	for addr := range t.wrongs {
		if len(t.wrongs) < throttleAddresses {
			return
		}
		delete(t.wrongs, addr)
	}
}
