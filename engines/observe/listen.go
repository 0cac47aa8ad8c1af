package observe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/dynobench/dyno/engines"
)

const (
	// silence is how long a client has to begin a request before it is taken for
	// one that reads a plain connection, as uwsgitop does.
	silence = 100 * time.Millisecond

	// askTime is how long the rest of a request may take, and tellTime how long a
	// client to read its answer.
	askTime  = time.Second
	tellTime = time.Second

	mostClients = 256
)

// Service is how a server is told of.
type Service struct {
	Proto string // that the server speaks
	Guard Guard
	Log   *slog.Logger

	// Look and Stats are called once at a time, each for all who have asked meanwhile.
	Look  func() Server
	Stats func() engines.Stats
}

// Serve answers on ln until ctx ends, and closes it: a client that asks
// nothing gets the JSON and the end of the connection; a GET of /metrics the
// Prometheus text; one of /slots a line of JSON (see below); any other GET the
// JSON. No client waits for another one.
func (s *Service) Serve(ctx context.Context, ln net.Listener) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { ln.Close() })()
	look, stats := shared[Server]{make: s.Look}, shared[engines.Stats]{make: s.Stats}
	watchers := newWatchers(ctx, stats.get)
	defer watchers.wait()
	var answers sync.WaitGroup
	defer answers.Wait()
	clients := crowd{most: mostClients}
	from := Patient(ctx, ln, s.Log, "stats")
	for {
		c, err := from.Accept()
		if err != nil {
			return
		}
		if !clients.enter(c) {
			c.Close()
			continue
		}
		answers.Go(func() {
			defer clients.leave(c)
			if !s.answer(ctx, c, &clients, &look, watchers) {
				c.Close()
			}
		})
	}
}

// answer is one connection's, and tells whether the watchers have it now.
func (s *Service) answer(ctx context.Context, c net.Conn, clients *crowd, look *shared[Server], watchers *watchers) (kept bool) {
	defer context.AfterFunc(ctx, func() { c.SetDeadline(time.Now()) })() //nolint:errcheck // reading tells
	c.SetDeadline(time.Now().Add(silence))                               //nolint:errcheck // likewise
	request := make([]byte, 4096)
	n, err := c.Read(request)
	c.SetDeadline(time.Now().Add(askTime)) //nolint:errcheck // likewise
	for n > 0 && n < len(request) && !bytes.Contains(request[:n], []byte("\r\n\r\n")) {
		var m int
		m, err = c.Read(request[n:])
		if n += m; err != nil {
			break
		}
	}
	clients.spoke(c)
	if err != nil && ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
		return false
	}
	head, _, _ := strings.Cut(string(request[:n]), "\r\n\r\n")
	line, fields, _ := strings.Cut(head, "\r\n")
	words, host := strings.Fields(line), hostOf(fields)
	var body bytes.Buffer
	kind, status := "text/plain; charset=utf-8", http.StatusOK
	switch _, local := c.(*net.UnixConn); {
	case n > 0 && (len(words) < 2 || words[0] != http.MethodGet):
		status = http.StatusMethodNotAllowed
		body.WriteString("GET / or /metrics\n")
	case n > 0 && !local && !s.Guard.Allows(host):
		status = http.StatusForbidden
		body.WriteString(s.Guard.refusal(host))
	case n > 0 && words[1] == slotsPath && watchers.take(c):
		return true
	case n > 0 && words[1] == "/metrics":
		kind = string(textFormat)
		now := look.get()
		now.WriteMetrics(&body) //nolint:errcheck // into memory
	default:
		kind = "application/json"
		now := look.get()
		now.WriteJSON(&body, s.Proto) //nolint:errcheck // likewise
	}
	c.SetDeadline(time.Now().Add(tellTime)) //nolint:errcheck // writing tells
	if n > 0 {
		fmt.Fprintf(c, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n",
			status, http.StatusText(status), kind, body.Len())
	}
	c.Write(body.Bytes()) //nolint:errcheck // the client has gone
	return false
}

// hostOf is the Host among the fields of a request, "" if there is none.
func hostOf(fields string) string {
	for line := range strings.SplitSeq(fields, "\r\n") {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(name, "Host") {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
