package service

import "time"

// LookEvery is how often everybody looks at what tells nobody when it changes: a missing device, a directory that was
// replaced. So such a change is found within two seconds.
const LookEvery = 1800 * time.Millisecond

// NextLook is how long it is until the next look. All of a process look at the same moment: to wake costs more than to look.
func NextLook() time.Duration { return untilMultiple(LookEvery) }

// untilMultiple is how long it is until a multiple of the period, counted from the clock's beginning.
func untilMultiple(period time.Duration) time.Duration {
	return period - time.Duration(time.Now().UnixNano())%period
}
