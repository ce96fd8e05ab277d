package main

import (
	"context"
	"fmt"
	"time"

	"ghostaux/pkg/service"
)

// failGrace is how long a service may be broken before --fail-secure ends the process: longer than what heals by itself.
const failGrace = 10 * time.Second

// failSecure waits until a service is broken for good, and says which; nil when ctx ends first. It is for containers that must not
// go on when a part of them has failed (DLP_PROCESS_FAIL_SECURE in KasmVNC images); there the end of any
// helper program ended the container, and a missing device did not.
func failSecure(ctx context.Context, s *service.Supervisor) error {
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		if st, ok := s.Broken(failGrace); ok {
			return fmt.Errorf("ending, since --fail-secure is set and %s is %s: %s", st.Name, st.State, st.Reason)
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return nil
		}
	}
}
