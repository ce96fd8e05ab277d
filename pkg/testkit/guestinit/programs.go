package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
)

// programs are what tests have started.
type programs struct {
	mu    sync.Mutex // guards the following field
	byPID map[int]*program
}

type program struct {
	cmd    *exec.Cmd
	exited chan struct{}

	mu  sync.Mutex // guards the following field
	out bytes.Buffer
}

func newPrograms() *programs { return &programs{byPID: map[int]*program{}} }

func (p *program) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = os.Stdout.Write(b)
	return p.out.Write(b)
}

// start answers with the process id.
func (ps *programs) start(in struct {
	Args, Env []string
	UID       uint32
},
) (any, error) {
	p := &program{cmd: exec.Command(in.Args[0], in.Args[1:]...), exited: make(chan struct{})}
	p.cmd.Env = append([]string{"HOME=/tmp", "PATH=/bin"}, in.Env...)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if in.UID != 0 {
		p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: in.UID, Gid: in.UID}}
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.exited)
	}()
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.byPID[p.cmd.Process.Pid] = p
	return p.cmd.Process.Pid, nil
}

func (ps *programs) find(pid int) (*program, error) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p := ps.byPID[pid]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("no process %d", pid)
}

func (ps *programs) signal(in struct{ PID, Signal int }) (any, error) {
	p, err := ps.find(in.PID)
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Process.Signal(syscall.Signal(in.Signal)); !errors.Is(err, os.ErrProcessDone) {
		return nil, err
	}
	return nil, nil
}

// wait answers with the exit code.
func (ps *programs) wait(in struct{ PID int }) (any, error) {
	p, err := ps.find(in.PID)
	if err != nil {
		return nil, err
	}
	<-p.exited
	return p.cmd.ProcessState.ExitCode(), nil
}

// output answers with what the program has printed so far.
func (ps *programs) output(in struct{ PID int }) (any, error) {
	p, err := ps.find(in.PID)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String(), nil
}
