package meter

import (
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// irqApart tells whether the clocks of threads leave out the interrupts that
// they are interrupted by, and what these leave to be done at once: the
// kernel's half of most packets. It depends on how the kernel was built
// (CONFIG_IRQ_TIME_ACCOUNTING), which a container cannot read. So it is tried:
// a thread sends packets to itself and never sleeps. The time that it neither
// ran nor waited for a CPU was the interrupts'.
var irqApart = sync.OnceValue(func() bool {
	const tries, enough, bound = 30, 3, 0.05 // of the time: packets are a third of it or more, noise a thousandth
	var shares []float64
	for n := 0; n < tries && len(shares) < enough; n++ {
		if share, ok := unaccounted(10 * time.Millisecond); ok {
			shares = append(shares, share)
		}
	}
	if len(shares) == 0 {
		return true // it cannot be told: then less is held against others
	}
	slices.Sort(shares)
	return shares[len(shares)/2] > bound
})

// unaccounted is the share of the time in which a thread that wants to run all
// the time neither ran nor waited, while it sent packets to itself for d; false
// where that could not be told, since it lost the CPU while it read its clocks.
func unaccounted(d time.Duration) (share float64, ok bool) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, false
	}
	defer unix.Close(fd)
	if unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}) != nil {
		return 0, false
	}
	if at, err := unix.Getsockname(fd); err != nil || unix.Connect(fd, at) != nil {
		return 0, false
	}
	read := func() (now, run, delay time.Duration, ok bool) {
		now = monotonic()
		b, err := os.ReadFile("/proc/thread-self/schedstat")
		var ts unix.Timespec
		ok = err == nil && unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts) == nil && monotonic()-now < d/50
		return now, time.Duration(ts.Nano()), parseSchedstat(b).delay, ok
	}
	packet := make([]byte, 64)
	began, ran, waited, ok1 := read()
	for monotonic()-began < d {
		for range 16 {
			_, _ = unix.Write(fd, packet)
			_, _ = unix.Read(fd, packet)
		}
	}
	ended, ran2, waited2, ok2 := read()
	if !ok1 || !ok2 || ended <= began {
		return 0, false
	}
	return float64(ended-began-(ran2-ran)-(waited2-waited)) / float64(ended-began), true
}
