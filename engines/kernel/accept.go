package kernel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"syscall"
	"time"
)

// Accept calls next until it fails for good or ctx ends; the end of the
// socket in the end of ctx is no failure. What passes is waited out, as
// AcceptOne does.
func Accept(ctx context.Context, log *slog.Logger, next func() error) error {
	for {
		err := AcceptOne(ctx, log, next)
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return nil
		default:
			return fmt.Errorf("accept: %w", err)
		}
	}
}

// AcceptOne calls next until it succeeds, fails for good, or ctx ends, and
// returns the last error. What passes, a connection that was gone before it
// was accepted or a lack of descriptors, is waited out and logged once.
func AcceptOne(ctx context.Context, log *slog.Logger, next func() error) error {
	var pause time.Duration
	for {
		err := next()
		switch {
		case err == nil, ctx.Err() != nil:
			return err
		case errors.Is(err, syscall.ECONNABORTED), errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE),
			errors.Is(err, syscall.ENOBUFS), errors.Is(err, syscall.ENOMEM):
			if pause == 0 {
				log.Warn("cannot accept; trying again", "error", err)
			}
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			if err := (Park{}).Sleep(ctx, pause); err != nil {
				return err
			}
		default:
			return err
		}
	}
}
