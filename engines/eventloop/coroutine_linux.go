package eventloop

import "iter"

// coroutine is what requests run on that can be suspended.
type coroutine struct {
	next  func() (struct{}, bool) // switches to it, until it switches back
	stop  func()
	yield func(struct{}) bool // switches back
	k     *conn               // whose request it runs
}

// take returns a coroutine without a request.
func (l *loop) take() *coroutine {
	if n := len(l.idle); n > 0 {
		c := l.idle[n-1]
		l.idle[n-1], l.idle = nil, l.idle[:n-1]
		l.least = min(l.least, n-1)
		return c
	}
	c := new(coroutine)
	c.next, c.stop = iter.Pull(func(yield func(struct{}) bool) {
		c.yield = yield
		for {
			c.k.s.Run() // a step: what it gives is written before the next one
			if !yield(struct{}{}) {
				return
			}
		}
	})
	return c
}

// give keeps c for another request.
func (l *loop) give(c *coroutine) {
	c.k = nil
	l.idle = append(l.idle, c)
}

// trim ends the coroutines that there was no use for since the last time.
func (l *loop) trim() {
	n := min(l.least, len(l.idle))
	for _, c := range l.idle[:n] {
		c.stop()
	}
	l.idle = append(l.idle[:0], l.idle[n:]...)
	clear(l.idle[len(l.idle):cap(l.idle)])
	l.least = len(l.idle)
}
