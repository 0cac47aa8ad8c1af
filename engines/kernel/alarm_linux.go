package kernel

import (
	"container/heap"
	"context"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// alarm wakes goroutines at their time, which Go's own timers do too coarsely
// for a server that waits a lot: an idle scheduler sleeps for whole
// milliseconds, so that timers which fall due within one fire together, their
// goroutines run together, and all who once were in one lump stay in it.
//
// All sleepers share one timerfd, set for the earliest of them and watched in
// Go's poller by one goroutine. Descriptor and goroutine come with the first
// sleeper and go soon after the last. Where the kernel refuses (too few
// descriptors), sleepers wait on Go's timers after all. The zero value is
// ready and safe for concurrent use.
//
// Tried, and no better, at 25 600 sleeps of 10 ms a second on one processor: a
// timerfd for each sleeper (15 % more CPU per request, twice the descriptors);
// a locked thread that polls the timerfd (80 % of the sleeps instead of 96 %:
// each time it wakes, it has to get back into Go's scheduler).
type alarm struct {
	mu     sync.Mutex
	asleep byDue // empty unless on
	on     bool  // a goroutine watches the timer; if not, the next fields mean nothing
	file   *os.File
	timer  int           // file's descriptor
	rings  time.Duration // when it is set for, on clock; that may be over
}

// sleeper is one goroutine's place in an alarm.
type sleeper struct {
	due   time.Duration // on clock
	place int           // in the heap; negative once taken out
	wake  chan struct{} // with room for the one token that due, or the alarm's failure, puts in
}

const (
	// slack is how much later than at the earliest due time the timer goes
	// off, so that one wake-up serves all of that while. It is what the kernel
	// grants itself, unless told otherwise, for a thread that sleeps:
	// PR_SET_TIMERSLACK in prctl(2). It saves a tenth of the CPU per request.
	slack = 50 * time.Microsecond

	// linger is how long the timer is kept for the next sleeper: a client
	// alone asks for one wait after the other.
	linger = 50 * time.Millisecond

	never time.Duration = 1<<63 - 1
)

var (
	processAlarm alarm
	sleeperPool  = sync.Pool{New: func() any { return &sleeper{wake: make(chan struct{}, 1)} }}
)

// sleep waits until d is over or ctx ends, and returns ctx's error then.
func sleep(ctx context.Context, d time.Duration) error { return processAlarm.sleep(ctx, d) }

func (a *alarm) sleep(ctx context.Context, d time.Duration) error {
	s := sleeperPool.Get().(*sleeper)
	defer sleeperPool.Put(s)
	s.due = Clock() + min(d, never/2)
	if !a.add(s) {
		return timerSleep(ctx, d)
	}
	select {
	case <-s.wake:
	case <-ctx.Done():
		if !a.remove(s) {
			<-s.wake
		}
		return ctx.Err()
	}
	if left := s.due - Clock(); left > 0 {
		return timerSleep(ctx, left) // the alarm has failed
	}
	return nil
}

// add has s woken when it is due, and tells whether there is a timer for that.
func (a *alarm) add(s *sleeper) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.on && !a.start() {
		return false
	}
	heap.Push(&a.asleep, s)
	if at := s.due + slack; at < a.rings {
		a.set(at)
	}
	return true
}

// remove takes s out, and tells whether it was still asleep. If not, it has
// been woken: there is a token in its channel.
func (a *alarm) remove(s *sleeper) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s.place < 0 {
		return false
	}
	heap.Remove(&a.asleep, s.place)
	if len(a.asleep) == 0 {
		a.set(Clock() + linger)
	}
	return true
}

// start makes the timer and has it watched; a.mu is held here and below.
func (a *alarm) start() bool {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return false
	}
	file := os.NewFile(uintptr(fd), "timerfd")
	conn, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return false
	}
	a.on, a.file, a.timer, a.rings = true, file, fd, never
	go a.watch(file, conn)
	return true
}

// set sets the timer for at. It counts from now: that needs no reading of the
// kernel's clock beside Go's, and who is woken looks at Go's.
func (a *alarm) set(at time.Duration) {
	a.rings = at
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(max(int64(at-Clock()), 1))}
	if unix.TimerfdSettime(a.timer, 0, &spec, nil) != nil {
		a.file.SetReadDeadline(time.Unix(1, 0)) // watch fails
	}
}

// wake wakes all who are due at now.
func (a *alarm) wake(now time.Duration) (any bool) {
	for len(a.asleep) > 0 && a.asleep[0].due <= now {
		heap.Pop(&a.asleep).(*sleeper).wake <- struct{}{}
		any = true
	}
	return any
}

// watch is the alarm's goroutine.
func (a *alarm) watch(file *os.File, conn syscall.RawConn) {
	defer file.Close()
	if conn.Read(a.ring) != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.wake(never)
		a.on = false
	}
}

// ring is called when the timer has gone off, and may be called when not. It
// never reads the timer: the poller reports each time that it goes off, once,
// and setting it clears it. It returns true when the alarm is not needed any more.
func (a *alarm) ring(uintptr) (done bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := Clock()
	switch any := a.wake(now); {
	case len(a.asleep) > 0:
		if at := a.asleep[0].due + slack; at != a.rings || now >= at {
			a.set(at)
		}
	case any:
		a.set(now + linger)
	case now >= a.rings: // for nobody
		a.on = false
	}
	return !a.on
}

// byDue is a heap.
type byDue []*sleeper

func (h byDue) Len() int           { return len(h) }
func (h byDue) Less(i, j int) bool { return h[i].due < h[j].due }

func (h byDue) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h *byDue) Push(x any) {
	s := x.(*sleeper)
	s.place = len(*h)
	*h = append(*h, s)
}

func (h *byDue) Pop() any {
	last := len(*h) - 1
	s := (*h)[last]
	(*h)[last], *h = nil, (*h)[:last]
	s.place = -1
	return s
}
