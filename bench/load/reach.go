package load

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
)

// unreachable says what to do about a server that took no connection at all.
func unreachable(url string, err error) error {
	hint := ""
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		hint = ": is the server running?"
	case errors.Is(err, syscall.ENOENT):
		hint = ": there is no such socket; is the server running?"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		hint = ": no local port is left there, or a source address is not this host's"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		hint = ": is a firewall in between, or the server's backlog full?"
	}
	return fmt.Errorf("%s: %w%s", url, err, hint)
}
