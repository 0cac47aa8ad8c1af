package enginetest

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/dynobench/dyno/internal/testkit"
	"github.com/dynobench/dyno/protocol/gateway"
)

// faulty adds to app what ends, or should end, the process that runs it:
//
//	/exit      os.Exit
//	/overflow  recursion without an end
//	/memory    more memory than there is
//	/panic-go  a panic in a goroutine of the app's own
//	/spin      a loop without an end
//
// and /pid, which answers with the worker's process id.
func faulty(app gateway.App) gateway.App {
	debug.SetMaxStack(1 << 20) // as soon as that
	return func(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
		switch env.Path {
		case "/pid":
			if err := start(200, plain, nil); err != nil {
				return gateway.Fail(err)
			}
			return gateway.Bytes([]byte(strconv.Itoa(os.Getpid())))
		case "/exit":
			os.Exit(7)
		case "/overflow":
			spun.Store(recurse(1))
		case "/memory":
			exhaust()
		case "/panic-go":
			go panic("in a goroutine of its own")
			time.Sleep(patience)
		case "/spin":
			for n := 0; ; n++ {
				spun.Store(int64(n))
			}
		}
		return app(env, start)
	}
}

var (
	sink []byte
	spun atomic.Int64
)

// exhaust asks for more memory than the process may have.
func exhaust() {
	var pages uint64
	b, _ := os.ReadFile("/proc/self/statm")
	fmt.Sscan(string(b), &pages)
	most := pages*uint64(os.Getpagesize()) + 64<<20
	syscall.Setrlimit(syscall.RLIMIT_AS, &syscall.Rlimit{Cur: most, Max: most})
	for {
		sink = append(sink, make([]byte, 64<<20)...)
	}
}

// recurse comes to an end only where there is no more stack.
func recurse(n int64) int64 {
	if n < 0 {
		return n
	}
	return recurse(n+1) + n
}

// crowd asks of a process until stop is called, on connections that are kept and on
// ones that are not, and counts what is answered and what fails.
type crowd struct {
	answered, failed atomic.Int64
	first            atomic.Pointer[string] // failure
	end              atomic.Bool
	wg               sync.WaitGroup
}

func askFrom(p *process, keeping, fresh int) *crowd {
	return askFor(p, "/hello", Hello, keeping, fresh)
}

func askFor(p *process, path, want string, keeping, fresh int) *crowd {
	k := new(crowd)
	for i := range keeping + fresh {
		k.wg.Go(func() {
			var c *client
			for !k.end.Load() {
				if c == nil {
					conn, err := p.connect()
					if err != nil {
						k.fail(err)
						continue
					}
					c = newClient(p.t, conn)
				}
				_, err := io.WriteString(c, request("GET", path, ""))
				r := response{err: err}
				if err == nil {
					r = c.receive("GET")
				}
				if r.err != nil || string(r.body) != want {
					k.fail(r.err)
				} else {
					k.answered.Add(1)
				}
				if i >= keeping || r.err != nil || r.Close {
					c.Close()
					c = nil
				}
			}
			if c != nil {
				c.Close()
			}
		})
	}
	return k
}

func (k *crowd) fail(err error) {
	text := fmt.Sprint(err)
	k.first.CompareAndSwap(nil, &text)
	k.failed.Add(1)
}

func (k *crowd) stop() {
	k.end.Store(true)
	k.wg.Wait()
}

// more waits until n more requests have been answered.
func (k *crowd) more(t *testing.T, n int64) {
	t.Helper()
	until := k.answered.Load() + n
	testkit.Eventually(t, "requests must be answered", func() bool { return k.answered.Load() >= until })
}

func (k *crowd) none(t *testing.T) {
	t.Helper()
	if n := k.failed.Load(); n > 0 {
		t.Errorf("%d requests failed of %d, the first with: %s", n, n+k.answered.Load(), *k.first.Load())
	}
}

// contains waits until the process has said something that matches.
func (p *process) contains(what, pattern string) {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	testkit.Eventually(p.t, what, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return re.MatchString(strings.Join(p.lines, "\n"))
	})
}

func (p *process) count(part string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Count(strings.Join(p.lines, "\n"), part)
}

// reload sends SIGHUP and waits until it has had its effect.
func (p *process) reload() {
	p.t.Helper()
	n := p.count("supervisor: reloaded")
	p.cmd.Process.Signal(syscall.SIGHUP)
	testkit.Eventually(p.t, "the workers must be reloaded", func() bool { return p.count("supervisor: reloaded") > n })
}

func (p *process) terminate() {
	p.t.Helper()
	p.cmd.Process.Signal(syscall.SIGTERM)
	if err := p.exit(); err != nil {
		p.t.Errorf("exit: %v", err)
	}
}

// TestReload replaces all workers under load: no request may fail.
func TestReload(t *testing.T) {
	for _, spec := range []string{
		"prefork,processes=2", // sync
		"prefork:goroutine,processes=2",
		"prefork:goroutine,processes=2,socket=locked",
		"prefork:threads,processes=2,threads=32,socket=inherited",
		"prefork:pool,processes=2",
		"prefork:eventloop,processes=2",
		"prefork:gnet,processes=2",
		"prefork:eventloop,processes=2,io=io_uring",
		"prefork:eventloop-pool,processes=2",
		"prefork:coroutine,processes=2",
		"prefork:nethttp,processes=2",
		"prefork:fasthttp,processes=2",
	} {
		t.Run(spec, func(t *testing.T) {
			needRing(t, spec)
			t.Parallel()
			p := startProcess(t, spec)
			before := p.workers(2)
			k := askFrom(p, 8, 4)
			for range 2 {
				k.more(t, 100)
				p.reload()
			}
			p.workers(2, before...)
			k.more(t, 100)
			k.stop()
			k.none(t)
			p.terminate()
		})
	}
}

// copyProgram puts a copy of the test's program at path, in place of what is there.
func copyProgram(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".new", b, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// TestReloadProgram: a reload runs the program that is there by then, and one
// that does not start is not let further than to its first worker.
func TestReloadProgram(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "program")
	copyProgram(t, path)
	p := startCommand(t, exec.Command(path), "prefork:goroutine,processes=2")
	first := p.workers(2)
	k := askFrom(p, 4, 2)
	copyProgram(t, path)
	runs := func(pid int) bool { // the file that is at path now
		a, errA := os.Stat(fmt.Sprintf("/proc/%d/exe", pid))
		b, errB := os.Stat(path)
		return errA == nil && errB == nil && os.SameFile(a, b)
	}
	syscall.Kill(first[0], syscall.SIGKILL)
	if pids := p.workers(2, first[0]); runs(pids[0]) || runs(pids[1]) {
		t.Error("a worker that is replaced alone must run the program that the others run")
	}
	failed := k.failed.Load() // by the kill
	p.reload()
	second := p.workers(2, first...)
	if !runs(second[0]) || !runs(second[1]) {
		t.Error("after a reload workers must run the new program")
	}
	if err := os.WriteFile(path+".new", []byte("#!/bin/sh\necho no such luck >&2\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	p.cmd.Process.Signal(syscall.SIGHUP)
	p.contains("a program that does not start must be reported", `reload failed.*worker 1.*old one stays.*exit status 3.*no such luck`)
	testkit.Eventually(t, "the old workers must stay", func() bool {
		line, _ := p.said("workers ")
		return line == fmt.Sprint(second[0], second[1])
	})
	k.more(t, 50)
	k.stop()
	if n := k.failed.Load(); n > failed {
		t.Errorf("%d requests failed by the reloads: %s", n-failed, *k.first.Load())
	}
	p.terminate()
}

// TestKillFailsOnlyWhatIsInHand: of requests that wait in two workers those of
// the one that is killed fail, and no others.
func TestKillFailsOnlyWhatIsInHand(t *testing.T) {
	for _, engine := range []string{"goroutine", "threads", "pool", "eventloop-pool", "coroutine", "nethttp", "fasthttp"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			testKill(t, engine)
		})
	}
}

func testKill(t *testing.T, engine string) {
	p := startProcess(t, "prefork:"+engine+",processes=2,socket=inherited")
	pids := p.workers(2)
	at := map[string][]*client{}
	testkit.Eventually(t, "both workers must have requests", func() bool {
		c := p.dial()
		pid := c.get("/pid").text()
		at[pid] = append(at[pid], c)
		return len(at[strconv.Itoa(pids[0])]) >= 3 && len(at[strconv.Itoa(pids[1])]) >= 3
	})
	started := 0
	for _, all := range at {
		for _, c := range all {
			c.send(request("GET", "/wait?ms=700", ""))
			started++
		}
	}
	testkit.Eventually(t, "all requests must be in hand", func() bool { return p.count("text=started") == started })
	syscall.Kill(pids[0], syscall.SIGKILL)
	for pid, all := range at {
		for _, c := range all {
			if r := c.receive("GET"); (r.err != nil) != (pid == strconv.Itoa(pids[0])) {
				t.Errorf("worker %d of %v was killed; a request at %s got %v", pids[0], pids, pid, r.err)
			}
		}
	}
	p.workers(2, pids[0])
	p.contains("the end must be told", `a worker has ended and is replaced.*signal: killed`)
	p.terminate()
}

// TestFaults ends workers as a broken app does, on every engine some way. Others
// answer meanwhile, the cause is in the log, and there are two workers again.
func TestFaults(t *testing.T) {
	causes := map[string]string{
		"/exit":          `exit status 7`,
		"/overflow":      `fatal error: stack overflow`,
		"/memory":        `out of memory`,
		"/panic-go":      `in a goroutine of its own`,
		"/spin":          `harakiri.*request="GET /spin HTTP/1.1"`,
		"/wait?ms=20000": `harakiri.*request="GET /wait\?ms=20000 HTTP/1.1"`,
	}
	for _, c := range []struct{ engine, path string }{
		{"sync", "/exit"},
		{"threads", "/exit"},
		{"pool", "/exit"},
		{"goroutine", "/exit"},
		{"eventloop", "/exit"},
		{"eventloop-pool", "/exit"},
		{"coroutine", "/exit"},
		{"nethttp", "/exit"},
		{"coroutine", "/overflow"}, // on a coroutine's stack
		{"threads", "/overflow"},
		{"eventloop-pool", "/memory"},
		{"pool", "/panic-go"},
		{"eventloop", "/spin"}, // with the loop
		{"eventloop-pool", "/spin"},
		{"goroutine", "/spin"},
		{"coroutine", "/spin"},
		{"sync", "/wait?ms=20000"},
		{"coroutine", "/wait?ms=20000"},
		{"nethttp", "/wait?ms=20000"},
		{"fasthttp", "/exit"},
	} {
		path, cause := c.path, causes[c.path]
		t.Run(c.engine+path, func(t *testing.T) {
			t.Parallel()
			spec := "prefork:" + c.engine + ",processes=2,socket=inherited"
			if c.engine == "sync" {
				spec += ",keepalive=pinned" // who is told the worker's number must reach it again
			}
			p := startProcess(t, spec, limitsVariable+`={"Harakiri":500000000}`)
			before := p.workers(2)
			c := p.dial()
			pid, _ := strconv.Atoi(c.get("/pid").text())
			c.send(request("GET", path, ""))
			if r := c.receive("GET"); r.err == nil {
				t.Errorf("the request must fail with its worker, and got %s", r.Status)
			}
			for range 10 {
				c := p.dial()
				if got := c.get("/hello").text(); got != Hello {
					t.Fatal(got)
				}
				c.Close()
			}
			p.contains("the cause must be in the log", cause)
			if after := p.workers(2, pid); len(before) != len(after) {
				t.Errorf("workers %v, before %v", after, before)
			}
			p.terminate()
		})
	}
}

// TestMaxRequests: workers that have served their time are replaced, and nobody notices.
func TestMaxRequests(t *testing.T) {
	for name, limits := range map[string]string{
		"requests": `{"MaxRequests":20,"Jitter":10}`,
		"rss":      `{"MaxRSS":1}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startProcess(t, "prefork:goroutine,processes=2", limitsVariable+"="+limits)
			before := p.workers(2)
			k := askFrom(p, 8, 4)
			p.workers(2, before...)
			k.more(t, 20)
			k.stop()
			k.none(t)
			p.terminate()
		})
	}
}

// TestBrokenSuccessor: a worker that has served its time stays while the program
// does not start any more, which is tried ever more slowly and told each time.
func TestBrokenSuccessor(t *testing.T) {
	t.Parallel()
	broken := filepath.Join(t.TempDir(), "broken")
	p := startProcess(t, "prefork:goroutine,processes=1", brokenApp+"="+broken, limitsVariable+`={"MaxRequests":2000}`)
	pid := p.workers(1)[0]
	k := askFrom(p, 2, 1)
	k.more(t, 1) // it has started
	if err := os.WriteFile(broken, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p.contains("the failure must be told, with its cause", `a worker is not replaced.*old one stays.*this app cannot start`)
	k.more(t, 50)
	os.Remove(broken)
	testkit.Eventually(t, "it must be replaced in the end", func() bool {
		line, _ := p.said("workers ")
		now, err := strconv.Atoi(line)
		return err == nil && now != pid && p.count("served its time") > 0
	})
	k.more(t, 5)
	k.stop()
	k.none(t)
	p.terminate()
}

// TestCheaper: one worker while there is little to do, and as many as it takes
// when requests wait: three that accept only what they serve; two where the first
// has accepted all, and waits with it without a processor's being used.
func TestCheaper(t *testing.T) {
	for spec, most := range map[string]int{"prefork,processes=3": 3, "prefork:eventloop,loops=1,processes=3": 2} {
		t.Run(spec, func(t *testing.T) {
			t.Parallel()
			testCheaper(t, spec, most)
		})
	}
}

func testCheaper(t *testing.T, spec string, most int) {
	p := startProcess(t, spec, limitsVariable+`={"Cheaper":1,"CheaperIdle":1000000}`)
	p.workers(1)
	k := askFor(p, "/wait?ms=100", "waited", 8, 0)
	p.workers(most)
	k.stop()
	k.none(t)
	p.workers(1)
	c := p.dial()
	if got := c.get("/hello").text(); got != Hello {
		t.Fatal(got)
	}
	c.Close()
	p.terminate()
}

// TestStoppedWorker: a worker that is stopped holds up its own clients only,
// and goes on when it may.
func TestStoppedWorker(t *testing.T) {
	t.Parallel()
	p := startProcess(t, "prefork:goroutine,processes=2,socket=inherited")
	p.workers(2)
	c := p.dial()
	pid, _ := strconv.Atoi(c.get("/pid").text())
	syscall.Kill(pid, syscall.SIGSTOP)
	stopped(t, pid)
	c.send(request("GET", "/hello", ""))
	for range 10 {
		other := p.dial()
		if got := other.get("/pid").text(); got == strconv.Itoa(pid) {
			t.Fatal("a stopped process has answered")
		}
		other.Close()
	}
	fmt.Fprintln(p.stdin, "stats")
	p.await("Stats must not wait for it for long", "stats ", 1)
	syscall.Kill(pid, syscall.SIGCONT)
	if got := c.receive("GET").text(); got != Hello {
		t.Error(got)
	}
	c.Close()
	p.terminate()
}

// TestCrashLoop: a program that has served and then does not start any more is
// tried again and again, ever more slowly, until it does.
func TestCrashLoop(t *testing.T) {
	t.Parallel()
	broken := filepath.Join(t.TempDir(), "broken")
	p := startProcess(t, "prefork:goroutine,processes=1", brokenApp+"="+broken)
	pids := p.workers(1)
	served := time.Now()
	testkit.Eventually(t, "a worker must be known to serve", func() bool { return time.Since(served) > 1100*time.Millisecond })
	if err := os.WriteFile(broken, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	syscall.Kill(pids[0], syscall.SIGKILL)
	p.contains("a worker that has served is followed at once", `replaced.*signal: killed.*in_a_row=0 pause=0s`)
	p.contains("the loop must be told, with its cause, and how often", `replaced.*this app cannot start.*in_a_row=6 pause=640ms`)
	os.Remove(broken)
	c := p.dial()
	if got := c.get("/hello").text(); got != Hello { // it has waited in the queue
		t.Error(got)
	}
	c.Close()
	p.terminate()
}

// A program whose workers have served until they were replaced is not given up,
// however young they were, when those that follow are killed time and again.
func TestKillsOfYoungWorkers(t *testing.T) {
	t.Parallel()
	p := startProcess(t, "prefork:goroutine,processes=1")
	p.workers(1)
	p.reload()
	for range 6 {
		killed := p.workers(1)[0]
		syscall.Kill(killed, syscall.SIGKILL)
		p.workers(1, killed)
	}
	c := p.dial()
	if got := c.get("/hello").text(); got != Hello {
		t.Error(got)
	}
	c.Close()
	p.terminate()
}

// TestFullLog serves where nothing can be logged any more.
func TestFullLog(t *testing.T) {
	for _, spec := range []string{"goroutine", "prefork:goroutine,processes=1"} {
		t.Run(spec, func(t *testing.T) {
			t.Parallel()
			full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer full.Close()
			path := filepath.Join(t.TempDir(), "s")
			cmd := exec.Command("/proc/self/exe")
			cmd.Env = append(os.Environ(), serveVariable+"="+spec, listenVariable+"=unix:"+path)
			cmd.Stdout, cmd.Stderr = full, full
			if _, err := cmd.StdinPipe(); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Process.Kill()
			for range 3 {
				var conn net.Conn
				testkit.Eventually(t, "it must listen", func() bool {
					conn, err = net.DialTimeout("unix", path, patience)
					return err == nil
				})
				c := newClient(t, conn)
				if r := c.get("/panic"); r.err != nil || r.StatusCode != 500 {
					t.Errorf("an error that cannot be logged is still answered: %v", r.err)
				}
				c.Close()
			}
			cmd.Process.Signal(syscall.SIGTERM)
			if err := cmd.Wait(); err != nil {
				t.Errorf("exit: %v", err)
			}
		})
	}
}

// TestKilledMasterOfStopped: even a stopped worker ends with its master.
func TestKilledMasterOfStopped(t *testing.T) {
	t.Parallel()
	p := startProcess(t, "prefork:goroutine,processes=2")
	pids := p.workers(2)
	syscall.Kill(pids[0], syscall.SIGSTOP)
	stopped(t, pids[0])
	p.cmd.Process.Kill()
	p.exit() // the pipe to all of them is closed
}
