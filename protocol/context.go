package protocol

import (
	"context"
	"sync"
	"time"
)

// connContext is the Context of all requests of one connection. Most apps
// never ask for it, so what costs memory is made at the first question: then
// it is a child of the peer's context and forwards to it, in a way by which
// the context package recognises it and needs no goroutine to derive from it.
type connContext struct {
	parent context.Context // nil: none

	mu     sync.Mutex
	inner  context.Context
	cancel context.CancelCauseFunc
	ended  error // the cause, once it has ended
}

var _ context.Context = (*connContext)(nil)

func (c *connContext) get() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inner == nil {
		parent := c.parent
		if parent == nil {
			parent = context.Background()
		}
		c.inner, c.cancel = context.WithCancelCause(parent)
		if c.ended != nil {
			c.cancel(c.ended)
		}
	}
	return c.inner
}

// end is safe for concurrent use; the first cause stays.
func (c *connContext) end(cause error) {
	if cause == nil {
		cause = context.Canceled
	}
	c.mu.Lock()
	if c.ended == nil {
		c.ended = cause
	}
	cancel := c.cancel
	c.mu.Unlock()
	if cancel != nil {
		cancel(cause)
	}
}

func (c *connContext) Done() <-chan struct{} { return c.get().Done() }
func (c *connContext) Err() error            { return c.get().Err() }
func (c *connContext) Value(key any) any     { return c.get().Value(key) }

func (c *connContext) Deadline() (time.Time, bool) {
	if c.parent == nil {
		return time.Time{}, false
	}
	return c.parent.Deadline()
}
