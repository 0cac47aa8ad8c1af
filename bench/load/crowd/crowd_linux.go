// Package crowd is the connection groups beside the busy connections: idle, slow,
// or coming and going in storms (workload.Group), on a thread of their own.
package crowd

import (
	"crypto/tls"
	"runtime"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/bench/load/netio"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/load/record"
	"github.com/dynobench/dyno/protocol/http1"
	"github.com/dynobench/dyno/scenarios/workload"
)

// A crowd is the thread of the connection groups. It has an epoll instance and
// flat slots of its own, so that the busy threads do not notice it but by what
// the server does. A connection that idles has no alarm and no events, and
// costs its slot.
//
// The crowd stands before the first busy connection is made, so that a server
// with a place for some connections only shows it, and until the last one has
// ended. Its record is of what it handles between the window's edges. A nil
// crowd is that of a run without groups.
type crowd struct {
	config  *plan.Config
	tls     *tls.Config // https
	window  *record.Window
	timeout int64
	tick    int64 // how often it looks at the window, at least
	poll    *netio.Poll
	dialer  *netio.Dialer
	members []member
	slots   []slot
	alarms  alarms
	buf     []byte
	plain   []byte // https: what has been opened

	dialing  int   // connections under way
	stoodAt  int64 // when a connection was last made
	reopenAt int64 // when the next connection may be made again
	started  bool
	stopped  atomic.Bool
	done     chan struct{}

	entered, left    bool // the window
	counting         bool // in between
	cpuStart, cpuEnd int64
}

// A member is one group at work.
type member struct {
	workload.Group
	request []byte
	swift   int // SlowSend: bytes of the request that do not go slowly
	bytes   int // of a piece
	every   int64
	from, n int32 // its slots

	due  int64   // Storm: the next burst
	free []int32 // Storm: slots at rest
	rec  record.Group
}

// Descriptors is how many a crowd for c needs.
func Descriptors(c *plan.Config) (n uint64) {
	for i := range c.Groups {
		n += uint64(c.Groups[i].Places())
	}
	return n
}

// newCrowd makes the crowd of c's groups, nil where there are none.
func New(c *plan.Config, to plan.Endpoint, secure *tls.Config, window *record.Window) (*crowd, error) {
	if len(c.Groups) == 0 {
		return nil, nil
	}
	d, err := netio.NewDialer(c, to)
	if err != nil {
		return nil, err
	}
	p, err := netio.NewPoll(0)
	if err != nil {
		return nil, err
	}
	n := int(Descriptors(c))
	w := &crowd{
		config: c, tls: secure, window: window, timeout: int64(c.Timeout), tick: min(c.Look(), 20e6), poll: p, dialer: d, members: make([]member, len(c.Groups)), slots: make([]slot, n),
		buf: make([]byte, netio.ReadBuffer), done: make(chan struct{}),
	}
	if w.tls != nil {
		w.plain = make([]byte, netio.ReadBuffer)
	}
	w.alarms.slots = w.slots
	from := int32(0)
	for i := range w.members {
		m := &w.members[i]
		m.init(&c.Groups[i], to.Host, from)
		for k := range m.n {
			w.slots[from+k].init(from+k, i)
		}
		if m.Kind == workload.Storm {
			for k := range m.n {
				m.free = append(m.free, from+m.n-1-k)
			}
		}
		from += m.n
	}
	return w, nil
}

func (m *member) init(g *workload.Group, host string, from int32) {
	m.Group, m.bytes, m.every, m.from, m.n = *g, g.Piece(), g.Gap(), from, int32(g.Places())
	m.due = record.Never
	m.rec.Init(&m.Group)
	path, _ := workload.Target(g.Path) // which CompleteGroups has seen
	switch {
	case g.Part == "body":
		m.request = http1.AppendRequest(nil, "POST", path, host, nil, []byte(strings.Repeat("x", g.Size)))
		m.swift = len(m.request) - g.Size
	default:
		m.request = http1.AppendRequest(nil, "GET", path, host, nil, nil)
		const field = len("X-Padding: \r\n")
		if short := g.Size - len(m.request) - field; short > 0 {
			m.request = http1.AppendRequest(nil, "GET", path, host, [][2]string{{"X-Padding", strings.Repeat("x", short)}}, nil)
		}
	}
}

// Threads is how many threads the crowd adds to the busy ones.
func (w *crowd) Threads() int {
	if w == nil {
		return 0
	}
	return 1
}

// Open starts the thread and returns once every connection that is to be held
// has been tried, or the time for that is over.
func (w *crowd) Open() {
	if w == nil {
		return
	}
	w.started = true
	opened := make(chan struct{})
	go w.run(opened)
	<-opened
}

// End ends the thread and closes what it has open. It may be called again.
func (w *crowd) End() {
	if w == nil {
		return
	}
	if !w.stopped.Swap(true) && !w.started {
		w.poll.Close()
		close(w.done)
	}
	<-w.done
}

func (w *crowd) run(opened chan<- struct{}) {
	runtime.LockOSThread() // and never unlocked, see thread.run
	netio.SetTimerSlack()
	defer close(w.done)
	defer w.poll.Close()
	defer w.closeAll()
	w.gather()
	close(opened)
	w.keep()
}

// gather makes the connections that are to be held, as many at a time as
// thread.open does.
func (w *crowd) gather() {
	held := make([]int32, 0, len(w.slots))
	for i := range w.members {
		if m := &w.members[i]; m.Kind != workload.Storm {
			for k := range m.n {
				held = append(held, m.from+k)
			}
		}
	}
	// As long as the server takes one after the other it gets the time to
	// take many, within bounds.
	patience := int64(plan.ConnectTimeout(w.config))
	w.stoodAt = record.Now()
	deadline := w.stoodAt + patience + int64(len(held))*5e6
	for at := record.Now(); at < min(deadline, w.stoodAt+patience) && w.window.Abort.Load() == record.Never; at = record.Now() {
		for len(held) > 0 && w.dialing < netio.FirstDials {
			w.dial(&w.slots[held[0]], at)
			held = held[1:]
		}
		if w.dialing == 0 {
			break
		}
		w.handle(w.poll.Wait(min(w.alarms.first(), at+w.tick)))
		w.wakeDue(record.Now())
	}
	for _, i := range held { // the time was too short for them
		w.rest(&w.slots[i], record.Now())
	}
}

// keep is the loop. Storms rage from its beginning on, also in the warm-up.
func (w *crowd) keep() {
	for i := range w.members {
		if m := &w.members[i]; m.Kind == workload.Storm {
			m.due = record.Now()
		}
	}
	for !w.stopped.Load() {
		at := record.Now()
		w.wakeDue(at)
		next := min(at+w.tick, w.rage(at), w.edge(), w.alarms.first())
		events := w.poll.Wait(next)
		w.cross(record.Now()) // before what has come since
		w.handle(events)
	}
	if w.counting { // the busy threads have ended before this one has seen the edge
		w.leave()
	}
}

// edge is when the window begins or ends next.
func (w *crowd) edge() int64 {
	switch {
	case w.left:
		return record.Never
	case w.entered:
		return w.window.End.Load()
	}
	return w.window.Start.Load()
}

// cross begins and ends the counting.
func (w *crowd) cross(at int64) {
	if start := w.window.Start.Load(); at >= start && !w.entered {
		w.entered = true
		w.enter(start)
	}
	if at >= w.window.End.Load() && !w.left {
		w.left = true
		w.leave()
	}
}

// enter is called once, when the window has begun: from here on it counts, and
// storms begin anew.
func (w *crowd) enter(start int64) {
	w.counting, w.cpuStart = true, netio.ThreadCPU()
	for i := range w.members {
		if m := &w.members[i]; m.Kind == workload.Storm {
			m.due = start
		}
	}
	for i := range w.slots {
		if s := &w.slots[i]; s.standing() {
			w.member(s).rec.Open(s.took)
		}
	}
}

// leave is called once, when the window has ended.
func (w *crowd) leave() {
	w.counting, w.cpuEnd = false, netio.ThreadCPU()
	for i := range w.slots {
		if s := &w.slots[i]; s.standing() {
			w.member(s).rec.Standing++
		}
	}
}

// rage opens the connections of storms that are due, and tells when the next
// ones are. What finds no place is counted and not made up for.
func (w *crowd) rage(at int64) int64 {
	next, end := int64(record.Never), w.window.End.Load()
	for i := range w.members {
		m := &w.members[i]
		for m.due <= at && m.due < end {
			for range m.Connections {
				if len(m.free) == 0 {
					if w.counting {
						m.rec.Unopened++
					}
					continue
				}
				s := &w.slots[m.free[len(m.free)-1]]
				m.free = m.free[:len(m.free)-1]
				w.dial(s, record.Now())
			}
			m.due += m.every
		}
		if m.due < end {
			next = min(next, m.due)
		}
	}
	return next
}

// wakeDue wakes the slots whose alarms are due.
func (w *crowd) wakeDue(at int64) {
	for w.alarms.first() <= at {
		w.wake(&w.slots[w.alarms.pop()], at)
	}
}

func (w *crowd) handle(events []unix.EpollEvent) {
	for i := range events {
		e := &events[i]
		if s := &w.slots[e.Fd]; s.fd >= 0 && s.generation == e.Pad {
			w.ready(s, e.Events, record.Now())
		}
	}
}

func (w *crowd) member(s *slot) *member { return &w.members[s.group] }

// AddTo puts the records into m.
func (w *crowd) AddTo(m *record.Reading) {
	if w == nil {
		return
	}
	for i := range w.members {
		m.Groups = append(m.Groups, &w.members[i].rec)
	}
	m.GroupsCPU = w.cpuEnd - w.cpuStart
}

func (w *crowd) closeAll() {
	for i := range w.slots {
		s := &w.slots[i]
		w.drop(s, w.member(s).Abort)
	}
}
