package kernel

import (
	"context"
	"time"

	"github.com/dynobench/dyno/protocol/gateway"
)

// Clock is the monotonic time since the process began, which no step of the wall
// clock moves.
func Clock() time.Duration { return time.Since(epoch) }

var epoch = time.Now()

// Park is the wait hook of engines that run a request on a goroutine: the
// goroutine sleeps in the Go scheduler, its thread serves others. On Linux it
// is woken as exactly as a thread would be, 50 µs after its time, and not with
// Go's next whole millisecond. The zero value is ready and safe for concurrent
// use.
type Park struct{}

var _ gateway.Waiter = Park{}

// Sleep implements gateway.Waiter.
func (Park) Sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil || d <= 0 {
		return err
	}
	return sleep(ctx, d)
}

// timerSleep is sleep on Go's timers.
func timerSleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Readable implements gateway.Waiter.
func (Park) Readable(ctx context.Context, fd int, timeout time.Duration) error {
	return park(ctx, fd, toRead, timeout)
}

// Writable implements gateway.Waiter.
func (Park) Writable(ctx context.Context, fd int, timeout time.Duration) error {
	return park(ctx, fd, toWrite, timeout)
}

// direction is what a descriptor is waited for.
type direction bool

const (
	toRead  direction = false
	toWrite direction = true
)

// Block is the wait hook of engines that run a request on an OS thread of its
// own: the thread is blocked in the kernel, as it is in a thread of a C
// server. A Block is for one thread at a time; Close gives back the
// descriptor by which the end of a Context wakes it.
type Block struct {
	bell bell
}

var _ gateway.Waiter = (*Block)(nil)

// Sleep implements gateway.Waiter.
func (b *Block) Sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil || d <= 0 {
		return err
	}
	_, err := b.wait(ctx, -1, toRead, time.Now().Add(d))
	return err
}

// Readable implements gateway.Waiter.
func (b *Block) Readable(ctx context.Context, fd int, timeout time.Duration) error {
	return b.ready(ctx, fd, toRead, timeout)
}

// Writable implements gateway.Waiter.
func (b *Block) Writable(ctx context.Context, fd int, timeout time.Duration) error {
	return b.ready(ctx, fd, toWrite, timeout)
}

func (b *Block) ready(ctx context.Context, fd int, to direction, timeout time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var until time.Time
	if timeout > 0 {
		until = time.Now().Add(timeout)
	}
	ready, err := b.wait(ctx, fd, to, until)
	if err == nil && !ready {
		err = gateway.ErrWaitTimeout
	}
	return err
}

// Close gives the descriptor back. The Block can be used again.
func (b *Block) Close() { b.bell.close() }

// wait blocks the thread until fd (none if negative) is ready, until (never
// if zero) has come, or ctx ends.
func (b *Block) wait(ctx context.Context, fd int, to direction, until time.Time) (ready bool, err error) {
	if ctx.Done() != nil {
		if err := b.bell.open(); err != nil {
			return false, err
		}
		rung := make(chan struct{})
		stop := context.AfterFunc(ctx, func() { b.bell.ring(); close(rung) })
		defer func() {
			if !stop() { // it rings, or has rung: the next wait must not hear it
				<-rung
				b.bell.quiet()
			}
		}()
	}
	for {
		ready, err := b.bell.poll(fd, to, until)
		switch {
		case err != nil || ready:
			return ready, err
		case ctx.Err() != nil:
			return false, ctx.Err()
		case !until.IsZero() && !time.Now().Before(until):
			return false, nil
		}
	}
}
