package observe

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/dynobench/dyno/engines"
)

// A client that looks often asks for slotsPath, and again on the same
// connection: all that it gets is what changes from moment to moment, and it
// costs a read, a write and what the engine's Stats cost.
const (
	slotsPath   = "/slots"
	slotsSchema = "dyno.slots/1"
)

// Bounds on who watches: so many at a time, each asking at least so often.
const (
	mostWatchers = 4
	watchTime    = 10 * time.Second
)

// watchers are the connections on which slots are asked for.
type watchers struct {
	ctx   context.Context
	stats func() engines.Stats
	free  chan struct{}
	wg    sync.WaitGroup
}

func newWatchers(ctx context.Context, stats func() engines.Stats) *watchers {
	return &watchers{ctx: ctx, stats: stats, free: make(chan struct{}, mostWatchers)}
}

func (w *watchers) wait() { w.wg.Wait() }

// take answers on c from now on, of which one request has been read. It does
// not where there are too many.
func (w *watchers) take(c net.Conn) bool {
	select {
	case w.free <- struct{}{}:
	default:
		return false
	}
	w.wg.Go(func() {
		defer func() { <-w.free }()
		defer c.Close()
		defer context.AfterFunc(w.ctx, func() { c.Close() })()
		w.serve(c)
	})
	return true
}

func (w *watchers) serve(c net.Conn) {
	requests := bufio.NewReaderSize(c, 1024)
	out := make([]byte, 0, 256)
	for {
		s := w.stats()
		body := fmt.Sprintf(`{"schema":%q,"slots":%d,"busy":%d,"queue":%d}`+"\n", slotsSchema, s.Slots, s.Busy, s.Queue)
		out = fmt.Appendf(out[:0], "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		c.SetDeadline(time.Now().Add(watchTime)) //nolint:errcheck // reading tells
		if _, err := c.Write(out); err != nil {
			return
		}
		for { // the next request's lines, whatever they say
			line, err := requests.ReadSlice('\n')
			if err != nil {
				return
			}
			if len(line) <= 2 {
				break
			}
		}
	}
}
