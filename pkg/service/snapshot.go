package service

import "time"

// Snapshot returns the status of every service, in the order of services.Build, with its report.
func (s *Supervisor) Snapshot() []Status {
	list := s.statuses()
	for i := range list {
		if r, ok := list[i].service.(Reporter); ok {
			list[i].Detail = r.Report() // outside the lock: it is the service's code
		}
	}
	out := make([]Status, len(list))
	for i := range list {
		out[i] = list[i].Status
	}
	return out
}

// Ready reports whether every service whose device exists is ready; names are those that are not.
func (s *Supervisor) Ready() (ok bool, names []string) {
	for _, st := range s.statuses() {
		switch {
		case st.State == Off, st.State == Ready, st.State == Degraded && st.Absent:
		default:
			names = append(names, st.Name)
		}
	}
	return len(names) == 0, names
}

// Unstopped names the services whose Run has not returned.
func (s *Supervisor) Unstopped() (names []string) {
	for _, st := range s.statuses() {
		if st.State != Off && st.State != Stopped {
			names = append(names, st.Name)
		}
	}
	return names
}

type statusOf struct {
	Status
	service Service
}

// statuses joins what Run says and what the listeners say: a service with an address that is taken is degraded.
func (s *Supervisor) statuses() []statusOf {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]statusOf, 0, len(s.entries))
	for _, e := range s.entries {
		st := e.status
		st.Addresses = append([]Address(nil), e.addresses...)
		for _, a := range st.Addresses {
			if a.Error != "" && st.State == Ready {
				st.State, st.Reason, st.Absent = Degraded, a.Error, false
				st.Advice = "Free the address, or choose another one for this service."
			}
		}
		list = append(list, statusOf{Status: st, service: e.service})
	}
	return list
}

// Broken names a service that has failed, or has been degraded for so long by something that this machine should have. A
// missing device is not a failure.
func (s *Supervisor) Broken(so time.Duration) (st Status, ok bool) {
	for _, of := range s.statuses() {
		long := of.State == Degraded && !of.Absent && time.Since(of.Since) >= so
		if of.State == Failed || long {
			return of.Status, true
		}
	}
	return Status{}, false
}
