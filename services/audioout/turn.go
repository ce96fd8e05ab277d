package audioout

import "sync/atomic"

// The states of a turn.
const (
	turnFree int32 = iota
	turnTaken
	turnAsked // taken, and there may be more to do
)

// turn lets one goroutine at a time do what many ask for, so that none of them waits for it.
type turn struct {
	state atomic.Int32
}

// ask reports whether the caller has the turn now. Else who has it learns that there is more to do.
func (t *turn) ask() bool { return t.state.Swap(turnAsked) == turnFree }

// begin precedes each look at what there is to do.
func (t *turn) begin() { t.state.Store(turnTaken) }

// release gives the turn back, and reports false when it was asked for since begin: then there may be more to do.
func (t *turn) release() bool { return t.state.CompareAndSwap(turnTaken, turnFree) }
