package load

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/bench/load/loadtest"
	"github.com/dynobench/dyno/bench/load/netio"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/internal/peer"
	"github.com/dynobench/dyno/internal/testkit"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/scenarios/workload"
)

// onlyGroup runs c with one group and returns the group's record and the rest.
func onlyGroup(t *testing.T, c plan.Config, g workload.Group) (results.Group, *results.Load) {
	t.Helper()
	c.Groups = []workload.Group{g}
	l := mustRun(t, c)
	if len(l.Groups) != 1 || l.Groups[0].Kind != string(g.Kind) {
		t.Fatalf("groups: %+v", l.Groups)
	}
	return l.Groups[0], l
}

// Idle connections stand through the window, ask for nothing, and are in none
// of the figures of the busy ones.
func TestIdleIsHeld(t *testing.T) {
	for _, network := range []string{"tcp4", "tcp6", "unix"} {
		var r *loadtest.Responder
		var c plan.Config
		var g results.Group
		l := until(func() (l *results.Load) {
			r = loadtest.Respond(t, network, nil)
			c = loadtest.Short(r)
			g, l = onlyGroup(t, c, workload.Group{Kind: workload.Idle, Connections: 100})
			return l
		}, something)
		if g.Opened != 100 || g.Standing != 100 || g.Refused+g.Closed+g.Requests+g.Errors+g.BytesSent+g.BytesRead != 0 {
			t.Errorf("%s: %+v", network, g)
		}
		if g.ConnectUS.Max <= 0 || g.Spec != "idle,connections=100,path=/hello" || g.Name != "idle" {
			t.Errorf("%s: %+v", network, g)
		}
		if n := r.Accepted.Load(); n != 104 {
			t.Errorf("%s: %d connections came, expected 104", network, n)
		}
		// The last ones of the busy connections may be answered after the window.
		if n := r.Requests.Load(); l.Requests == 0 || n < l.Requests || n > l.Requests+int64(c.Connections)+l.Reconnects || l.Errors.Total() != 0 {
			t.Errorf("%s: %d requests came, %d answers counted, %+v", network, n, l.Requests, l.Errors)
		}
	}
}

func TestIdleRequests(t *testing.T) {
	var seen loadtest.Heads
	r := loadtest.Respond(t, "tcp", func(r *loadtest.Responder) {
		r.Answer = func(w io.Writer, n int64, head []byte) bool {
			seen.Count(head)
			return loadtest.Reply(loadtest.Hello)(w, n, head)
		}
	})
	g, l := onlyGroup(t, loadtest.Short(r), workload.Group{Kind: workload.Idle, Connections: 10, Every: 10 * time.Millisecond, Path: "/alive"})
	if g.Requests == 0 || g.Errors != 0 || g.Opened != 10 || g.Standing != 10 || g.LatencyUS.Max <= 0 || g.BytesRead < g.Requests*int64(len(loadtest.Hello)) {
		t.Errorf("%+v", g)
	}
	if n := seen.Of("/alive"); n < g.Requests || l.Requests > seen.Of("/hello") || len(l.Classes) != 1 {
		t.Errorf("%d of the group's requests came, %d counted; %d of the others, %d counted", n, g.Requests, seen.Of("/hello"), l.Requests)
	}
}

// Connections that the server closes are counted, with how long it kept them,
// and opened again.
func TestIdleClosedByServer(t *testing.T) {
	const n = 20
	var busy sync.Map
	r := loadtest.Respond(t, "tcp", func(r *loadtest.Responder) {
		r.Answer = func(w io.Writer, n int64, head []byte) bool {
			busy.Store(w, true)
			return loadtest.Reply(loadtest.Hello)(w, n, head)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := loadtest.Short(r)
	c.Duration, c.Warmup = time.Hour, 150*time.Millisecond
	c.Groups = []workload.Group{{Kind: workload.Idle, Connections: n}}
	c.Progress = func(plan.Progress) {
		if r.Accepted.Load() >= 4+2*n { // all of them have come again
			cancel()
		}
	}
	c.Phase = func(p plan.Phase) {
		if p != plan.MeasureStart {
			return
		}
		r.Mu.Lock()
		defer r.Mu.Unlock()
		for conn := range r.Conns {
			if _, ok := busy.Load(conn); !ok {
				conn.Close()
			}
		}
	}
	l, err := Run(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	g := l.Groups[0]
	if g.Closed != n || g.Opened != 2*n || g.Standing != n || g.Errors != 0 || g.Refused != 0 {
		t.Errorf("%+v", g)
	}
	if g.HeldUS.Min <= 0 || g.HeldUS.Max < 10e3 || l.Errors.Total() != 0 {
		t.Errorf("held %+v; %+v", g.HeldUS, l.Errors)
	}
}

func TestStorm(t *testing.T) {
	for _, test := range []struct {
		name  string
		group workload.Group
		reset bool
	}{
		{"bursts", workload.Group{Kind: workload.Storm, Connections: 5, Every: 20 * time.Millisecond}, false},
		{"at a rate", workload.Group{Kind: workload.Storm, Rate: 300}, false},
		{"with a request", workload.Group{Kind: workload.Storm, Connections: 5, Every: 20 * time.Millisecond, Request: true, Path: "/storm"}, false},
		{"aborted", workload.Group{Kind: workload.Storm, Connections: 5, Every: 20 * time.Millisecond, Request: true, Path: "/storm", Abort: true}, true},
	} {
		var resets, ends atomic.Int64
		var seen loadtest.Heads
		r := loadtest.Respond(t, "tcp", func(r *loadtest.Responder) {
			r.Greet = func(w io.Writer) bool {
				var storm bool
				c := w.(net.Conn)
				for {
					head := make([]byte, 4096)
					n, err := c.Read(head)
					if errors.Is(err, syscall.ECONNRESET) {
						resets.Add(1)
						return false
					}
					if err != nil {
						if storm {
							ends.Add(1)
						}
						return false
					}
					storm = loadtest.Path(head[:n]) == "/storm"
					seen.Count(head[:n])
					io.WriteString(c, loadtest.Hello)
				}
			}
		})
		var g results.Group
		before := int64(0)
		l := until(func() (l *results.Load) {
			before = r.Accepted.Load()
			resets.Store(0)
			ends.Store(0)
			g, l = onlyGroup(t, loadtest.Short(r), test.group)
			return l
		}, func(l *results.Load) bool {
			return g.Opened > 0 && (g.Requests > 0 || !test.group.Request) && something(l)
		})
		if g.Opened == 0 || g.Refused+g.Closed+g.Errors+g.Unopened != 0 || g.ConnectUS.Max <= 0 {
			t.Errorf("%s: %+v", test.name, g)
		}
		r.Stop() // and all that came has been seen
		if n := r.Accepted.Load() - before - 4; n < g.Opened {
			t.Errorf("%s: %d connections came, %d were opened", test.name, n, g.Opened)
		}
		if test.group.Request && (g.Requests == 0 || g.Requests > g.Opened || seen.Of("/storm") < g.Requests) || !test.group.Request && g.Requests != 0 {
			t.Errorf("%s: %d requests came; %+v", test.name, seen.Of("/storm"), g)
		}
		if test.reset && (resets.Load() < g.Requests || ends.Load() != 0) || !test.reset && resets.Load() != 0 {
			t.Errorf("%s: %d resets, %d orderly ends; %+v", test.name, resets.Load(), ends.Load(), g)
		}
		if l.Requests == 0 || l.Errors.Total() != 0 {
			t.Errorf("%s: %d answers, %+v", test.name, l.Requests, l.Errors)
		}
	}
}

// A storm that the server does not answer is held to its limit, and what was
// due beyond it is counted.
func TestStormLimit(t *testing.T) {
	r := loadtest.Respond(t, "tcp", func(r *loadtest.Responder) {
		r.Answer = func(w io.Writer, n int64, head []byte) bool {
			return loadtest.Path(head) == "/silent" || loadtest.Reply(loadtest.Hello)(w, n, head)
		}
	})
	g, _ := onlyGroup(t, loadtest.Short(r), workload.Group{Kind: workload.Storm, Connections: 3, Every: 10 * time.Millisecond, Request: true, Path: "/silent", Limit: 4})
	if g.Unopened == 0 || g.Opened > 4 || g.Errors+g.Requests != 0 || r.Accepted.Load() != 4+4 {
		t.Errorf("%+v; %d came", g, r.Accepted.Load())
	}
}

// Timeouts are errors, and a storm goes on after them.
func TestGroupTimeout(t *testing.T) {
	r := loadtest.Respond(t, "tcp", func(r *loadtest.Responder) {
		r.Answer = func(w io.Writer, n int64, head []byte) bool {
			return loadtest.Path(head) == "/silent" || loadtest.Reply(loadtest.Hello)(w, n, head)
		}
	})
	c := loadtest.Short(r)
	c.Timeout = 30 * time.Millisecond
	c.Groups = []workload.Group{
		{Kind: workload.Storm, Connections: 2, Every: 10 * time.Millisecond, Request: true, Path: "/silent"},
		{Kind: workload.Idle, Connections: 2, Every: 10 * time.Millisecond, Path: "/silent"},
		{Kind: workload.SlowRead, Connections: 2, Path: "/silent", Rate: 1000, Every: time.Millisecond},
	}
	for _, g := range mustRun(t, c).Groups {
		if g.Errors == 0 || g.Requests+g.Closed != 0 || g.Opened < 2 {
			t.Errorf("%+v", g)
		}
	}
}

func TestGroupRefused(t *testing.T) {
	var g results.Group
	l := until(func() (l *results.Load) {
		r := loadtest.Respond(t, "tcp", nil)
		c := loadtest.Short(r)
		c.Phase = func(p plan.Phase) {
			if p == plan.MeasureStart {
				r.Listener.Close()
			}
		}
		g, l = onlyGroup(t, c, workload.Group{Kind: workload.Storm, Connections: 2, Every: 10 * time.Millisecond})
		return l
	}, func(l *results.Load) bool { return g.Refused > 0 && something(l) })
	i := slices.IndexFunc(l.Warnings, func(w results.Warning) bool { return w.Code == results.CodeGroupRefused })
	if g.Refused == 0 || i < 0 {
		t.Fatalf("%+v, %v", g, l.Warnings)
	}
	if w := l.Warnings[i]; w.Invalid || !strings.Contains(w.Message, "group storm: ") || !strings.Contains(w.Message, "refused") || !strings.Contains(w.Hint, "still listen") {
		t.Errorf("%+v", w)
	}
	if l.Requests == 0 || l.Errors.Total() != 0 {
		t.Errorf("%d answers, %+v", l.Requests, l.Errors)
	}
}

// With groups it is still an error if nobody is there.
func TestNobodyThereForGroups(t *testing.T) {
	r := loadtest.Respond(t, "tcp", nil)
	r.Stop()
	c := loadtest.Short(r)
	c.Groups = []workload.Group{{Kind: workload.Idle, Connections: 1000}, {Kind: workload.Storm}}
	if _, err := Run(t.Context(), c); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Error(err)
	}
}

var everyKind = []workload.Group{
	{Kind: workload.Idle, Connections: 50, Every: 20 * time.Millisecond}, {Kind: workload.SlowSend}, {Kind: workload.SlowRead},
	{Kind: workload.Storm, Rate: 500, Request: true}, {Kind: workload.Storm, Connections: 5, Every: 10 * time.Millisecond, Abort: true},
}

func TestGroupsLeaveNothing(t *testing.T) {
	url := startChild(t)
	c := plan.Config{URL: url, Connections: 5, Duration: 60 * time.Millisecond, Groups: everyKind}
	mustRun(t, c)
	before := testkit.Descriptors(t)
	for range 3 {
		mustRun(t, c)
	}
	c.Warmup, c.Duration = time.Hour, time.Hour
	for _, phase := range []string{"gathering", "warm-up", "window"} {
		ctx, cancel := context.WithCancel(t.Context())
		switch phase {
		case "gathering":
			cancel()
		case "warm-up":
			c.Progress = func(plan.Progress) { cancel() }
		case "window":
			c.Warmup, c.Progress = 0, nil
			c.Phase = func(plan.Phase) { cancel() }
		}
		l, err := Run(ctx, c)
		cancel()
		if err != nil {
			t.Fatal(phase, err)
		}
		if !l.Interrupted || len(l.Groups) != len(everyKind) {
			t.Errorf("%s: interrupted %v, %d groups", phase, l.Interrupted, len(l.Groups))
		}
	}
	if after := testkit.Descriptors(t); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func TestGroupsNeedDescriptors(t *testing.T) {
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &old)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 256, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	r := loadtest.Respond(t, "unix", nil)
	c := loadtest.Short(r)
	c.Duration = 20 * time.Millisecond
	c.Groups = []workload.Group{{Kind: workload.Idle, Connections: 1}, {Kind: workload.Storm, Connections: 1, Limit: 999, Every: time.Minute}}
	mustRun(t, c)
	var raised unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &raised); err != nil || raised.Cur < 1000 {
		t.Errorf("the soft limit is %d, %v", raised.Cur, err)
	}
	if old.Max >= plan.MaxConnections { // none that are allowed would be too many
		return
	}
	c.Groups[0].Connections = plan.MaxConnections - 999
	if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "raise the hard limit") {
		t.Error(err)
	}
}

// Ten thousand idle connections take little memory. Measured is the whole
// heap of the process against that of a run with one of them.
func TestManyIdle(t *testing.T) {
	const many, most = 10000, 512
	if err := netio.NeedDescriptors(many + 200); err != nil {
		peer.Missing(t, "too few descriptors: ", err)
	}
	url := startChild(t)
	heap := map[int]uint64{}
	for _, n := range []int{1, many} {
		c := plan.Config{URL: url, Connections: 2, Duration: 300 * time.Millisecond}
		c.Phase = func(p plan.Phase) {
			if p == plan.MeasureStart {
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				heap[n] = m.HeapAlloc
			}
		}
		g, l := onlyGroup(t, c, workload.Group{Kind: workload.Idle, Connections: n})
		if g.Opened != int64(n) || g.Standing != int64(n) || g.Refused+g.Closed != 0 {
			t.Errorf("%+v", g)
		}
		t.Logf("%d idle connections: %d KiB of heap, %.1f ms of CPU in %.1f s", n, heap[n]>>10, 1e3*l.GroupsCPUS, l.DurationS)
	}
	each := (int64(heap[many]) - int64(heap[1])) / (many - 1)
	t.Logf("%d bytes of heap for each connection", each)
	if each > most {
		t.Errorf("%d bytes for each connection, at most %d are promised", each, most)
	}
}
