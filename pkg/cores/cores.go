// Package cores lets the process run on one processor core until there is work for more.
//
// Go's scheduler wakes a second thread for every packet that comes while all were asleep, to look for more work; there is none, and
// it sleeps again. On one core it does not. What most of ghostaux does is such packets: with a card in the reader, which pcscd
// asks for 2.5 times a second, it takes less than half of the processor time (BenchmarkSmartcardIdle), and sound for 500 players a sixth less
// (BenchmarkAudioOutFanOut). Work that lasts, such as an upload or a document that is printed, has all cores meanwhile, also because a slow disk would hold the one
// for up to 10 ms.
package cores

import (
	"os"
	"runtime"
	"sync"
	"time"
)

// rest is how long all cores stay in use after the last work: a change stops the process for some 50 microseconds, and an
// upload is many requests.
const rest = 5 * time.Second

// Cores counts the work that lasts. A nil *Cores does nothing.
type Cores struct {
	set func(one bool)

	mu      sync.Mutex // guards the following fields
	working int
	one     bool
	timer   *time.Timer // nil before Save
}

// New changes nothing yet. It is nil when the environment has GOMAXPROCS: then a person has chosen.
func New() *Cores {
	if os.Getenv("GOMAXPROCS") != "" {
		return nil
	}
	return &Cores{set: set}
}

func set(one bool) {
	if one {
		runtime.GOMAXPROCS(1)
		return
	}
	runtime.SetDefaultGOMAXPROCS()
}

// Save is called once, when the process has started: from then on there is one core unless work lasts.
func (c *Cores) Save() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer = time.AfterFunc(rest, c.narrow)
	if c.working == 0 {
		c.timer.Stop()
		c.use(true)
	}
}

// Enter is called before work that lasts, and Leave after it.
func (c *Cores) Enter() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.working++
	c.use(false)
}

// Leave is called once for each Enter.
func (c *Cores) Leave() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.working--
	if c.working == 0 && c.timer != nil {
		c.timer.Reset(rest)
	}
}

// narrow runs when nothing lasted for a while.
func (c *Cores) narrow() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.working == 0 {
		c.use(true)
	}
}

func (c *Cores) use(one bool) {
	if c.one != one {
		c.one = one
		c.set(one)
	}
}
