package native

import (
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/dynobench/dyno/bench/load/netio"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/load/record"
	"github.com/dynobench/dyno/scenarios/workload"
)

// A thread is one locked thread of the native generator: a transport, a share of
// the connections in flat slots, a share of the schedule, a recorder. Threads
// share nothing that changes but the window's edges.
//
// A connection has depth requests outstanding at most, one unless they are
// pipelined, so a request that is due needs a slot with room. In the closed
// model the slot's next request is due with its answer and is sent right from
// the read handler; in the open model it is the schedule's. Where no slot has
// room, requests wait in the schedule, and their waiting counts.
type thread struct {
	*job
	transport transport
	dialer    *netio.Dialer
	depth     int
	http      bool
	slots     []slot
	queue     []request // depth of them for each slot
	free      queue     // slots that may take a request, the longest free first
	frames    []frame   // by class
	rec       *record.Recorder
	tlsRecord *record.TLS // https
	draws     workload.Source
	out       []byte // requests that are sent together, or made from templates

	answers     atomic.Int64 // so far, for the conductor
	spent       atomic.Int64 // on them, likewise
	waited      int64        // the thread's own sum of it
	outstanding int          // requests
	counted     int          // of them, due in the window
	waiting     int          // slots
	opening     bool         // the first connections
	seen        int64        // answers, the thread's own count
	kept        int64        // of them, on a connection that had served one before
	closed      int64        // connections that the server closed between two requests

	nextTick int64 // when expire is called again
	nextLook int64 // at slots that may have to be given up; at those that wait in each tick
	nap      int64 // how soon slots are looked at again

	plan    *plan.Timetable // open model: of the warm-up, then of the window
	origin  int64           // when it starts
	inPlan  bool            // plan is that of the window
	mix     plan.Mix        // closed model
	index   int
	refusal error // why a first connection could not be made
	broken  error // why the thread cannot work at all

	cpuStart, cpuEnd   int64
	wallStart, wallEnd int64
}

func newThread(j *job, i int) (*thread, error) {
	d, err := netio.NewDialer(j.config, j.to)
	if err != nil {
		return nil, err
	}
	n, depth := share(j.config.Connections, i, j.config.Threads), j.config.Pipeline
	t := &thread{
		job: j, dialer: d, depth: depth, http: !j.to.Protocol.Gateway, index: i, free: newQueue(n),
		slots: make([]slot, n), queue: make([]request, n*depth), frames: make([]frame, len(j.wires)),
		rec: record.NewRecorder(j.window, len(j.wires), n), mix: plan.NewMix(j.config, uint64(i)<<32),
		draws:     plan.NewDraws(j.config, i, j.config.Threads),
		tlsRecord: record.NewTLS(j.window),
		nap:       min(max(netio.BackoffMin, int64(n)*napPerSlot), j.tick),
	}
	for i := range t.slots {
		t.slots[i].index, t.slots[i].fd = int32(i), -1
		t.slots[i].answer.init(j.to.Protocol)
	}
	return t, nil
}

// run is the life of the thread. opened gets nil once all first connections
// have been tried and at least one stands, otherwise why none does.
func (t *thread) run(opened chan<- error) {
	runtime.LockOSThread() // and never unlocked: the thread ends with its goroutine
	netio.SetTimerSlack()
	if t.transport, t.broken = newTransport(t); t.broken != nil { // made on the thread that it is for
		opened <- t.broken
		return
	}
	defer t.transport.close()
	defer t.closeAll()
	opened <- t.open()
	<-t.begin
	t.offer()
}

// napPerSlot bounds what looking at slots that wait takes, to a few per cent of
// the time.
const napPerSlot = int64(2e3)

// perHandshake is what the first connections of https get beyond the time that
// they have together.
const perHandshake = int64(5e6)

// open makes the first connections.
func (t *thread) open() error {
	t.opening, t.nextTick = true, record.Now()
	deadline := record.Now() + int64(plan.ConnectTimeout(t.config))
	if t.tls != nil { // a handshake takes each side a millisecond of a slow CPU
		deadline += int64(len(t.slots)) * perHandshake
	}
	next, tried := 0, 0 // tried: those before are no longer under way
	slots := t.slots
	if t.config.Fresh {
		// One to see that there is a server. More would not be used before
		// their request is due, while a server whose worker has accepted one
		// can do nothing else.
		slots = slots[:1]
		if t.tls != nil { // the probe has seen it
			slots = nil
		}
	}
	for tried < len(slots) && t.broken == nil && record.Now() < min(deadline, t.window.Abort.Load()) {
		for next < len(slots) && next-tried < netio.FirstDials {
			t.connect(&slots[next])
			next++
		}
		for tried < next && !slots[tried].underWay() {
			tried++
		}
		if tried == next {
			continue
		}
		t.transport.wait(min(deadline, t.nextTick))
		if at := record.Now(); at >= t.nextTick {
			t.expire(at)
		}
	}
	t.opening = false
	standing := 0
	for i := range t.slots {
		s := &t.slots[i]
		if s.underWay() {
			t.refusal = os.ErrDeadlineExceeded
			t.drop(s)
		}
		if s.state == up {
			standing++
		}
		if t.config.Fresh {
			t.drop(s)
		}
		t.release(s, record.Now()) // the others are tried again when it is their turn
	}
	if standing == 0 {
		return t.refusal
	}
	return nil
}

// offer is the loop.
func (t *thread) offer() {
	c := t.config
	began := record.Now()
	if c.Model == plan.Open {
		t.plan, t.origin = plan.NewTimetable(c, plan.StreamWarmup, t.index, c.Threads), began
	}
	t.nextTick = began
	for {
		at := record.Now()
		start, end := t.window.Start.Load(), t.window.End.Load()
		if at >= start && t.wallStart == 0 {
			t.enter(start, at)
		}
		if at >= end && t.wallEnd == 0 {
			t.leave(end, at)
		}
		if t.wallEnd != 0 && t.waitedEnough(at) || at >= t.window.Abort.Load() || t.broken != nil {
			break
		}
		if at >= t.nextTick {
			t.expire(at)
		}
		due := t.dispatch(at)
		edge := start
		if t.wallStart != 0 {
			edge = end
		}
		if t.wallEnd != 0 {
			edge = record.Never
		}
		until := min(t.nextTick, due, edge)
		t.transport.wait(until)
		if late := record.Now() - max(until, at); late > asleep {
			t.rec.Quiet.Away += late
		}
		t.answers.Store(t.seen)
		t.spent.Store(t.waited)
	}
	t.settle()
}

// asleep is by how many ns a thread that wakes up late was kept from running.
const asleep = int64(5e6)

// waitedEnough tells, after the window, whether nothing is outstanding that
// matters: what was due in the window or, where nothing was, since all of it is
// taken up by requests from before, those, for as long again.
func (t *thread) waitedEnough(at int64) bool {
	if t.counted > 0 {
		return false
	}
	return t.rec.Total > 0 || t.outstanding == 0 ||
		at-t.wallEnd > max(int64(t.config.Duration), int64(time.Second))
}

// enter is called once, when the window has begun.
func (t *thread) enter(start, at int64) {
	t.cpuStart, t.wallStart = netio.ThreadCPU(), at
	t.draws.Window()
	t.rec.Cause = nil // that of a failure in the warm-up
	if t.config.Model == plan.Open {
		// What waits in the warm-up's schedule is forgotten: the window does
		// not begin with a debt.
		t.plan, t.origin, t.inPlan = plan.NewTimetable(t.config, 0, t.index, t.config.Threads), start, true
	}
}

// leave is called once, when the window has ended: what is due and finds a
// connection free is still sent, the generator was late.
func (t *thread) leave(end, at int64) {
	if t.wallStart == 0 { // the window is over before this thread has seen it
		t.enter(t.window.Start.Load(), at)
	}
	if t.config.Model == plan.Open {
		for t.free.n > 0 {
			due, class := t.plan.Due()
			if due += t.origin; due >= end {
				break
			}
			t.plan.Next()
			t.rec.Late++
			t.give(due, class)
		}
	}
	t.cpuEnd, t.wallEnd = netio.ThreadCPU(), at
}

// settle accounts for what has no end yet: requests never sent, those still
// outstanding when the run was cut short, and those from before the window
// that the server has forgotten: they are not waited for, or it would hold the
// run up until they time out.
func (t *thread) settle() {
	at := record.Now()
	start, end := t.window.Start.Load(), t.window.End.Load()
	for i := range t.slots {
		for s := &t.slots[i]; s.n > 0; {
			if q := t.at(s, 0); q.intended < start && start != record.Never {
				t.rec.Starving(q.class, min(at, end)-q.intended)
			}
			t.finish(s, record.CutShort, at, 0)
		}
	}
	if t.config.Model != plan.Open || start == record.Never {
		return
	}
	if !t.inPlan {
		t.enter(start, at)
	}
	for {
		due, class := t.plan.Due()
		if due += t.origin; due >= end {
			return
		}
		t.plan.Next()
		t.rec.Record(&record.Outcome{Kind: record.NeverSent, Class: class, Conn: -1, Intended: due, Done: end})
	}
}

// dispatch sends what is due at the moment as far as slots are free, and
// returns when there is more to do: when the next request is due, or never if
// that has to wait for a slot or for the window.
func (t *thread) dispatch(at int64) int64 {
	if t.wallEnd != 0 || t.wallStart == 0 && t.config.Warmup == 0 {
		return record.Never
	}
	if t.config.Model == plan.Closed {
		for t.free.n > 0 {
			t.give(at, t.mix.Draw())
		}
		return record.Never
	}
	end := t.window.End.Load()
	for {
		due, class := t.plan.Due()
		if due += t.origin; due >= end {
			return record.Never
		}
		if at-due > t.timeout { // nobody waits for it any more
			t.plan.Next()
			t.rec.Record(&record.Outcome{Kind: record.NeverSent, Class: class, Conn: -1, Intended: due, Done: at})
			continue
		}
		if t.free.n == 0 {
			return record.Never
		}
		if due > at {
			if at = record.Now(); due > at {
				return due
			}
		}
		t.plan.Next()
		t.give(due, class)
	}
}

// give puts a request that is due to the slot whose turn it is.
func (t *thread) give(due int64, class int) {
	s := &t.slots[t.free.pop()]
	s.free = false
	t.start(s, due, class)
	t.release(s, s.readyAt) // there may be room for more
	t.pump(s)
}

// expire looks for requests that take too long, and for slots that have waited
// long enough after a failure.
func (t *thread) expire(at int64) {
	t.nextTick = at + t.tick
	if at < t.nextLook && t.waiting == 0 {
		return
	}
	t.nextLook = at + t.look
	for i := range t.slots {
		s := &t.slots[i]
		if t.overdue(s, at) {
			t.lose(s, record.TimedOut, at, nil)
		}
		switch {
		case s.state != waiting:
		case at >= s.retryAt:
			t.resume(s, at)
		default:
			t.nextTick = min(t.nextTick, max(s.retryAt, at+t.nap))
		}
	}
}

// overdue tells whether the oldest request of a slot takes too long.
func (t *thread) overdue(s *slot, at int64) bool {
	return s.n > 0 && at-t.at(s, 0).intended > t.timeout
}

func (t *thread) closeAll() {
	for i := range t.slots {
		t.drop(&t.slots[i])
	}
}

func (t *thread) utilisation() float64 {
	if t.wallEnd <= t.wallStart {
		return 0
	}
	return float64(t.cpuEnd-t.cpuStart) / float64(t.wallEnd-t.wallStart)
}

// A queue holds slots, each in it at most once.
type queue struct {
	at   []int32
	head int
	n    int
}

func newQueue(n int) queue { return queue{at: make([]int32, n)} }

func (r *queue) push(i int32) {
	tail := r.head + r.n
	if tail >= len(r.at) {
		tail -= len(r.at)
	}
	r.at[tail] = i
	r.n++
}

func (r *queue) pop() int32 {
	i := r.at[r.head]
	if r.head++; r.head == len(r.at) {
		r.head = 0
	}
	r.n--
	return i
}
