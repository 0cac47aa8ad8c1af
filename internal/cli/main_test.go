package cli

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dynobench/dyno/bench/measure"
	"github.com/dynobench/dyno/bench/target"
	"github.com/dynobench/dyno/internal/testkit"
)

// TestMain makes the test binary both dyno itself and a server with faults.
func TestMain(m *testing.M) {
	target.MaybeWatchdog()
	if os.Getenv(measure.LockDirVariable) == "" {
		os.Setenv(measure.LockDirVariable, "none") // other packages' tests measure, too
	}
	testscript.Main(m, map[string]func(){"dyno": func() { Main(nil) }, "faulty": faulty, "secure": secure})
}

// TestScripts runs testdata/script: the command line as its users see it. Two
// commands are added to testscript's own:
//
//	exits CODE ARGS…   runs dyno with ARGS, which must exit with CODE; with
//	                   measured, where a noisy host may spoil a trial: 0, 1 or 3
//	serve ARGS…        runs dyno serve with ARGS until the script ends and sets $URL and $ADDR
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
			"serve": serve,
		},
		// peers: the outside servers are there. In CI they have to be.
		Condition: func(name string) (bool, error) {
			if name != "peers" {
				return false, fmt.Errorf("unknown condition %q", name)
			}
			_, uwsgi := exec.LookPath("uwsgi")
			_, gunicorn := exec.LookPath("gunicorn")
			return os.Getenv("CI") != "" || uwsgi == nil && gunicorn == nil, nil
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("COLUMNS", "80")
			env.Setenv(measure.LockDirVariable, "none") // scripts run beside each other
			env.Setenv("DYNO_TOLERATE", "host")         // the tests of the gates themselves unset it
			examples, err := filepath.Abs("../../examples")
			env.Setenv("EXAMPLES", examples)
			return err
		},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: exits CODE ARGS…")
	}
	err := ts.Exec("dyno", args[1:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if want := args[0]; want == "measured" && code > exitFailed && code != exitUndecided || want != "measured" && strconv.Itoa(code) != want {
		ts.Fatalf("dyno %s: exit code %d, want %s", strings.Join(args[1:], " "), code, want)
	}
}

var listening = regexp.MustCompile(`listening on (\S+)`)

func serve(ts *testscript.TestScript, neg bool, args []string) {
	cmd := exec.Command("dyno", append([]string{"serve"}, args...)...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = os.Environ()
	for _, name := range []string{"DYNO_LISTEN", "DYNO_PID_FILE"} {
		if value := ts.Getenv(name); value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	stderr, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ts.Defer(func() {
		cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it may have ended
		cmd.Wait()                          //nolint:errcheck // likewise
	})
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if m := listening.FindStringSubmatch(lines.Text()); m != nil {
			ts.Setenv("URL", m[1])
			ts.Setenv("ADDR", strings.TrimPrefix(m[1], "http://"))
			go func() {
				for lines.Scan() { // keep the pipe empty
				}
			}()
			return
		}
	}
	ts.Fatalf("dyno serve %s: ended without listening", strings.Join(args, " "))
}

// faulty is a server that goes wrong: faulty HOW ADDR.
//
//	wrong   answers /hello with other bytes
//	dies    exits with status 3 after 200 answers
//	never   does not listen and says why
//	right   does nothing wrong
//	hangs   ignores SIGTERM
//	forks   starts a child for each request, which burns 2 ms of CPU, and has them forgotten
func faulty() {
	how, addr := os.Args[1], os.Args[2]
	if how == "never" {
		fmt.Fprintln(os.Stderr, "faulty: cannot find my configuration")
		select {}
	}
	switch how {
	case "burn":
		burn(2 * time.Millisecond)
		return
	case "hangs":
		signal.Ignore(syscall.SIGTERM)
	case "forks":
		signal.Ignore(syscall.SIGCHLD)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var answers atomic.Int64
	var one sync.Mutex
	http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { //nolint:errcheck // until it is killed
		body := "Hello, World!"
		if how == "wrong" {
			body = "Hello, Venus!"
		}
		if how == "forks" {
			one.Lock()
			child := exec.Command("/proc/self/exe", "burn", addr)
			child.Args[0] = "faulty"
			if err := child.Start(); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
			child.Wait() //nolint:errcheck // it has ended, and the kernel has forgotten it
			one.Unlock()
		}
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprint(w, body)
		if n := answers.Add(1); how == "dies" && n == 50 {
			fmt.Fprintln(os.Stderr, "faulty: out of luck")
			os.Exit(3)
		}
	}))
}

// burn uses that much CPU time of this process.
func burn(d time.Duration) {
	used := func() time.Duration {
		var ru syscall.Rusage
		syscall.Getrusage(syscall.RUSAGE_SELF, &ru) //nolint:errcheck // cannot fail
		return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
	}
	for end := used() + d; used() < end; {
	}
}

// aRun and aTuning take long enough to be ended from outside.
var (
	aRun    = []string{"run", "hello", "--targets", "goroutine,prefork", "-n", "50"}
	aTuning = []string{"tune", "goroutine", "--sweep", "per", "-n", "50"}
)

// startRun starts a run or a tuning, and returns once a trial is stored and
// another one is under way.
func startRun(t *testing.T, dir string, args []string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("dyno", append(args, "-d", "300ms", "--warmup", "100ms", "-o", dir)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "a stored trial", func() bool {
		files, _ := filepath.Glob(filepath.Join(dir, "*", "run.json"))
		if len(files) != 1 {
			return false
		}
		b, err := os.ReadFile(files[0])
		return err == nil && strings.Contains(string(b), `"server_command"`)
	})
	testkit.Eventually(t, "a server of the next trial", func() bool { return len(descendants(t, cmd.Process.Pid)) >= 3 })
	return cmd
}

// TestInterruptStoresAndLeavesNothing ends a run, and a tuning, as Ctrl-C does.
func TestInterruptStoresAndLeavesNothing(t *testing.T) {
	for _, args := range [][]string{aRun, aTuning} {
		t.Run(args[0], func(t *testing.T) { interrupt(t, args) })
	}
}

func interrupt(t *testing.T, args []string) {
	dir := t.TempDir()
	cmd := startRun(t, dir, args)
	children := descendants(t, cmd.Process.Pid)
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitInterrupted {
		t.Errorf("interrupted run ended with %v, want exit code %d", err, exitInterrupted)
	}
	testkit.Eventually(t, "the end of all that the run started", func() bool { return noneAlive(children) })
	run, err := readRun(dir, "latest")
	if err != nil {
		t.Fatalf("the run is not readable: %v", err)
	}
	if len(run.Trials) == 0 || !run.Interrupted {
		t.Errorf("run has %d trials, interrupted %v; want finished trials and the mark", len(run.Trials), run.Interrupted)
	}
}

// TestKillLeavesNoOrphan ends the harness in a way that it cannot see coming.
func TestKillLeavesNoOrphan(t *testing.T) {
	dir := t.TempDir()
	cmd := startRun(t, dir, aRun)
	children := descendants(t, cmd.Process.Pid)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() //nolint:errcheck // killed
	testkit.Eventually(t, "the end of all that the run started", func() bool { return noneAlive(children) })
	testkit.Eventually(t, "the end of its control groups", func() bool { return len(controlGroups(cmd.Process.Pid)) == 0 })
	if _, err := readRun(dir, "latest"); err != nil {
		t.Errorf("the run is not readable after the kill: %v", err)
	}
}

// process is a process that cannot be taken for another one of the same id.
type process struct {
	pid   int
	start string // time since boot
}

// descendants lists the processes below pid.
func descendants(t *testing.T, pid int) []process {
	t.Helper()
	parents := map[int][]process{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		if p, parent, ok := readStat(path); ok {
			parents[parent] = append(parents[parent], p)
		}
	}
	var all []process
	for todo := []int{pid}; len(todo) > 0; todo = todo[1:] {
		for _, p := range parents[todo[0]] {
			all = append(all, p)
			todo = append(todo, p.pid)
		}
	}
	return all
}

func readStat(path string) (p process, parent int, ok bool) {
	b, err := os.ReadFile(path)
	if err != nil {
		return p, 0, false
	}
	// The name in parentheses may hold anything; what follows the last one does not.
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" {
		return p, 0, false
	}
	p.pid, _ = strconv.Atoi(filepath.Base(filepath.Dir(path)))
	parent, _ = strconv.Atoi(fields[1])
	p.start = fields[19]
	return p, parent, true
}

func noneAlive(all []process) bool {
	for _, p := range all {
		if now, _, ok := readStat(fmt.Sprintf("/proc/%d/stat", p.pid)); ok && now == p {
			return false
		}
	}
	return true
}
