package service

import (
	"context"
	"fmt"
	"runtime/debug"

	"golang.org/x/sync/errgroup"
)

// Group runs the goroutines of one Run or of one peer. The first that fails ends the context of the
// others. A panic in one of them becomes its error, with the stack, so that it ends this Run and not
// the process.
type Group struct {
	group *errgroup.Group
}

// NewGroup returns a group and the context that its goroutines work under.
func NewGroup(ctx context.Context) (*Group, context.Context) {
	group, ctx := errgroup.WithContext(ctx)
	return &Group{group: group}, ctx
}

// Go runs f in a goroutine of the group.
func (g *Group) Go(f func() error) {
	g.group.Go(func() error { return Protect(f) })
}

// Wait waits for all goroutines and returns the first error.
func (g *Group) Wait() error { return g.group.Wait() }

// PanicError is a panic that was turned into an error.
type PanicError struct {
	Value any
	Stack []byte
}

// Error names the value only; the stack is for the log.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Protect calls f and turns a panic into a *PanicError.
func Protect(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return f()
}
