package meter

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/procfs"
)

// agrees compares CPU times: per cent of difference, and an absolute part for
// what a child spends on talking after it has measured itself.
func agrees(t *testing.T, what string, got, want time.Duration, pct float64, abs time.Duration) {
	t.Helper()
	if d := (got - want).Abs(); d > abs+time.Duration(pct/100*float64(want)) {
		t.Errorf("%s: the meter saw %v, the process itself %v", what, got, want)
	}
}

func TestCPUOfOneProcess(t *testing.T) {
	c := begin(t, "spin", "300")
	tree := c.tree()
	a := sample(t, tree)
	own := time.Duration(c.round())
	b := sample(t, tree)
	agrees(t, "CPU from the start", b.CPU, own, 1, 5*time.Millisecond)
	u := b.Sub(a)
	if u.CPU < 300*time.Millisecond {
		t.Errorf("the round cost %v, want at least the 300ms that were asked for", u.CPU)
	}
	// Tick by tick; user and system are each rounded down.
	agrees(t, "user + system", u.User+u.System, u.CPU, 0, 40*time.Millisecond)
	if u.Wall <= 0 || len(u.Joined)+len(u.Left) != 0 {
		t.Errorf("usage %+v", u)
	}
	// The scheduler's statistics of the living threads say the same, less
	// what ended threads used.
	fs, err := filepath.Glob("/proc/" + strconv.Itoa(c.cmd.Process.Pid) + "/task/*/schedstat")
	if err != nil || len(fs) == 0 {
		t.Fatal("no schedstat", err)
	}
	var sum time.Duration
	for _, f := range fs {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		sum += time.Duration(atoi(strings.Fields(string(data))[0]))
	}
	agrees(t, "schedstat", sample(t, tree).CPU, sum, 1, 5*time.Millisecond)
}

// The time of ended threads is not lost, seen or not seen alive.
func TestCPUOfEndedThreads(t *testing.T) {
	c := begin(t, "threads", "20", "10")
	tree := c.tree()
	watch := Start(tree, 5*time.Millisecond)
	own := time.Duration(c.round())
	peaks := watch.Stop()
	agrees(t, "CPU", sample(t, tree).CPU, own, 1, 5*time.Millisecond)
	if peaks.Samples < 3 {
		t.Errorf("%d readings", peaks.Samples)
	}
}

// The time of ended children is not lost, whether they were seen alive (the
// meter watches closely) or not (it looks at both ends only).
func TestCPUOfEndedChildren(t *testing.T) {
	for _, c := range []struct {
		name  string
		watch time.Duration
	}{{"unseen", time.Hour}, {"seen", time.Millisecond}} {
		t.Run(c.name, func(t *testing.T) {
			child := begin(t, "forks", "6", "30")
			tree := child.tree()
			watch := Start(tree, c.watch)
			own := time.Duration(child.round())
			peaks := watch.Stop()
			// Ticks: cutime and cstime are each rounded down once, in all.
			agrees(t, "CPU", sample(t, tree).CPU, own, 1, 25*time.Millisecond)
			if c.watch < time.Second && peaks.Processes < 2 {
				t.Errorf("no child was seen in %d readings", peaks.Samples)
			}
		})
	}
}

// CPU time never runs backwards while processes and threads come and go.
func TestMonotone(t *testing.T) {
	c := begin(t, "forks", "8", "3")
	tree := c.tree()
	done := make(chan struct{})
	c.order()
	go func() { defer close(done); c.out.Scan() }()
	var before Sample
	for n := 0; ; n++ {
		s := sample(t, tree)
		if s.CPU < before.CPU || s.User < before.User || s.System < before.System ||
			s.Voluntary < before.Voluntary || s.Involuntary < before.Involuntary || s.Time < before.Time {
			t.Fatalf("reading %d ran backwards:\n%+v\n%+v", n, before, s)
		}
		before = s
		select {
		case <-done:
			return
		default:
		}
	}
}

func TestFamily(t *testing.T) {
	c := begin(t, "family", "4")
	tree := c.tree()
	a := sample(t, tree)
	if a.Processes != 5 || len(a.PIDs) != 5 || a.Threads < 5 || a.RSSBytes < 5*(1<<20) {
		t.Errorf("sample %+v", a)
	}
	pss, err := tree.PSS()
	if err != nil {
		t.Fatal(err)
	}
	if pss <= 0 || pss >= a.RSSBytes { // the five share their program
		t.Errorf("PSS %d of %d bytes RSS", pss, a.RSSBytes)
	}
	if peaks := Start(tree, time.Hour).Stop(); peaks.PSSBytes <= 0 || peaks.PSSBytes >= peaks.RSSBytes {
		t.Errorf("peaks %+v", peaks)
	}
	c.round()
	b := sample(t, tree)
	if u := b.Sub(a); b.Processes != 4 || len(u.Left) != 1 || len(u.Joined) != 0 {
		t.Errorf("a child was killed, and usage is %+v", u)
	}
	c.end()
	last, err := tree.Sample()
	for end := time.Now().Add(time.Minute); err == nil && time.Now().Before(end); time.Sleep(time.Millisecond) {
		last, err = tree.Sample() // the children end by and by
	}
	if !errors.Is(err, ErrGone) {
		t.Errorf("the tree has ended, and Sample says %v", err)
	}
	if last.CPU < b.CPU {
		t.Errorf("the CPU time fell from %v to %v at the end", b.CPU, last.CPU)
	}
}

// A tree is more than its process group: a child in a session of its own
// belongs by descent.
func TestDescentAndStrangers(t *testing.T) {
	c := begin(t, "family", "1")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperVariable+"=wait")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	mine := NewTree(os.Getpid())
	theirs := c.tree()
	before := sample(t, mine)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { in.Close(); _ = cmd.Wait() }()
	if u := sample(t, mine).Sub(before); !cmp.Equal(u.Joined, []int{cmd.Process.Pid}) {
		t.Errorf("%v joined, want %d", u.Joined, cmd.Process.Pid)
	}
	for range 2 { // the second time from the memory of strangers
		if s := sample(t, theirs); s.Processes != 2 {
			t.Errorf("the other tree has %v", s.PIDs)
		}
	}
}

func TestMonitorPeaks(t *testing.T) {
	c := begin(t, "parked", "10")
	watch := Start(c.tree(), 0)
	p := watch.Stop()
	if p.Threads < 11 || p.Processes != 1 || p.RSSBytes == 0 || p.Samples < 2 {
		t.Errorf("peaks %+v", p)
	}
	if again := watch.Stop(); again != p {
		t.Errorf("the second Stop says %+v", again)
	}
}

func TestSwitches(t *testing.T) {
	c := begin(t, "switch", "500")
	tree := c.tree()
	a := sample(t, tree)
	c.round()
	if u := sample(t, tree).Sub(a); u.Voluntary < 500 || u.Involuntary < 0 {
		t.Errorf("slept 500 times, and saw %d voluntary and %d other switches", u.Voluntary, u.Involuntary)
	}
}

func TestNoSuchTree(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if _, err := NewTree(cmd.Process.Pid).Sample(); !errors.Is(err, ErrGone) {
		t.Errorf("got %v", err)
	}
}

// What is seen of ended processes is passed on to whoever remains.
func TestBury(t *testing.T) {
	proc := func(pid, parent int, cpu int64) *process {
		return &process{stat: stat{pid: pid, parent: parent}, cpu: cpu}
	}
	tree := NewTree(1)
	for _, p := range []*process{proc(1, 0, 100), proc(2, 1, 20), proc(3, 2, 3), proc(4, 9, 1000)} {
		tree.procs[p.stat.pid] = p
	}
	tree.procs[1].stat.childUser = 1 // a tick, more than what was seen of 2 and 3
	sum := func() int64 {
		u := tree.gone
		for _, p := range tree.procs {
			u.add(p.total())
		}
		return u.cpu
	}
	before := sum()
	tree.bury([]*process{tree.procs[3], tree.procs[2], tree.procs[4]})
	if len(tree.procs) != 1 || tree.procs[1].ended.cpu != 23 || tree.gone.cpu != 1000 {
		t.Errorf("left %v, ended %+v, gone %+v", tree.procs, tree.procs[1].ended, tree.gone)
	}
	if got := tree.procs[1].total().cpu; got != 100+tick {
		t.Errorf("the leader's total is %d", got)
	}
	if after := sum(); after != before-23 { // within the tick that the kernel has counted
		t.Errorf("the sum went from %d to %d", before, after)
	}
}

func TestParseStat(t *testing.T) {
	line := "7 (a b) c) R) S 1 7 8 0 -1 4194560 1 2 3 4 11 12 13 14 20 0 5 0 99 1000 77 18446744073709551615 0\n"
	got, ok := parseStat(7, []byte(line))
	want := stat{pid: 7, state: 'S', parent: 1, group: 7, session: 8, user: 11, system: 12, childUser: 13, childSystem: 14, threads: 5, start: 99, rssPages: 77}
	if !ok || got != want {
		t.Errorf("got %+v, %v", got, ok)
	}
	for _, bad := range []string{"", "7", "7 (a", "7 (a) S 1 2"} {
		if _, ok := parseStat(7, []byte(bad)); ok {
			t.Errorf("%q was taken", bad)
		}
	}
}

// The hand-made reader says what procfs says.
func TestStatAgreesWithProcfs(t *testing.T) {
	p, err := procfs.Self()
	if err != nil {
		t.Fatal(err)
	}
	want, err := p.Stat()
	if err != nil {
		t.Fatal(err)
	}
	var r reader
	got, ok := r.stat(p.PID)
	if !ok || got.parent != want.PPID || got.group != want.PGRP || got.session != want.Session || got.start != want.Starttime {
		t.Errorf("got %+v, procfs says %+v", got, want)
	}
}

func BenchmarkStat(b *testing.B) {
	b.Run("raw", func(b *testing.B) {
		var r reader
		b.ReportAllocs()
		for b.Loop() {
			if _, ok := r.stat(os.Getpid()); !ok {
				b.Fatal("no stat")
			}
		}
	})
	b.Run("procfs", func(b *testing.B) {
		p, err := procfs.Self()
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := p.Stat(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkTree(b *testing.B) {
	for _, c := range []struct {
		name, mode, arg string
	}{{"1process10threads", "parked", "10"}, {"5processes", "family", "4"}, {"1process256threads", "parked", "256"}} {
		child := begin(b, c.mode, c.arg)
		tree := child.tree()
		b.Run(c.name+"/sample", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sample(b, tree)
			}
		})
		b.Run(c.name+"/glance", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tree.Glance(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.name+"/schedstat", func(b *testing.B) { // what the clock replaces
			b.ReportAllocs()
			var r reader
			for b.Loop() {
				s := sampleSchedstat(&r, child.cmd.Process.Pid)
				if s == 0 {
					b.Fatal("no time")
				}
			}
		})
		child.end()
	}
}

func sampleSchedstat(r *reader, pid int) (sum int64) {
	dir := "/proc/" + strconv.Itoa(pid) + "/task/"
	tids, err := r.list(dir)
	if err != nil {
		return 0
	}
	for _, tid := range tids {
		if b, ok := r.file(dir + strconv.Itoa(tid) + "/schedstat"); ok {
			first, _, _ := strings.Cut(string(b), " ")
			sum += number([]byte(first))
		}
	}
	return sum
}

func BenchmarkHost(b *testing.B) {
	for b.Loop() {
		if _, err := ReadHost(); err != nil {
			b.Fatal(err)
		}
	}
}
