package service

// Kind tells the supervisor and the readiness probe what a failed Run means.
type Kind uint8

const (
	// Broken is a device that should work and does not. It is retried, and the process is not ready.
	Broken Kind = iota
	// Absent is a device that this machine does not have (now). It is retried, and the process is ready without it.
	Absent
	// Misconfigured cannot mend itself: the service is failed and not retried.
	Misconfigured
)

// Fault is a failure of Run with what the person who reads it can do about it.
type Fault struct {
	Err    error
	Kind   Kind
	Advice string // one sentence, "" when there is nothing to say
	// Retry, when it becomes readable, starts the next Run at once: for a device that is looked for
	// when somebody asks for it. nil: only after the delay.
	Retry <-chan struct{}
}

// Error returns the text of Err.
func (f *Fault) Error() string { return f.Err.Error() }

// Unwrap returns Err.
func (f *Fault) Unwrap() error { return f.Err }
