package target

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// FreeAddr returns a 127.0.0.1:port on which nobody listens at the moment.
//
// Servers that are not ours cannot be asked for port 0, so the port is chosen
// here, and between this call and the server's bind somebody else may take
// it. Nothing prevents that; it is noticed and repaired: a server that finds
// its address taken says so and dies, and Launch then tries another one. If the
// other server gives the right answer before ours has died, Done tells later.
func FreeAddr() (string, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("choose a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// Recipe is how to start one server at an address that Launch chooses.
type Recipe struct {
	Command func(addr string) (Command, error)
	Scheme  string            // of the readiness request's URL; default http
	Path    string            // of it
	Body    []byte            // see Check
	Timeout time.Duration     // see Check
	Client  http.RoundTripper // see Check
}

// launchTries bounds the attempts to find an address that stays free.
const launchTries = 5

// Launch starts a server at a free address of 127.0.0.1 and waits until it is
// ready. It tries again, elsewhere, when the server says that its address is
// in use. On error nothing is left running. ctx is Start's: when it ends, so
// does the server.
func Launch(ctx context.Context, r Recipe) (p *Process, addr string, err error) {
	for try := 1; ; try++ {
		if addr, err = FreeAddr(); err != nil {
			return nil, "", err
		}
		c, err := r.Command(addr)
		if err != nil {
			return nil, "", err
		}
		p, err := Start(ctx, c)
		if err != nil {
			return nil, "", err
		}
		err = p.Ready(ctx, Check{
			URL: cmp.Or(r.Scheme, "http") + "://" + addr + r.Path, Body: r.Body, Timeout: r.Timeout, Client: r.Client,
		})
		if err == nil {
			return p, addr, nil
		}
		if _, stopErr := p.Stop(ctx); stopErr != nil {
			return nil, "", errors.Join(err, stopErr)
		}
		var re *ReadyError
		if !errors.As(err, &re) || re.Exit == nil || !re.AddressInUse() || try == launchTries {
			return nil, "", err
		}
	}
}
