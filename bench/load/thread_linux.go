package load

import (
	"os"
	"runtime"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/bench/load/template"
)

// A thread is one locked thread of the native generator: an epoll instance, a
// share of the connections in flat slots, a share of the schedule, a recorder.
// Threads share nothing that changes but the window's edges.
//
// A connection has at most one request outstanding, so a request that is due
// needs a free slot. In the closed model the slot's next request is due with
// its answer and is sent right from the read handler; in the open model it is
// the schedule's next, if that is due by then. Where no slot is free, requests
// wait in the schedule, and their waiting counts.
type thread struct {
	*job
	poll  *poll
	addr  unix.Sockaddr
	slots []slot
	free  ring // slots that may take a request, the longest free first
	rec   *recorder
	buf   []byte
	draws template.Source
	text  []byte // room for the request of a templated class while it is written

	answers     atomic.Int64 // so far, for the conductor
	outstanding int
	seen        int64 // answers, the thread's own count
	kept        int64 // of them, on a connection that had served one before
	closed      int64 // connections that the server closed between two requests

	plan    *schedule // open model: of the warm-up, then of the window
	origin  int64     // when it starts
	inPlan  bool      // plan is that of the window
	mix     mix       // closed model
	index   int
	refusal error // why a first connection could not be made

	cpuStart, cpuEnd   int64
	wallStart, wallEnd int64
}

const readBuffer = 64 << 10

func newThread(j *job, i int) (*thread, error) {
	p, err := newPoll()
	if err != nil {
		return nil, err
	}
	n := share(j.config.Connections, i, j.config.Threads)
	t := &thread{
		job: j, poll: p, addr: j.sockaddr(), index: i, slots: make([]slot, n), free: newRing(n), buf: make([]byte, readBuffer),
		rec: newRecorder(j.window, len(j.wires), n), mix: newMix(j.config, uint64(i)<<32),
		draws: newDraws(j.config, i, j.config.Threads),
	}
	for i := range t.slots {
		t.slots[i].init(i, t)
	}
	return t, nil
}

// run is the life of the thread. opened gets nil once all first connections
// have been tried and at least one stands, otherwise why none does.
func (t *thread) run(opened chan<- error) {
	runtime.LockOSThread() // and never unlocked: the thread ends with its goroutine
	setTimerSlack()
	defer t.poll.close()
	defer t.closeAll()
	opened <- t.open()
	<-t.begin
	t.offer()
}

// opening is how many first connections are under way at a time: a burst
// would overflow the server's backlog, and what is dropped there is only sent
// again after a second.
const opening = 64

// open makes the first connections.
func (t *thread) open() error {
	deadline := now() + int64(connectTimeout(t.config))
	next := 0
	for now() < min(deadline, t.window.abort.Load()) {
		for next < len(t.slots) && t.outstanding < opening {
			t.connect(&t.slots[next], now())
			next++
		}
		if t.outstanding == 0 {
			break
		}
		t.handle(t.poll.wait(min(deadline, now()+t.tick)))
		t.expire(now())
	}
	standing := 0
	for i := range t.slots {
		s := &t.slots[i]
		if s.state == connecting {
			t.refusal = os.ErrDeadlineExceeded
			t.drop(s)
			t.outstanding--
		}
		if s.fd >= 0 {
			standing++
		}
		// The others are tried again when it is their turn.
		s.state = idle
		t.free.push(int32(i))
	}
	if standing == 0 {
		return t.refusal
	}
	return nil
}

// offer is the loop.
func (t *thread) offer() {
	c := t.config
	began := now()
	if c.Model == Open {
		t.plan, t.origin = newSchedule(c, streamWarmup, t.index, c.Threads), began
	}
	nextTick := began
	for {
		at := now()
		start, end := t.window.start.Load(), t.window.end.Load()
		if at >= start && t.wallStart == 0 {
			t.enter(start, at)
		}
		if at >= end && t.wallEnd == 0 {
			t.leave(end, at)
		}
		if t.wallEnd != 0 && !t.awaited() || at >= t.window.abort.Load() {
			break
		}
		if at >= nextTick {
			t.expire(at)
			nextTick = at + t.tick
		}
		due := t.dispatch(at)
		edge := start
		if t.wallStart != 0 {
			edge = end
		}
		if t.wallEnd != 0 {
			edge = never
		}
		t.handle(t.poll.wait(min(nextTick, due, edge)))
		t.answers.Store(t.seen)
	}
	t.settle()
}

// enter is called once, when the window has begun.
func (t *thread) enter(start, at int64) {
	t.cpuStart, t.wallStart = threadCPU(), at
	t.draws.Window()
	if t.config.Model == Open {
		// What waits in the warm-up's schedule is forgotten: the window does
		// not begin with a debt.
		t.plan, t.origin, t.inPlan = newSchedule(t.config, 0, t.index, t.config.Threads), start, true
	}
}

// leave is called once, when the window has ended: what is due and finds a
// connection free is still sent, the generator was late.
func (t *thread) leave(end, at int64) {
	if t.wallStart == 0 { // the window is over before this thread has seen it
		t.enter(t.window.start.Load(), at)
	}
	if t.config.Model == Open {
		for t.free.n > 0 {
			due, class := t.plan.due()
			if due += t.origin; due >= end {
				break
			}
			t.plan.next()
			t.rec.late++
			t.start(t.free.pop(t.slots), due, class)
		}
	}
	t.cpuEnd, t.wallEnd = threadCPU(), at
}

// awaited tells whether a request that counts is outstanding. Those from
// before the window are not waited for: a server that has forgotten them would
// hold the run up until they time out.
func (t *thread) awaited() bool {
	if t.outstanding == 0 {
		return false
	}
	start := t.window.start.Load()
	for i := range t.slots {
		if s := &t.slots[i]; s.state >= connecting && s.intended >= start {
			return true
		}
	}
	return false
}

// settle accounts for what has no end yet: requests never sent, those still
// outstanding when the run was cut short, and those forgotten by the server.
func (t *thread) settle() {
	at := now()
	start, end := t.window.start.Load(), t.window.end.Load()
	for i := range t.slots {
		s := &t.slots[i]
		if s.state >= connecting && s.class >= 0 && s.intended < start && start != never {
			t.rec.starving(s.class, min(at, end)-s.intended)
		}
		if s.state >= connecting {
			t.finish(s, timedOut, at)
		}
	}
	if t.config.Model != Open || start == never {
		return
	}
	if !t.inPlan {
		t.enter(start, at)
	}
	for {
		due, class := t.plan.due()
		if due += t.origin; due >= end {
			return
		}
		t.plan.next()
		t.rec.record(&outcome{kind: neverSent, class: class, conn: -1, intended: due, done: end})
	}
}

// dispatch sends what is due at the moment as far as slots are free, and
// returns when there is more to do: when the next request is due, or never if
// that has to wait for a slot or for the window.
func (t *thread) dispatch(at int64) int64 {
	if t.wallEnd != 0 || t.wallStart == 0 && t.config.Warmup == 0 {
		return never
	}
	if t.config.Model == Closed {
		for t.free.n > 0 {
			t.start(t.free.pop(t.slots), at, t.mix.draw())
		}
		return never
	}
	end := t.window.end.Load()
	for {
		due, class := t.plan.due()
		if due += t.origin; due >= end {
			return never
		}
		if at-due > t.timeout { // nobody waits for it any more
			t.plan.next()
			t.rec.record(&outcome{kind: neverSent, class: class, conn: -1, intended: due, done: at})
			continue
		}
		if t.free.n == 0 {
			return never
		}
		if due > at {
			if at = now(); due > at {
				return due
			}
		}
		t.plan.next()
		t.start(t.free.pop(t.slots), due, class)
	}
}

// expire looks for requests that take too long, and for slots that have waited
// long enough after a failure.
func (t *thread) expire(at int64) {
	for i := range t.slots {
		s := &t.slots[i]
		switch {
		case s.state >= connecting && s.class >= 0 && at-s.intended > t.timeout:
			t.fail(s, timedOut, at)
		case s.state == waiting && at >= s.retryAt:
			t.release(s, at)
		case s.state == connecting && s.fd < 0 && at >= s.retryAt:
			t.connect(s, at)
		}
	}
}

func (t *thread) handle(events []unix.EpollEvent) {
	for i := range events {
		e := &events[i]
		if s := &t.slots[e.Fd]; s.fd >= 0 && s.generation == e.Pad {
			t.ready(s, e.Events)
		}
	}
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

// A ring is a queue of slots, each in it at most once.
type ring struct {
	at   []int32
	head int
	n    int
}

func newRing(n int) ring { return ring{at: make([]int32, n)} }

func (r *ring) push(i int32) {
	tail := r.head + r.n
	if tail >= len(r.at) {
		tail -= len(r.at)
	}
	r.at[tail] = i
	r.n++
}

func (r *ring) pop(slots []slot) *slot {
	s := &slots[r.at[r.head]]
	if r.head++; r.head == len(r.at) {
		r.head = 0
	}
	r.n--
	return s
}
