package observe

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/dynobench/dyno/engines"
)

// silence is how long a client has to begin a request before it is taken for
// one that reads a plain connection, as uwsgitop does.
const silence = 100 * time.Millisecond

// Serve answers on ln until ctx ends, and closes it: a client that asks
// nothing gets the JSON and the end of the connection; a GET of /metrics the
// Prometheus text; one of /slots a line of JSON (see below); any other GET the
// JSON. look and stats are called for each answer, one at a time.
func Serve(ctx context.Context, ln net.Listener, proto string, look func() Server, stats func() engines.Stats) error {
	defer context.AfterFunc(ctx, func() { ln.Close() })()
	watchers := newWatchers(ctx, stats)
	defer watchers.wait()
	for {
		c, err := ln.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("stats: %w", err)
		}
		answer(c, proto, look, watchers)
	}
}

// answer is one connection's. Its time is bounded: one client at a time is
// served, since to look asks the workers.
func answer(c net.Conn, proto string, look func() Server, watchers *watchers) {
	kept := false
	defer func() {
		if !kept {
			c.Close()
		}
	}()
	c.SetDeadline(time.Now().Add(silence)) //nolint:errcheck // reading tells
	request := make([]byte, 4096)
	n, _ := c.Read(request)
	for n > 0 && n < len(request) && !bytes.Contains(request[:n], []byte("\r\n\r\n")) {
		m, err := c.Read(request[n:])
		if n += m; err != nil {
			break
		}
	}
	line, _, _ := strings.Cut(string(request[:n]), "\r\n")
	words := strings.Fields(line)
	if kept = len(words) > 1 && words[1] == slotsPath && watchers.take(c); kept {
		return
	}
	now := look()
	var body bytes.Buffer
	kind, status := "application/json", http.StatusOK
	switch {
	case n > 0 && (len(words) < 2 || words[0] != http.MethodGet):
		kind, status = "text/plain", http.StatusMethodNotAllowed
		body.WriteString("GET / or /metrics\n")
	case n > 0 && words[1] == "/metrics":
		kind = string(textFormat)
		now.WriteMetrics(&body) //nolint:errcheck // into memory
	default:
		now.WriteJSON(&body, proto) //nolint:errcheck // likewise
	}
	c.SetDeadline(time.Now().Add(time.Second)) //nolint:errcheck // writing tells
	if n > 0 {
		fmt.Fprintf(c, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n",
			status, http.StatusText(status), kind, body.Len())
	}
	c.Write(body.Bytes()) //nolint:errcheck // the client has gone
}
