package null

import (
	"os"

	"golang.org/x/sys/unix"
)

// A line is one loop's queue with the clock that lets it move: a timer on
// absolute times, which is exact to the microseconds of a wake-up and costs
// nothing while nobody waits.
type line struct {
	server *server
	queue  queue
	timer  int   // descriptor, ready when the next customer leaves
	armed  int64 // for when, 0 for never
	now    int64 // of this turn of the loop
}

func newLine(s *server) (*line, error) {
	timer, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	return &line{server: s, queue: queue{visit: make(map[int]uint64)}, timer: timer}, nil
}

func (l *line) close() { unix.Close(l.timer) }

// arrive is called when the loop has woken up: what it reads now has arrived.
func (l *line) arrive() { l.now = monotonic() }

func (l *line) greet(fd int)  { l.queue.open(fd) }
func (l *line) forget(fd int) { delete(l.queue.visit, fd) }

// join queues n requests of the connection fd.
func (l *line) join(fd, n int) {
	for range n {
		l.queue.join(fd, l.server.admit(l.now))
	}
	l.arm()
}

// release answers those whose time has come.
func (l *line) release(answer func(fd int)) {
	for {
		fd, ok := l.queue.leave(l.now)
		if !ok {
			break
		}
		answer(fd)
	}
	l.arm()
}

// arm sets the timer for the next customer; setting it also takes its last
// expiry back, and a time that has passed makes it ready at once.
func (l *line) arm() {
	next := l.queue.next()
	if next == l.armed && next > l.now {
		return
	}
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(next)} // 0 disarms
	if unix.TimerfdSettime(l.timer, unix.TFD_TIMER_ABSTIME, &spec, nil) == nil {
		l.armed = next
	}
}

func monotonic() int64 {
	var ts unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) //nolint:errcheck // it exists on every Linux
	return ts.Nano()
}
