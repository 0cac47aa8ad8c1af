package kernel

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/internal/testkit"
)

// givenBack waits until nobody uses what state tells of, and its goroutine is gone.
func givenBack(t *testing.T, state func() (on bool, users int)) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		on, users := state()
		if !on && users == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("it must end with its last user: on %t, %d left", on, users)
		}
	}
	goleak.VerifyNone(t)
}

// off waits until the alarm has given everything back.
func (a *alarm) off(t *testing.T) {
	t.Helper()
	givenBack(t, func() (bool, int) {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.on, len(a.asleep)
	})
}

func timers(t *testing.T) (n int) {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range list {
		if to, _ := os.Readlink("/proc/self/fd/" + fd.Name()); to == "anon_inode:[timerfd]" {
			n++
		}
	}
	return n
}

// Whoever sleeps is woken once, not too early, whatever the others do; and
// nothing is left behind.
func TestAlarm(t *testing.T) {
	var a alarm
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			for range 20 {
				d := rand.N(3 * time.Millisecond)
				began := time.Now()
				if err := a.sleep(context.Background(), d); err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took < d {
					t.Errorf("slept %v instead of %v", took, d)
				}
			}
		})
		wg.Go(func() { // Contexts that end at about the same time as the sleep
			for range 20 {
				d := rand.N(time.Millisecond)
				ctx, cancel := context.WithTimeout(context.Background(), d)
				if err := a.sleep(ctx, d); err != nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	a.off(t)
	if n := timers(t); n != 0 {
		t.Errorf("%d timers left", n)
	}
}

// One alarm serves sleeps that follow on each other, and those that last
// longer than any clock do not wake it.
func TestAlarmStays(t *testing.T) {
	var a alarm
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- a.sleep(ctx, 1<<63-1) }()
	for range 10 {
		if err := a.sleep(context.Background(), time.Millisecond); err != nil {
			t.Error(err)
		}
		if n := timers(t); n != 1 {
			t.Errorf("%d timers", n)
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	a.off(t)
}

// Sleep must be as long as asked for when there is no timer, or none any more.
func TestAlarmFails(t *testing.T) {
	long := func(t *testing.T, a *alarm, d time.Duration) {
		began := time.Now()
		if err := a.sleep(context.Background(), d); err != nil || time.Since(began) < d {
			t.Errorf("slept %v instead of %v: %v", time.Since(began), d, err)
		}
	}
	t.Run("no descriptor", func(t *testing.T) {
		var before unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
			t.Fatal(err)
		}
		none := before
		none.Cur = 0
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
			t.Fatal(err)
		}
		var a alarm
		long(t, &a, time.Millisecond)
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
			t.Fatal(err)
		}
		if a.on {
			t.Error("the alarm is on without a descriptor")
		}
		long(t, &a, time.Millisecond) // now there is one
		a.off(t)
	})
	t.Run("no setting", func(t *testing.T) {
		var a alarm
		a.mu.Lock()
		if !a.start() {
			t.Fatal("no timer")
		}
		a.timer = -1 // timerfd_settime: EBADF
		a.mu.Unlock()
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() { long(t, &a, time.Duration(10-i)*time.Millisecond) })
		}
		wg.Wait()
		a.off(t)
	})
}

func TestSleepDoesNotAllocate(t *testing.T) {
	if testkit.Race {
		t.Log("not looked at: sync.Pool drops what it is given at random under the race detector")
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if n := testing.AllocsPerRun(200, func() { Park{}.Sleep(ctx, 10*time.Microsecond) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkSleep shows by how much sleepers are late, alone and among others,
// on the alarm and on Go's timers.
func BenchmarkSleep(b *testing.B) {
	const d = 10 * time.Millisecond
	for _, how := range []struct {
		name  string
		sleep func(context.Context, time.Duration) error
	}{{"alarm", sleep}, {"timer", timerSleep}} {
		for _, sleepers := range []int{1, 256} {
			b.Run(how.name+"/"+map[int]string{1: "one", 256: "many"}[sleepers], func(b *testing.B) {
				b.ReportAllocs()
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				var mu sync.Mutex
				var late time.Duration
				var wg sync.WaitGroup
				for i := range sleepers {
					wg.Go(func() {
						timerSleep(ctx, d*time.Duration(i)/time.Duration(sleepers))
						var sum time.Duration
						for range b.N {
							began := time.Now()
							how.sleep(ctx, d)
							sum += time.Since(began) - d
						}
						mu.Lock()
						late += sum
						mu.Unlock()
					})
				}
				wg.Wait()
				b.ReportMetric(float64(late.Microseconds())/float64(b.N*sleepers), "µs-late")
			})
		}
	}
}
