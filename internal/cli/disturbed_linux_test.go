package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/dynobench/dyno/bench/measure"
	"github.com/dynobench/dyno/bench/meter"
	"github.com/dynobench/dyno/internal/cgroup"
	"github.com/dynobench/dyno/internal/peer"
	"github.com/dynobench/dyno/internal/testkit"
	"github.com/dynobench/dyno/results"
)

// controlGroups are those that a dyno of that process id has made for servers.
func controlGroups(pid int) (found []string) {
	filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error { //nolint:errcheck // what cannot be read has none
		if err == nil && d.IsDir() && strings.HasPrefix(d.Name(), fmt.Sprintf("dyno-%d-", pid)) {
			found = append(found, path)
		}
		return nil
	})
	return found
}

// measured runs dyno run on the given CPUs and returns what it stored.
func measured(t *testing.T, args ...string) *results.Run {
	t.Helper()
	cmd := exec.Command("dyno", slices.Concat([]string{"run", "hello", "--json", "-o", t.TempDir()}, args)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, _ := cmd.Output() //nolint:errcheck // trials that do not count are its failure
	var run results.Run
	if err := json.Unmarshal(out, &run); err != nil || len(run.Trials) == 0 {
		t.Fatalf("dyno %v: %v\n%s", args, err, stderr.String())
	}
	if left := controlGroups(cmd.Process.Pid); left != nil {
		t.Errorf("control groups are left: %v", left)
	}
	return &run
}

func codes(trial results.Trial) (invalid, warned []string) {
	for _, w := range trial.Warnings {
		if w.Invalid {
			invalid = append(invalid, w.Code)
		} else {
			warned = append(warned, w.Code)
		}
	}
	return invalid, warned
}

func side(t *testing.T, trial results.Trial, name string) results.HostSide {
	t.Helper()
	i := slices.IndexFunc(trial.Host.Sides, func(s results.HostSide) bool { return s.Name == name })
	if i < 0 {
		t.Fatalf("trial %d says nothing of the %s: %+v", trial.Trial, name, trial.Host)
	}
	return trial.Host.Sides[i]
}

// Two busy loops on the server's CPU take two thirds of it: no trial counts, each
// says so, and one of three is measured again.
func TestBusyNeighbour(t *testing.T) {
	cpus, err := meter.CPUs()
	if err != nil {
		t.Fatal(err)
	}
	if len(cpus) < 2 {
		peer.Missing(t, "needs two CPUs")
	}
	server, generator := strconv.Itoa(cpus[0]), strconv.Itoa(cpus[1])
	for range 2 {
		loop := exec.Command("taskset", "-c", server, "sh", "-c", "while :; do :; done")
		if err := loop.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { loop.Process.Kill(); loop.Wait() }) //nolint:errcheck // killed
	}
	run := measured(t, "--targets", "goroutine", "-n", "3", "-d", "300ms", "--warmup", "100ms", "--server-cpus", server, "--generator-cpus", generator)
	if len(run.Trials) != 4 {
		t.Errorf("%d trials ran, want 3 and one repeat", len(run.Trials))
	}
	for _, trial := range run.Trials {
		invalid, _ := codes(trial)
		if trial.Valid || !slices.Contains(invalid, results.CodeForeignLoad) || side(t, trial, "server").ForeignPct < 30 {
			t.Errorf("trial %d: valid %v, %v, %+v", trial.Trial, trial.Valid, invalid, trial.Host.Sides)
		}
		for _, w := range trial.Warnings {
			if w.Code == results.CodeForeignLoad && !strings.Contains(w.Hint, "(pid ") {
				t.Errorf("the hint names nobody: %q", w.Hint)
			}
		}
	}
}

// A quota of the server's, and one of the generator's own, are no figures of the
// server.
func TestQuota(t *testing.T) {
	g := limited(t)
	script := fmt.Sprintf("echo $$ > %s/cgroup.procs && exec dyno serve --engine goroutine --listen {addr}", g.Dir)
	run := measured(t, "--command", "held=sh -c '"+script+"'", "-n", "1", "-d", "600ms", "--warmup", "100ms")
	for _, trial := range run.Trials {
		if invalid, _ := codes(trial); !slices.Contains(invalid, results.CodeThrottled) || side(t, trial, "server").ThrottledS < 0.1 || side(t, trial, "generator").ThrottledS != 0 {
			t.Errorf("the server is held to a tenth of a CPU: %v, %+v", invalid, trial.Host.Sides)
		}
	}
	url, stop := serving(t)
	defer stop()
	cmd := exec.Command("sh", "-c", fmt.Sprintf("echo $$ > %s/cgroup.procs && exec dyno load %s/hello -c 4 -d 600ms --warmup 0s --json", g.Dir, url))
	out, _ := cmd.Output() //nolint:errcheck // it is not valid
	var l results.Load
	if err := json.Unmarshal(out, &l); err != nil {
		t.Fatal(err)
	}
	if invalid, _ := codes(results.Trial{Load: l}); !slices.Contains(invalid, results.CodeThrottled) {
		t.Errorf("the generator is held to a tenth of a CPU: %v", invalid)
	}
}

// limited makes a control group with a quota of a tenth of a CPU.
func limited(t *testing.T) cgroup.Group {
	t.Helper()
	for _, parent := range cgroup.Of("/", "self", "cpu") {
		g := cgroup.Group{Dir: filepath.Join(parent.Dir, fmt.Sprintf("dyno-test-quota-%d", os.Getpid())), V2: parent.V2}
		if os.Mkdir(g.Dir, 0o755) != nil {
			continue
		}
		t.Cleanup(func() {
			testkit.Eventually(t, "the end of the group with the quota", func() bool { return g.Remove() == nil })
		})
		file, value := "cpu.cfs_quota_us", "10000"
		if g.V2 {
			file, value = "cpu.max", "10000 100000"
		}
		if os.WriteFile(filepath.Join(g.Dir, file), []byte(value), 0) == nil {
			return g
		}
	}
	t.Skip("needs a control group with a quota, so root and a cpu controller")
	return cgroup.Group{}
}

// A server that forks and never waits: what its children use is in its figure
// where a control group counts it, and else it says that it lacks them. None of
// them is a worker that came or went.
func TestForkingServer(t *testing.T) {
	var run *results.Run
	testkit.Eventually(t, "a run in which the server is given the CPU", func() bool {
		run = measured(t, "--command", "forks=faulty forks {addr}", "-n", "1", "-d", "500ms", "--warmup", "100ms", "--tolerate", "host")
		return !slices.ContainsFunc(run.Trials, func(trial results.Trial) bool { return trial.Requests < 3 })
	})
	g, err := cgroup.Make(fmt.Sprintf("dyno-test-%d", os.Getpid()))
	if err == nil {
		if err := g.Remove(); err != nil {
			t.Error(err)
		}
	}
	for _, trial := range run.Trials {
		invalid, warned := codes(trial)
		if slices.Contains(invalid, results.CodeTreeChanged) {
			t.Errorf("its children are taken for workers: %+v", trial.Warnings)
		}
		if err == nil && (trial.Server.CPUUSPerRequest < 1500 || trial.Server.CPUUnseenS == 0) {
			t.Errorf("%.0f µs per request, %.3f s unseen; each child burns 2000 µs", trial.Server.CPUUSPerRequest, trial.Server.CPUUnseenS)
		}
		if err != nil && !slices.Contains(warned, results.CodeCPUAtLeast) {
			t.Errorf("without a control group nothing is said of its children: %v", warned)
		}
	}
}

// serving runs dyno serve until stop is called.
func serving(t *testing.T) (url string, stop func()) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "log")
	f, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command("dyno", "serve", "--engine", "goroutine", "--listen", "127.0.0.1:0")
	cmd.Stderr = f
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "a server", func() bool {
		b, _ := os.ReadFile(log) //nolint:errcheck // waited for
		if m := listening.FindSubmatch(b); m != nil {
			url = string(m[1])
		}
		return url != ""
	})
	return url, func() {
		cmd.Process.Signal(os.Interrupt) //nolint:errcheck // it may have ended
		testkit.Eventually(t, "its end", func() bool { return cmd.Wait() != nil || cmd.ProcessState != nil })
	}
}

// A /proc that shows too little is found before anything is measured.
func TestRestrictedProc(t *testing.T) {
	mount := "mount -t proc -o subset=pid none /proc"
	if out, err := exec.Command("unshare", "-m", "sh", "-c", mount).CombinedOutput(); err != nil {
		t.Skipf("needs a mount of /proc of its own, so root: %v: %s", err, out)
	}
	dir := t.TempDir()
	cmd := exec.Command("unshare", "-m", "sh", "-c", mount+" && exec dyno run hello --targets goroutine -n 2 -d 200ms --warmup 100ms -o "+dir)
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "/proc is missing or restricted (hidepid, subset=pid)") || strings.Contains(string(out), "trial 1") {
		t.Errorf("with a /proc of processes only: %v\n%s", err, out)
	}
}

// While one run measures, a second one on its CPUs is refused, or waits; one on a
// host without a folder for locks says that it keeps nobody out.
func TestSecondRun(t *testing.T) {
	locks := t.TempDir()
	t.Setenv(measure.LockDirVariable, locks)
	first := startRun(t, t.TempDir(), aRun)
	again := func(args ...string) *exec.Cmd {
		return exec.Command("dyno", append([]string{"run", "hello", "--targets", "goroutine", "-n", "1", "-d", "200ms", "--warmup", "100ms", "--tolerate", "host", "-o", t.TempDir()}, args...)...)
	}
	for _, cmd := range []*exec.Cmd{again(), exec.Command("dyno", "doctor", "--quick", "-o", t.TempDir()), exec.Command("dyno", "tune", "goroutine", "--sweep", "per", "-n", "3", "-o", t.TempDir())} {
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != exitFailed || !strings.Contains(string(out), fmt.Sprintf("(process %d: dyno run hello", first.Process.Pid)) || !strings.Contains(string(out), "--wait") {
			t.Errorf("%v beside another run: %v\n%s", cmd.Args[1:], err, out)
		}
	}
	waits := again("--wait")
	stderr, err := waits.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := waits.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "waiting: another measurement uses CPU") {
		t.Errorf("it waits and says %q", lines.Text())
	}
	if err := first.Process.Kill(); err != nil { // its lock goes with it
		t.Fatal(err)
	}
	first.Wait() //nolint:errcheck // killed
	for lines.Scan() {
	}
	if err := waits.Wait(); err != nil {
		t.Errorf("after the first one's death: %v", err)
	}

	nowhere := again()
	nowhere.Env = append(os.Environ(), measure.LockDirVariable+"=/proc/none")
	if out, err := nowhere.CombinedOutput(); err != nil || !strings.Contains(string(out), "cannot keep a second measurement off") {
		t.Errorf("without a folder for locks: %v\n%s", err, out)
	}
}

// A server of this host that ends while dyno load asks it has died, and that is
// all that is said; one that another has taken over from has not.
func TestLoadSeesTheServerDie(t *testing.T) {
	for name, successor := range map[string]bool{"dies": false, "is replaced": true} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			addr := l.Addr().String()
			l.Close()
			start := func(how string) *exec.Cmd {
				cmd := exec.Command("faulty", how, addr)
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() }) //nolint:errcheck // killed
				return cmd
			}
			first := start("right")
			testkit.Eventually(t, "the server", func() bool {
				pid, ok := meter.Listener("tcp", addr[strings.LastIndexByte(addr, ':')+1:])
				return ok && pid == first.Process.Pid
			})
			load := exec.Command("dyno", "load", "http://"+addr+"/hello", "-c", "2", "-d", "1500ms", "--warmup", "0s", "--json")
			var out strings.Builder
			load.Stdout = &out
			if err := load.Start(); err != nil {
				t.Fatal(err)
			}
			testkit.Eventually(t, "the load", func() bool { return established(addr) })
			first.Process.Kill() //nolint:errcheck // it lives
			first.Wait()         //nolint:errcheck // killed
			if successor {
				start("right")
			}
			load.Wait() //nolint:errcheck // it is not valid
			var doc results.Load
			if err := json.Unmarshal([]byte(out.String()), &doc); err != nil {
				t.Fatal(err, out.String())
			}
			invalid, warned := codes(results.Trial{Load: doc})
			if died := slices.Contains(invalid, results.CodeServerDied); died == successor || died && len(invalid)+len(warned) != 1 {
				t.Errorf("%v, %v", invalid, warned)
			}
		})
	}
}

// established tells whether somebody is connected to addr.
func established(addr string) bool {
	tcp, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return false
	}
	port, _ := strconv.Atoi(addr[strings.LastIndexByte(addr, ':')+1:]) //nolint:errcheck // it is one
	return strings.Contains(string(tcp), fmt.Sprintf(":%04X 0100007F:", port)) && strings.Contains(string(tcp), fmt.Sprintf("0100007F:%04X 01 ", port))
}
