package service

import "time"

// State is what a service does now.
type State string

// The states. A service is degraded while its device is missing or an address of it is taken; it goes on trying.
const (
	Off      State = "off"      // not chosen at start
	Starting State = "starting" // before the first success or failure of Run
	Ready    State = "ready"
	Degraded State = "degraded"
	Failed   State = "failed" // a fault of the configuration; not retried
	Stopped  State = "stopped"
)

// Status is a service as /status shows it.
type Status struct {
	Name      string     `json:"name"`
	State     State      `json:"state"`
	Since     time.Time  `json:"since"`
	Reason    string     `json:"reason,omitempty"` // why it is degraded or failed
	Advice    string     `json:"advice,omitempty"` // what to do about it
	Absent    bool       `json:"absent,omitempty"` // this machine does not have the device
	Retries   int        `json:"retries"`          // of Run, since start
	NextTry   *time.Time `json:"next_try,omitempty"`
	Addresses []Address  `json:"addresses,omitempty"`
	Detail    any        `json:"detail,omitempty"` // what the service reports of itself
}

// Address is one listener of a service.
type Address struct {
	Name  string `json:"name,omitempty"` // of the endpoint
	Addr  string `json:"addr"`           // as bound, or as configured while it is not
	Error string `json:"error,omitempty"`
}
