package eventloop

import (
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/kernel"
	"github.com/dynobench/dyno/protocol"
)

// loop is one event loop. Fields without a word on it are those of its
// goroutine, and of the coroutines that this one switches to.
type loop struct {
	e         *Engine
	set, bell int
	batch     *batch // nil: each connection does its own reads and writes
	ended     chan struct{}
	open      atomic.Int64              // connections, from accept to close
	awake     atomic.Bool               // it does not wait for events
	held      atomic.Int64              // requests that have been read, and do not run yet
	half      atomic.Pointer[time.Time] // set in the drain: when half a request is given up

	mu     sync.Mutex // for Drain, which does not wait for the loop, and do
	conns  map[int32]*conn
	posted []func() // by do
	gone   bool     // nobody will run them

	// All that is to be done stands here and is taken out before it is done, so
	// that another goroutine can go on.
	events      [256]unix.EpollEvent
	next, count int
	doing       []func()
	turns       []*conn         // that have let others go first
	queue       []*conn         // that wait for a slot
	running     atomic.Int64    // slots in use
	due         int             // turns in which the app runs
	read        int             // connections that the batch has read, and that have not gone on yet
	told        int             // what held is
	timers      timers          // of those who wait
	waits       map[int32]*conn // by the descriptor that they wait for
	ticked      time.Duration
	generation  int32

	current *conn        // in app code
	idle    []*coroutine // without a request, the last used at the end
	least   int          // of them since the last tick
	over    bool
}

// run is the loop's goroutine. If an app ends it, by runtime.Goexit, another
// one takes over.
func (l *loop) run() {
	over := false
	defer func() {
		if over {
			return
		}
		if k := l.current; k != nil {
			l.current = nil
			k.exited()
		}
		go l.run()
	}()
	l.awake.Store(true) // which it may stay for good
	for !l.over {
		l.work()
		if !l.over {
			l.wait()
		}
	}
	over = true
	l.end()
}

// work does all that there is to do.
func (l *loop) work() {
	for l.next < l.count {
		ev := &l.events[l.next]
		l.next++
		l.event(ev)
	}
	l.fire(kernel.Clock())
	turns := len(l.turns) // those that come in now are for the next time
	for range turns {
		k := l.turns[0]
		l.turns = l.turns[1:]
		k.yielded = false
		if k.due {
			k.due = false
			l.due--
		}
		if !k.closed {
			k.turn()
		}
	}
	l.flush((*conn).turn)  // what has been read runs
	l.flush((*conn).turn)  // what that has answered is written
	l.flush((*conn).yield) // and whoever is not done lets others go first
	l.receive()
	for len(l.doing) > 0 {
		f := l.doing[0]
		l.doing = l.doing[1:]
		f()
		l.flush((*conn).yield)
	}
}

func (l *loop) event(ev *unix.EpollEvent) {
	switch {
	case int(ev.Fd) == l.bell && ev.Pad == 0:
	case ev.Pad < 0:
		if k := l.waits[ev.Fd]; k != nil {
			k.wake(nil)
		}
	default:
		if k := l.conns[ev.Fd]; k != nil && k.generation == ev.Pad {
			k.event(ev.Events)
		}
	}
}

// wait waits for events until the next timer, the next tick, or not at all.
func (l *loop) wait() {
	timeout := time.Duration(-1)
	if len(l.conns) > 0 || len(l.idle) > 0 {
		at := l.ticked + l.e.tick
		if len(l.timers) > 0 {
			at = min(at, l.timers[0].wait.due)
		}
		timeout = max(at-kernel.Clock(), 0)
	}
	if len(l.turns) > 0 {
		timeout = 0
	}
	l.next, l.count = 0, l.poll(timeout)
}

// poll is epoll_pwait2; a negative timeout means none. What is there is taken
// without a word to the Go scheduler; only a wait is announced to it.
func (l *loop) poll(timeout time.Duration) int {
	var now unix.Timespec
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT2, uintptr(l.set), uintptr(unsafe.Pointer(&l.events)), uintptr(len(l.events)), uintptr(unsafe.Pointer(&now)), 0, 0)
	if errno == unix.ENOSYS { // Linux before 5.11
		ms := -1
		if timeout >= 0 {
			ms = int((timeout + time.Millisecond - 1) / time.Millisecond)
		}
		l.awake.Store(false)
		k, _ := unix.EpollWait(l.set, l.events[:], ms)
		l.awake.Store(true)
		return max(k, 0)
	}
	if errno == 0 && n > 0 {
		return int(n)
	}
	if timeout == 0 {
		runtime.Gosched() // a loop that never sleeps is not alone
		return 0
	}
	var until unsafe.Pointer
	if timeout > 0 {
		ts := unix.NsecToTimespec(int64(timeout))
		until = unsafe.Pointer(&ts)
	}
	l.awake.Store(false)
	n, _, errno = unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(l.set), uintptr(unsafe.Pointer(&l.events)), uintptr(len(l.events)), uintptr(until), 0, 0)
	l.awake.Store(true)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// do runs f on the loop, soon. It may be called from any goroutine.
func (l *loop) do(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return
	}
	l.posted = append(l.posted, f)
	if len(l.posted) == 1 {
		unix.Write(l.bell, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	}
}

// receive takes what do has been given, and what falls due with the tick.
func (l *loop) receive() {
	l.mu.Lock()
	if len(l.posted) > 0 {
		l.doing = append(l.doing, l.posted...)
		clear(l.posted)
		l.posted = l.posted[:0]
	}
	l.mu.Unlock()
	if now := kernel.Clock(); now-l.ticked >= l.e.tick {
		l.ticked = now
		l.trim()
		l.doing = append(l.doing, l.scan)
	}
}

var _ engines.Loop = (*loop)(nil)

// Open implements engines.Loop.
func (l *loop) Open() int64 { return l.open.Load() }

// Load implements engines.Loop. A loop with much to do never sleeps, and tells
// nobody: who waits for it is what the kernel has to be asked.
func (l *loop) Load() (busy, waiting int64) {
	switch {
	case l.e.config.Coroutines:
		return l.running.Load(), 0 // those that wait are counted
	case !l.awake.Load() || l.open.Load() == 0:
		return 0, 0
	}
	l.mu.Lock()
	fds := slices.Collect(maps.Keys(l.conns))
	l.mu.Unlock()
	return 1, l.held.Load() + kernel.Unread(fds)
}

// tell has Load know of the requests that have been read, and do not run yet.
// Mostly there are none.
func (l *loop) tell() {
	if held := l.due + l.read; held != l.told {
		l.told = held
		l.held.Store(int64(held))
	}
}

// Look implements engines.Loop.
func (l *loop) Look() { l.do(l.scan) }

// scan acts on deadlines that have passed.
func (l *loop) scan() {
	now, half := time.Now(), l.half.Load()
	for _, k := range l.conns {
		if k.suspended || k.queued {
			continue
		}
		if k.lingers() {
			if now.After(k.lingerEnd) || half != nil {
				k.close()
			}
			continue
		}
		if half != nil && k.unread() {
			k.turn()
			continue
		}
		k.s.Expire(now)
		next := k.s.Next()
		if half != nil && !now.Before(*half) && next == protocol.Read {
			k.s.EOF()
			next = k.s.Next()
		}
		if next == protocol.Close || next == protocol.Write && k.writable {
			k.turn()
		}
	}
}

// Drain implements engines.Loop. The Sessions are told at once, even if the loop
// is in an app, so that its answer says that it is the last one.
func (l *loop) Drain(half time.Time) {
	l.mu.Lock()
	l.half.Store(&half)
	for _, k := range l.conns {
		k.s.Drain()
	}
	l.mu.Unlock()
	l.do(func() {
		for _, k := range l.conns {
			switch {
			case k.suspended, k.queued:
			case k.lingers():
				k.close()
			case !k.fresh && k.s.Next() == protocol.Close:
				k.unread()
				k.turn()
			}
		}
	})
}

// Cut implements engines.Loop. The connections of a loop that is stuck in an app end
// with the process, which must not look like the end of an answer either.
func (l *loop) Cut() {
	l.mu.Lock()
	for _, k := range l.conns {
		k.reset()
	}
	l.mu.Unlock()
	l.do(func() {
		for _, k := range l.conns {
			k.lose(engines.ErrDrainTimeout)
		}
	})
}

// end gives back what the loop has.
func (l *loop) end() {
	l.awake.Store(false)
	for _, c := range l.idle {
		c.stop()
	}
	if l.batch != nil {
		l.batch.ring.Close()
	}
	l.mu.Lock()
	l.gone = true
	unix.Close(l.bell)
	unix.Close(l.set)
	l.mu.Unlock()
	close(l.ended)
}
