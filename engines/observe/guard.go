package observe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/dynobench/dyno/engines/kernel"
)

// A Guard keeps what watches a server to those who may watch. A browser asks
// whatever address the name in a page's link leads to, also if the page's author
// has it lead to this machine (DNS rebinding); but it says the name. Who asks by
// address, or by a name that was given, has not been sent by a page.
type Guard struct{ name string }

// GuardOf is the Guard of what listens at addr, as engines.Listen takes it.
func GuardOf(addr string) Guard {
	host, _, err := net.SplitHostPort(addr)
	if err != nil || strings.HasPrefix(addr, "unix:") {
		host = ""
	}
	return Guard{strings.ToLower(host)}
}

// Allows tells whether the Host of a request may be asked for.
func (g Guard) Allows(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	_, err := netip.ParseAddr(host)
	return host == "" || err == nil || host == "localhost" || host == g.name
}

func (g Guard) refusal(host string) string {
	return fmt.Sprintf("Host %q is not known here: ask by the IP address or by localhost, or give the name as the address to listen at\n", host)
}

// Handler has h answer requests that g allows, and gives up clients that do not
// read: nobody else may have to wait for them.
func (g Guard) Handler(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); (!ok || local.Network() != "unix") && !g.Allows(r.Host) {
			http.Error(w, strings.TrimSpace(g.refusal(r.Host)), http.StatusForbidden)
			return
		}
		h.ServeHTTP(&impatient{w, http.NewResponseController(w)}, r)
	})
}

// readTime is how long a client may take nothing of an answer.
const readTime = 10 * time.Second

// impatient fails a write of which nothing is taken for readTime.
type impatient struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (w *impatient) Write(p []byte) (n int, err error) {
	for len(p) > 0 && err == nil {
		w.control.SetWriteDeadline(time.Now().Add(readTime)) //nolint:errcheck // where there is none
		piece := p[:min(len(p), 64<<10)]
		var m int
		m, err = w.ResponseWriter.Write(piece)
		n += m
		p = p[m:]
	}
	return n, err
}

// Unwrap is for http.ResponseController.
func (w *impatient) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Patient is a listener that waits out a lack of descriptors, and says so once,
// until ctx ends.
func Patient(ctx context.Context, ln net.Listener, log *slog.Logger, what string) net.Listener {
	return patient{ln, ctx, log.With("for", what)}
}

type patient struct {
	net.Listener
	ctx context.Context
	log *slog.Logger
}

func (p patient) Accept() (c net.Conn, err error) {
	err = kernel.AcceptOne(p.ctx, p.log, func() error {
		c, err = p.Listener.Accept()
		return err
	})
	if err != nil && p.ctx.Err() == nil && !errors.Is(err, net.ErrClosed) {
		p.log.Error("cannot accept any more", "error", err)
	}
	return c, err
}

// crowd bounds how many connections are open at a time. One too many takes the
// place of the one that has had most time to ask, and has not.
type crowd struct {
	most int

	mu     sync.Mutex
	silent []net.Conn // that have not asked, in the order in which they came
	open   int
}

// enter takes c in, and tells whether there was room.
func (k *crowd) enter(c net.Conn) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.open >= k.most {
		if len(k.silent) == 0 {
			return false
		}
		k.silent[0].Close() // its goroutine leaves
		k.silent = k.silent[1:]
	}
	k.open++
	k.silent = append(k.silent, c)
	return true
}

// spoke says that c has asked.
func (k *crowd) spoke(c net.Conn) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, s := range k.silent {
		if s == c {
			k.silent = append(k.silent[:i], k.silent[i+1:]...)
			return
		}
	}
}

// leave says that c is done.
func (k *crowd) leave(c net.Conn) {
	k.spoke(c)
	k.mu.Lock()
	k.open--
	k.mu.Unlock()
}
