package engines

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"syscall"
	"time"
)

// Accept calls next until it fails for good or ctx ends; the end of the
// socket in the end of ctx is no failure. What passes, a connection that was
// gone before it was accepted or a lack of descriptors, is waited out.
func Accept(ctx context.Context, log *slog.Logger, next func() error) error {
	var pause time.Duration
	for {
		err := next()
		switch {
		case err == nil:
			pause = 0
			continue
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, syscall.ECONNABORTED), errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE),
			errors.Is(err, syscall.ENOBUFS), errors.Is(err, syscall.ENOMEM):
			if pause == 0 {
				log.Warn("cannot accept; trying again", "error", err)
			}
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			if (Park{}).Sleep(ctx, pause) != nil {
				return nil
			}
		default:
			return fmt.Errorf("accept: %w", err)
		}
	}
}
