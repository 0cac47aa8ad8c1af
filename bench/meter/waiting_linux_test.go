package meter

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/internal/cgroup"
)

// A thread that wants one CPU beside another process waits as long as that one
// runs; the census names who it was.
func TestWaitingForAnother(t *testing.T) {
	cpus, err := CPUs()
	if err != nil {
		t.Fatal(err)
	}
	var one, before unix.CPUSet
	one.Set(cpus[len(cpus)-1])
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		t.Fatal(err)
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Fatal(err)
	}
	c := begin(t, "spin", "300") // inherits the one CPU
	other := begin(t, "spin", "60000")
	if err := unix.SchedSetaffinity(0, &before); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.cmd.Process.Kill() })
	other.order()
	tree := c.tree()
	census, err := ReadCensus()
	if err != nil {
		t.Fatal(err)
	}
	a, first := sample(t, tree), readSelf(t)
	c.round()
	b, last := sample(t, tree), readSelf(t)
	u := b.Sub(a)
	if waited := u.Runnable - u.CPU; waited < 50*time.Millisecond {
		t.Errorf("beside a busy loop, 300 ms of CPU took %v of waiting", waited)
	}
	if u.RunDelay < u.Runnable-u.CPU-10*time.Millisecond {
		t.Errorf("run delay %v, of which one thread waited %v", u.RunDelay, u.Runnable-u.CPU)
	}
	if own := last.Sub(first); own.CPU <= 0 || own.Runnable > own.Wall+10*time.Millisecond {
		t.Errorf("this process: %+v", own)
	}
	after, err := ReadCensus()
	if err != nil {
		t.Fatal(err)
	}
	pid := other.cmd.Process.Pid
	if n := after.Busiest(census, func(p int) bool { return p != pid }); n.PID != pid || n.CPUs <= 0 || n.Name == "" {
		t.Errorf("the busy loop is process %d; the census has %+v", pid, n)
	}
	if n := after.Busiest(census, func(p int) bool { return true }); n.PID != 0 {
		t.Errorf("with all excepted the busiest is %+v", n)
	}
}

func readSelf(t *testing.T) Sample {
	t.Helper()
	s, err := ReadProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Children that nobody waits for are in the CPU time where a control group counts
// it, and known to be missing where one was seen.
func TestCPUOfChildrenNobodyWaitsFor(t *testing.T) {
	t.Run("counted", func(t *testing.T) {
		g, err := cgroup.Make(fmt.Sprintf("dyno-meter-test-%d", os.Getpid()))
		if err != nil {
			t.Skipf("needs a control group of its own, so root or a delegated one: %v", err)
		}
		c := begin(t, "orphans", "20", "10")
		t.Cleanup(func() {
			c.end()
			if err := g.Remove(); err != nil {
				t.Error(err)
			}
		})
		if err := g.Add(c.cmd.Process.Pid); err != nil {
			t.Fatal(err)
		}
		tree := c.tree()
		tree.CountedBy(&g)
		a := sample(t, tree)
		c.round()
		u := sample(t, tree).Sub(a)
		if u.CPU < 200*time.Millisecond || u.Unseen < 150*time.Millisecond || u.Brief != 0 {
			t.Errorf("20 children of 10 ms each: %v of CPU, %v of it unseen, %d brief ones", u.CPU, u.Unseen, u.Brief)
		}
	})
	t.Run("missing", func(t *testing.T) {
		c := begin(t, "orphans", "20", "10")
		tree := c.tree()
		watch := Start(tree, time.Millisecond)
		a := sample(t, tree)
		c.round()
		u := sample(t, tree).Sub(a)
		watch.Stop()
		if u.Brief == 0 || u.Unseen != 0 {
			t.Errorf("20 children came and went, and %d were noticed (%v unseen)", u.Brief, u.Unseen)
		}
		if len(u.Joined)+len(u.Left) != 0 {
			t.Errorf("short-lived children are taken for workers: %v joined, %v left", u.Joined, u.Left)
		}
	})
	t.Run("waited for", func(t *testing.T) {
		c := begin(t, "forks", "20", "10")
		tree := c.tree()
		watch := Start(tree, time.Millisecond)
		a := sample(t, tree)
		c.round()
		u := sample(t, tree).Sub(a)
		watch.Stop()
		if u.Brief != 0 {
			t.Errorf("%d children that were waited for are held to be missing", u.Brief)
		}
	})
}
