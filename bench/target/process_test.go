//go:build linux

package target

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/internal/peer"
	"github.com/dynobench/dyno/internal/testkit"
)

func start(t *testing.T, c Command) *Process {
	t.Helper()
	p, err := Start(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // whatever is left is killed at once
		if _, err := p.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return p
}

func stop(t *testing.T, p *Process) Exit {
	t.Helper()
	exit, err := p.Stop(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return exit
}

func launch(t *testing.T, c func(addr string) Command) (*Process, string) {
	t.Helper()
	p, addr, err := Launch(context.Background(), Recipe{
		Command: func(addr string) (Command, error) { return c(addr), nil },
		Path:    "/hello", Body: []byte("Hello"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = p.Stop(context.Background()) })
	return p, addr
}

func TestLaunchAndStop(t *testing.T) {
	p, _ := launch(t, func(addr string) Command { return helper("serve", addr) })
	if _, ok := p.Exit(); ok {
		t.Error("it has ended before Stop")
	}
	want := Exit{Code: 7, Stopped: true}
	if exit := stop(t, p); exit != want {
		t.Errorf("exit %+v, want %+v", exit, want)
	}
	if exit := stop(t, p); exit != want {
		t.Errorf("the second Stop says %+v, want %+v", exit, want)
	}
	if !gone(p.PID()) {
		t.Error("the leader was not reaped")
	}
}

func TestEndsBeforeReady(t *testing.T) {
	p := start(t, helper("fail"))
	err := p.Ready(t.Context(), Check{URL: "http://127.0.0.1:1/hello"})
	var re *ReadyError
	if !errors.As(err, &re) || re.Exit == nil || re.Exit.Code != 3 || re.Exit.Stopped {
		t.Fatalf("got %v, want a ReadyError with exit status 3", err)
	}
	for _, want := range []string{"fail ended before it was ready (exit status 3)", "GET http://127.0.0.1:1/hello", "no module named app"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
}

func TestNeverReady(t *testing.T) {
	dir := t.TempDir()
	p := start(t, helper("hang", dir))
	checkedIn(t, dir, 1)
	err := p.Ready(t.Context(), Check{URL: "http://127.0.0.1:1/hello", Timeout: 50 * time.Millisecond})
	var re *ReadyError
	if !errors.As(err, &re) || re.Exit != nil {
		t.Fatalf("got %v, want a ReadyError without exit", err)
	}
	for _, want := range []string{"hang is not ready after", "connection refused", "still loading"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
}

func TestReadyVerifies(t *testing.T) {
	p, addr := launch(t, func(addr string) Command { return helper("serve", addr) })
	for _, c := range []struct{ check, want string }{
		{"/hello", `wrong body "Hello", wanted "Bye"`},
		{"/broken", `status 503: "no luck`},
		{"/nothing", "status 404"},
	} {
		err := p.Ready(t.Context(), Check{URL: "http://" + addr + c.check, Body: []byte("Bye"), Timeout: 300 * time.Millisecond})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q in it", c.check, err, c.want)
		}
	}
}

func TestReadyGivenUp(t *testing.T) {
	p := start(t, helper("hang", t.TempDir()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Ready(ctx, Check{URL: "http://127.0.0.1:1/"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestNotFound(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ program, want string }{
		{"no-such-server", `start x: program "no-such-server" is not on PATH (` + os.Getenv("PATH") + "): install it"},
		{"/no/such/server", "check the path"},
		{script, "is it executable?"},
	} {
		_, err := Start(t.Context(), Command{Name: "x", Argv: []string{c.program}})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q in it", c.program, err, c.want)
		}
	}
	if _, err := Start(t.Context(), Command{Name: "x"}); err == nil {
		t.Error("a command without argv was started")
	}
}

func TestDeaf(t *testing.T) {
	dir := t.TempDir()
	c := helper("deaf", dir)
	c.Drain = 20 * time.Millisecond
	p := start(t, c)
	checkedIn(t, dir, 1)
	want := Exit{Code: -1, Signal: syscall.SIGKILL, Stopped: true, Killed: true}
	if exit := stop(t, p); exit != want {
		t.Errorf("exit %+v, want %+v", exit, want)
	}
}

func TestStopCancelled(t *testing.T) {
	dir := t.TempDir()
	c := helper("deaf", dir)
	c.Drain = time.Hour
	p := start(t, c)
	checkedIn(t, dir, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if exit, err := p.Stop(ctx); err != nil || !exit.Killed {
		t.Errorf("got %+v, %v; want a kill", exit, err)
	}
}

// The whole tree goes: orphans in groups of their own are waited for and then
// killed, and the daemon which left the session is found by its mark.
func TestTree(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(t *testing.T, p *Process, cancel func())
		want Exit
	}{
		{"stop", func(t *testing.T, p *Process, _ func()) { stop(t, p) },
			Exit{Stopped: true, Killed: true, Strays: 1}},
		{"context", func(_ *testing.T, _ *Process, cancel func()) { cancel() },
			Exit{Code: -1, Signal: syscall.SIGKILL, Stopped: true, Killed: true, Strays: 1}},
		{"crash", func(_ *testing.T, p *Process, _ func()) { _ = syscall.Kill(p.PID(), syscall.SIGSEGV) },
			Exit{Code: 2, Killed: true, Strays: 1}}, // Go's runtime exits with 2
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			cmd := helper("tree", dir)
			cmd.Drain = 2 * time.Second // the orphans outlive any
			p, err := Start(ctx, cmd)
			if err != nil {
				t.Fatal(err)
			}
			tree := checkedIn(t, dir, 4)
			c.end(t, p, cancel)
			<-p.Done()
			for _, pid := range tree {
				if !gone(pid) {
					t.Errorf("process %d is still there", pid)
				}
			}
			if exit, _ := p.Exit(); exit != c.want {
				t.Errorf("exit %+v, want %+v", exit, c.want)
			}
		})
	}
}

// A harness that gets SIGKILL leaves nothing behind, nor does one that ends
// without a word to its targets.
func TestWatchdog(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			dir := t.TempDir()
			cmd := exec.Command(os.Args[0], dir)
			cmd.Env = append(os.Environ(), helperVariable+"=harness")
			var out bytes.Buffer
			cmd.Stderr = &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			tree := checkedIn(t, dir, 4)
			for _, pid := range tree {
				if gone(pid) {
					t.Errorf("process %d ended too early", pid)
				}
			}
			dogs := childrenOf(cmd.Process.Pid)
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			for _, pid := range append(tree, dogs...) {
				testkit.Eventually(t, "the tree and the watchdog to be gone; the harness said: "+out.String(), func() bool { return gone(pid) })
			}
			if len(dogs) != 2 { // the watchdog and the tree's leader
				t.Errorf("the harness had children %v, want 2", dogs)
			}
		})
	}
}

func childrenOf(parent int) []int {
	var list []int
	for _, pid := range pids() {
		if s, ok := readStat(pid); ok && s.parent == parent {
			list = append(list, pid)
		}
	}
	return list
}

// Without MaybeWatchdog in main, the second process would start a third.
func TestStartNeedsWatchdog(t *testing.T) {
	armed = false
	defer func() { armed = true }()
	if _, err := Start(t.Context(), helper("fail")); err == nil || !strings.Contains(err.Error(), "MaybeWatchdog") {
		t.Errorf("got %v", err)
	}
}

// A watchdog that was killed is replaced, and the new one knows the groups
// that live.
func TestWatchdogReplaced(t *testing.T) {
	dir := t.TempDir()
	first := start(t, helper("hang", dir))
	d, err := watch()
	if err != nil {
		t.Fatal(err)
	}
	old := d.cmd
	if err := old.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = old.Wait() // all of its threads are gone, and so is its end of the pipe
	second := start(t, helper("hang", dir))
	checkedIn(t, dir, 2)
	if d.cmd == old || gone(d.cmd.Process.Pid) {
		t.Fatal("there is no new watchdog")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.groups[first.PID()] || !d.groups[second.PID()] {
		t.Errorf("it guards %v, want %d and %d", d.groups, first.PID(), second.PID())
	}
}

// lastCPU is the last of the CPUs that this process may use.
func lastCPU(t *testing.T) (last int, allowed unix.CPUSet) {
	t.Helper()
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		t.Fatal(err)
	}
	for cpu := range 1024 {
		if allowed.IsSet(cpu) {
			last = cpu
		}
	}
	return last, allowed
}

func TestEnvironmentFolderAndCPUs(t *testing.T) {
	last, allowed := lastCPU(t)
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var stdout bytes.Buffer
	c := helper("status")
	c.CPUs, c.Dir, c.Stdout = []int{last}, dir, &stdout
	c.Env["FLAVOUR"] = "van illa"
	p := start(t, c)
	<-p.Done()
	for _, want := range []string{"Cpus_allowed_list:\t" + FormatCPUs([]int{last}) + "\n", "FLAVOUR=van illa\n", "WD=" + dir + "\n"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("%q is not in:\n%s", want, stdout.String())
		}
	}
	if p.Tail() != stdout.String() {
		t.Errorf("the tail differs from what the writer got")
	}
	var after unix.CPUSet
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.SchedGetaffinity(0, &after); err != nil || after != allowed {
		t.Errorf("the starting thread was left on %v (%v), want %v", after, err, allowed)
	}

	c.CPUs = []int{1000}
	if _, err := Start(t.Context(), c); err == nil || !strings.Contains(err.Error(), "pin to CPUs 1000") {
		t.Errorf("got %v for a CPU that is not there", err)
	}
}

// mayHasten tells whether this process has CAP_SYS_NICE, as root need not in a
// container.
func mayHasten(t *testing.T) bool {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "CapEff:\t")
	word, _, _ := strings.Cut(rest, "\n")
	effective, err := strconv.ParseUint(word, 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return effective>>unix.CAP_SYS_NICE&1 == 1
}

// An urgent tree goes first where the kernel lets us, all of its threads; it is
// no error where it does not.
func TestUrgent(t *testing.T) {
	dir := t.TempDir()
	usual, err := unix.Getpriority(unix.PRIO_PROCESS, 0) // 20 less the nice value
	if err != nil {
		t.Fatal(err)
	}
	want := usual
	if mayHasten(t) {
		want = 40
	}
	for urgent, want := range map[bool]int{false: usual, true: want} {
		c := helper("deaf", filepath.Join(dir, fmt.Sprint(urgent)))
		if err := os.Mkdir(c.Argv[len(c.Argv)-1], 0o777); err != nil {
			t.Fatal(err)
		}
		c.Drain, c.Urgent = time.Millisecond, urgent
		p := start(t, c)
		checkedIn(t, c.Argv[len(c.Argv)-1], 1)
		threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", p.PID()))
		if err != nil {
			t.Fatal(err)
		}
		for _, thread := range threads {
			id, _ := strconv.Atoi(thread.Name())
			if got, err := unix.Getpriority(unix.PRIO_PROCESS, id); err == nil && got != want {
				t.Errorf("urgent %t: a thread has %d, want %d", urgent, got, want)
			}
		}
	}
}

// What String prints does in a shell what Start does.
func TestStringRuns(t *testing.T) {
	for _, tool := range []string{"sh", "taskset", "env"} {
		if _, err := exec.LookPath(tool); err != nil {
			peer.Missing(t, err)
		}
	}
	c := helper("status", "it's", "$HOME *", "")
	last, _ := lastCPU(t)
	c.CPUs, c.Dir = []int{last}, t.TempDir()
	c.Env["FLAVOUR"] = `a "quoted" $(value)`
	out, err := exec.Command("sh", "-c", c.String()).Output()
	if err != nil {
		t.Fatalf("%s: %v", c, err)
	}
	for _, want := range []string{"Cpus_allowed_list:\t" + FormatCPUs([]int{last}) + "\n", `FLAVOUR=a "quoted" $(value)` + "\n", "WD=" + c.Dir} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is not in the output of %s", want, c)
		}
	}
}

func TestFiles(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c := helper("file")
	c.Files = []*os.File{w}
	p := start(t, c)
	w.Close()
	<-p.Done()
	var b bytes.Buffer
	if _, err := b.ReadFrom(r); err != nil || b.String() != "through three" {
		t.Errorf("descriptor 3 gave %q, %v", b.String(), err)
	}
}

func TestNoDescriptorLeaks(t *testing.T) {
	run := func() {
		p, _ := launch(t, func(addr string) Command { return helper("serve", addr) })
		stop(t, p)
		_, _ = Start(t.Context(), Command{Argv: []string{"no-such-server"}})
	}
	run() // the watchdog's pipe, the poller and the like come with the first
	before := testkit.Descriptors(t)
	for range 5 {
		run()
	}
	testkit.Eventually(t, "the descriptors to be closed", func() bool { return testkit.Descriptors(t) <= before })
}

// Launch goes elsewhere when the address is taken between choice and bind.
func TestLaunchAddressTaken(t *testing.T) {
	_, taken := launch(t, func(addr string) Command { return helper("serve", addr) })
	tries := 0
	p, addr := launch(t, func(addr string) Command {
		if tries++; tries < 3 {
			// The wrong server answers there; only the death of ours tells.
			c := helper("serve", taken)
			return c
		}
		return helper("serve", addr)
	})
	defer stop(t, p)
	if addr == taken {
		t.Errorf("launched on the taken address %s", addr)
	}
	if tries != 3 {
		t.Errorf("%d tries, want 3", tries)
	}
}
