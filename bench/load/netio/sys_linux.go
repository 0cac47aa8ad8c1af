package netio

import (
	"fmt"
	"math"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/bench/load/record"
)

// SleepUntil sleeps until t without the coarseness of Go's timers. The thread
// is blocked meanwhile, so it is for short sleeps only.
func SleepUntil(t int64) {
	for left := t - record.Now(); left > 0; left = t - record.Now() {
		ts := unix.NsecToTimespec(left)
		_ = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &ts, nil) // EINTR: go on
	}
}

// ThreadCPU is the CPU time of the calling thread, in ns.
func ThreadCPU() int64 {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts) != nil {
		return 0
	}
	return ts.Nano()
}

// SetTimerSlack lets the timers of the calling thread expire when they are
// due, and not up to 50 µs later to save wake-ups.
func SetTimerSlack() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) }

// A Poll is an epoll instance.
type Poll struct {
	fd     int
	events [256]unix.EpollEvent
	coarse bool  // the kernel has no epoll_pwait2 (Linux before 5.11)
	spin   int64 // ns before the end of a wait that are spent looking
	wake   Wake
}

// NewPoll makes an epoll instance that stays awake for spin before it is to wake.
func NewPoll(spin time.Duration) (*Poll, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create: %w", err)
	}
	return &Poll{fd: fd, spin: int64(spin)}, nil
}

// Close gives the descriptor back.
func (p *Poll) Close() { unix.Close(p.fd) }

// Control registers interest in events on fd. What comes back with them is
// slot and its generation.
func (p *Poll) Control(op, fd int, events uint32, slot, generation int32) error {
	return unix.EpollCtl(p.fd, op, fd, &unix.EpollEvent{Events: events, Fd: slot, Pad: generation})
}

// Wait returns the events that are there, having waited for the first one
// until the time t. It is exact to some microseconds, as far as the kernel is
// predictable, and with spin the thread is awake by then.
func (p *Poll) Wait(t int64) []unix.EpollEvent {
	events, errno := p.look()
	if errno != 0 || len(events) > 0 {
		return events
	}
	alarm := p.wake.Alarm(t - p.spin)
	if left := alarm - record.Now(); left > 0 {
		events, errno = p.sleep(left)
		if errno != 0 || len(events) > 0 {
			return events // none after EINTR, or ENOSYS once
		}
		p.wake.Woke(alarm, record.Now())
	}
	for at := record.Now(); errno == 0 && len(events) == 0 && (p.wake.Dozes(t, at) || p.spin > 0 && at < t); at = record.Now() {
		events, errno = p.look()
	}
	return events
}

// look takes what is there already; under load that is the usual case.
func (p *Poll) look() ([]unix.EpollEvent, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd),
		uintptr(unsafe.Pointer(&p.events)), uintptr(len(p.events)), 0, 0, 0)
	if errno != 0 {
		n = 0
	}
	return p.events[:n], errno
}

// sleep waits for an event for as many ns at most. The Go scheduler is not told,
// here or in any other call of the generator's threads: it would take the
// processor away from one that sleeps for 20 µs, and keep itself awake for that,
// at a third of the CPU of a slow open loop, on the CPU that the thread is to
// wake up on. To stop a thread the scheduler interrupts its sleep. The threads
// have processors beyond those of the rest of the process: see native.Run.
func (p *Poll) sleep(left int64) ([]unix.EpollEvent, unix.Errno) {
	var n uintptr
	var errno unix.Errno
	switch {
	case left <= 0:
	case p.coarse:
		ms := min((left+int64(time.Millisecond)-1)/int64(time.Millisecond), math.MaxInt32)
		n, _, errno = unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd),
			uintptr(unsafe.Pointer(&p.events)), uintptr(len(p.events)), uintptr(ms), 0, 0)
	default:
		ts := unix.NsecToTimespec(left)
		n, _, errno = unix.RawSyscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.fd),
			uintptr(unsafe.Pointer(&p.events)), uintptr(len(p.events)), uintptr(unsafe.Pointer(&ts)), 0, 0)
		p.coarse = errno == unix.ENOSYS
	}
	if errno != 0 {
		n = 0
	}
	return p.events[:n], errno
}

// read and write are for nonblocking sockets, whose calls return at once: the
// Go scheduler need not be told, which saves a tenth of their cost.

// Read is recvfrom, which is some per cent cheaper on a socket than read is.
func Read(fd int, b []byte) (int, unix.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), 0, 0, 0)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

// Write sends without SIGPIPE, which Go would take for a reason to die only on
// the standard descriptors, but which costs a signal each time.
func Write(fd int, b []byte) (int, unix.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
			unix.MSG_NOSIGNAL, 0, 0)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}
