package native

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dynobench/dyno/bench/load/loadtest"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/load/record"
	"github.com/dynobench/dyno/internal/peer"
)

// A server that does all the wrong things at random: what the generator counts
// is what the server has done. Every request that is due has one end, the
// threads' books are even, and no slot is lost.
func TestSoak(t *testing.T) {
	for _, name := range []string{TransportUring, TransportEpoll} {
		t.Run(name, func(t *testing.T) {
			if err := ChooseTransport(&plan.Config{Transport: name}); err != nil {
				peer.Missing(t, err)
			}
			soak(t, name)
		})
	}
}

func soak(t *testing.T, transport string) {
	for seed, setup := range []func(*plan.Config){
		func(c *plan.Config) {},
		func(c *plan.Config) { c.Pipeline = 8 },
		func(c *plan.Config) { c.Fresh = true },
		func(c *plan.Config) { c.Model, c.Rate = plan.Open, 3000 },
		func(c *plan.Config) { c.Model, c.Rate, c.Pipeline = plan.Open, 3000, 8 },
		func(c *plan.Config) { c.Model, c.Rate, c.Fresh = plan.Open, 1500, true },
		func(c *plan.Config) { c.Model, c.Rate, c.Arrivals, c.Threads = plan.Open, 3000, plan.Poisson, 2 },
		func(c *plan.Config) { c.Threads, c.Pipeline, c.Warmup = 2, 3, 150*time.Millisecond },
	} {
		network := []string{"tcp", "unix"}[seed%2]
		t.Run(fmt.Sprintf("%s %d", network, seed), func(t *testing.T) { soakOnce(t, network, transport, uint64(seed), setup) })
	}
}

func soakOnce(t *testing.T, network, transport string, seed uint64, setup func(*plan.Config)) {
	var mu sync.Mutex
	posts := map[string]int{}
	var whole, wrong, cut atomic.Int64
	random := rand.New(rand.NewPCG(seed, 1))
	r := loadtest.Respond(t, network, func(r *loadtest.Responder) {
		r.Answer = func(w io.Writer, n int64, head []byte) bool {
			mu.Lock()
			what, size := random.IntN(40), 1+random.IntN(30)
			p := loadtest.Path(head)
			if bytes.HasPrefix(head, []byte("POST ")) {
				posts[p]++
			}
			mu.Unlock()
			text := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", 4, "body")
			put := func(s string) bool {
				_, err := io.WriteString(w, s)
				return err == nil
			}
			switch what {
			case 0: // nothing, and the end
				cut.Add(1)
				return false
			case 1: // cut
				cut.Add(1)
				put(text[:size])
				return false
			case 2: // reset
				cut.Add(1)
				if c, ok := w.(*net.TCPConn); ok {
					c.SetLinger(0)
				}
				return false
			case 3: // never
				cut.Add(1)
				io.Copy(io.Discard, w.(io.Reader))
				return false
			case 4:
				wrong.Add(1)
				return put(strings.Replace(text, "body", "bodY", 1))
			case 5:
				wrong.Add(1)
				return put(strings.Replace(text, "200", "500", 1))
			case 6:
				cut.Add(1)
				put("garbage\r\n\r\n")
				return false
			case 7: // and the end, with notice
				whole.Add(1)
				put("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody")
				return false
			case 8:
				whole.Add(1)
				put("HTTP/1.1 200 OK\r\n\r\nbody")
				return false
			case 9:
				whole.Add(1)
				put(text)
				return false
			case 10, 11, 12: // in pieces
				whole.Add(1)
				for len(text) > size {
					if !put(text[:size]) {
						return false
					}
					text = text[size:]
				}
				return put(text)
			case 13:
				whole.Add(1)
				return put("HTTP/1.1 100 Continue\r\n\r\n" + text)
			case 14:
				whole.Add(1)
				return put("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nX: y\r\n\r\n")
			default:
				whole.Add(1)
				return put(text)
			}
		}
	})
	c := plan.Config{
		URL: r.URL, Connections: 6, Duration: 200 * time.Millisecond, Timeout: 60 * time.Millisecond, Seed: seed + 1,
		Requests: []plan.Request{
			{Path: "/get", Want: []byte("body"), Weight: 3},
			{Method: "POST", Path: "/post/${seq}", Body: []byte("x"), Want: []byte("body"), Class: "post"},
			{Path: "/${seq}", Want: []byte("body"), Class: "seq"},
		},
	}
	setup(&c)
	c.Transport = transport
	rec, threads := runThreads(t, c)
	e := rec.Errors()
	t.Logf("%d answers, %+v, resent %d, reconnects %d, server: %d requests, %d whole, %d wrong, %d cut",
		rec.Answers(), e, rec.Resent, rec.Reconnects, r.Requests.Load(), whole.Load(), wrong.Load(), cut.Load())
	for _, th := range threads {
		if th.outstanding != 0 || th.counted != 0 {
			t.Errorf("%d outstanding and %d counted at the end", th.outstanding, th.counted)
		}
		free := 0
		for i := range th.slots {
			s := &th.slots[i]
			if s.n != 0 || s.unsent != 0 || s.fd != -1 {
				t.Errorf("slot %d: %d requests, %d unsent, descriptor %d", i, s.n, s.unsent, s.fd)
			}
			if s.free {
				free++
			} else if s.fails < 2 && c.Warmup == 0 { // and does not wait after them
				t.Errorf("slot %d is lost", i)
			}
		}
		if th.free.n != free || th.waiting != 0 {
			t.Errorf("%d free slots, %d in the queue; %d waiting after all have been closed", free, th.free.n, th.waiting)
		}
	}
	right := rec.Answers() - e.Status - e.Body
	if c.Warmup == 0 {
		if right > whole.Load() || e.Status+e.Body > wrong.Load() {
			t.Errorf("%d right answers of %d, %d wrong of %d", right, whole.Load(), e.Status+e.Body, wrong.Load())
		}
		if c.Model == plan.Open {
			due := len(slices.Collect(c.Due(0)))
			if n := rec.Answers() + e.Connect + e.Read + e.Write + e.Timeout + e.Unsent; n != int64(due) {
				t.Errorf("%d due, %d ends", due, n)
			}
		}
	}
	mu.Lock()
	for p, n := range posts {
		if n > 1 && c.Warmup == 0 {
			t.Errorf("%s seen %d times", p, n)
		}
	}
	mu.Unlock()
}

// runThreads is Run for who wants to see the threads afterwards.
func runThreads(t *testing.T, c plan.Config) (*record.Recorder, []*thread) {
	t.Helper()
	c, err := c.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	to, err := c.Resolve(t.Context())
	if err == nil {
		err = ChooseTransport(&c)
	}
	if err != nil {
		t.Fatal(err)
	}
	j, err := newJob(&c, to)
	if err != nil {
		t.Fatal(err)
	}
	threads, recs := make([]*thread, c.Threads), make([]*record.Recorder, c.Threads)
	opened := make(chan error, c.Threads)
	var running sync.WaitGroup
	for i := range threads {
		if threads[i], err = newThread(j, i); err != nil {
			t.Fatal(err)
		}
		recs[i] = threads[i].rec
	}
	for _, th := range threads {
		running.Go(func() { th.run(opened) })
	}
	for range threads {
		if err := <-opened; err != nil {
			t.Error(err)
		}
	}
	conductor := newConductor(&c, j, threads)
	conductor.Prepare()
	close(j.begin)
	read := conductor.Run(t.Context())
	running.Wait()
	read.Recorders = recs
	return read.Merged(), threads
}
