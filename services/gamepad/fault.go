package gamepad

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"ghostaux/pkg/service"
)

// fault says what a failure of the device means, and what to do about it.
func (s *Service) fault(m maker, err error) *service.Fault {
	f := &service.Fault{Err: fmt.Errorf("use %s: %w", m.name(), err), Kind: service.Broken, Retry: s.retry}
	if m.name() == DeviceAttach {
		if missing(err) || errors.Is(err, errNotAPad) {
			f.Kind = service.Absent
		}
		f.Advice = fmt.Sprintf("Let the host make virtual Xbox pads (045e:02be or 045e:028e) and map them in as %s/event0 to event3, or use --gamepad-device uinput.", s.config.Input)
		return f
	}
	node := s.config.Uinput
	switch {
	case missing(err):
		f.Kind = service.Absent
		f.Advice = fmt.Sprintf("Load the module on the host (modprobe uinput) and give the container %s: docker run --device %s; Kubernetes: a hostPath volume of type CharDevice for %s, in a privileged container.", node, node, node)
	case errors.Is(err, unix.EACCES):
		f.Advice = fmt.Sprintf("User %d may not write %s%s; or on the host: chgrp input %s && chmod 660 %s. docker run --group-add GID; Kubernetes: securityContext.supplementalGroups.", os.Getuid(), node, groupAdvice(node), node, node)
	case errors.Is(err, unix.EPERM):
		f.Advice = fmt.Sprintf("The container's device rules forbid %s: docker run --device %s (or --device-cgroup-rule 'c 10:223 rmw'); Kubernetes: a privileged container.", node, node)
	default:
		f.Advice = fmt.Sprintf("%s is there but makes no pads; see the kernel's log of the host.", node)
	}
	return f
}

// missing: no node, or one without a driver behind it.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO)
}

// groupAdvice names the group that may write the node, when a group may.
func groupAdvice(node string) string {
	var st unix.Stat_t
	if unix.Stat(node, &st) != nil || st.Mode&0o020 == 0 {
		return ""
	}
	return fmt.Sprintf(", its group %d may: add the user to it", st.Gid)
}

// closeReason is the short form for a close frame, which holds 123 bytes.
func (s *Service) closeReason(f *service.Fault) string {
	switch {
	case f == nil:
		return "the gamepad service is starting; try again"
	case s.config.Device == DeviceAttach:
		return "no gamepad was mapped into the container at " + s.config.Input + "/event0 to event3"
	case f.Kind == service.Absent:
		return "no " + s.config.Uinput + ": start the container with --device " + s.config.Uinput
	case errors.Is(f, unix.EACCES):
		return "no permission for " + s.config.Uinput + ": add its group to the container's user (--group-add)"
	}
	return s.config.Uinput + " cannot be used; see the log of ghostaux"
}
