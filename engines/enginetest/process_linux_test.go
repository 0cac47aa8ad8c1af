package enginetest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/catalog"
	"github.com/dynobench/dyno/engines/supervise"
	"github.com/dynobench/dyno/internal/iouring"
	"github.com/dynobench/dyno/internal/peer"
	"github.com/dynobench/dyno/internal/testkit"
	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/http1"
)

// The test binary becomes a server when this variable names an engine.
const (
	serveVariable  = "ENGINETEST_SERVE"
	listenVariable = "ENGINETEST_LISTEN"
	brokenApp      = "ENGINETEST_BROKEN" // a file; while it is there, workers fail to start
	filesVariable  = "ENGINETEST_FILES"  // bound on open descriptors
	limitsVariable = "ENGINETEST_LIMITS" // supervise.Limits in JSON
)

func TestMain(m *testing.M) {
	if spec := os.Getenv(serveVariable); spec != "" {
		if err := serveProcess(spec); err != nil {
			fmt.Fprintln(os.Stderr, "server:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// serveProcess is what a command does to serve, prefork's workers included.
func serveProcess(spec string) error {
	if n, err := strconv.ParseUint(os.Getenv(filesVariable), 10, 64); err == nil {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
			return err
		}
	}
	svc := protocol.NewService(faulty(NewApp().Serve), http1.Codec{})
	svc.DrainTime = patience
	svc.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	work, isWorker := supervise.Self()
	ctx := context.Background()
	if !isWorker {
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(ctx, syscall.SIGTERM)
		defer stop()
	} else { // it ends at its supervisor's command
		spec = work.Spec
		svc.Flags.MultiProcess = true
		if _, err := os.Lstat(os.Getenv(brokenApp)); err == nil {
			return errors.New("this app cannot start")
		}
	}
	engine, err := catalog.New(spec)
	if err != nil {
		return err
	}
	var sock *engines.Socket
	if isWorker {
		engine = work.Wrap(engine)
		sock, err = work.Socket()
	} else {
		sock, err = engines.Listen(os.Getenv(listenVariable), engines.SocketOptions{})
	}
	if err != nil {
		return err
	}
	if !isWorker {
		fmt.Fprintln(os.Stderr, "listening", sock.Addr())
		go printStats(engine)
	}
	if p, ok := engine.(*supervise.Master); ok {
		var limits supervise.Limits
		if text := os.Getenv(limitsVariable); text != "" {
			if err := json.Unmarshal([]byte(text), &limits); err != nil {
				return err
			}
		}
		if err := p.Limit(limits); err != nil {
			return err
		}
		go printWorkers(ctx, p)
	}
	return engine.Serve(ctx, sock, svc)
}

// printStats prints the engine's Stats for each line on standard input.
func printStats(e engines.Engine) {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		s := e.Stats()
		fmt.Fprintf(os.Stderr, "stats requests=%d processes=%d respawns=%d accepted=%d busy=%d goroutines=%d\n",
			s.Requests, s.Processes, s.Respawns, s.Accepted, s.Busy, runtime.NumGoroutine())
	}
}

// printWorkers prints the workers' process ids whenever they change.
func printWorkers(ctx context.Context, p *supervise.Master) {
	for last := ""; ctx.Err() == nil; time.Sleep(5 * time.Millisecond) {
		var pids []int
		for _, w := range p.Workers() {
			if w.PID != 0 {
				pids = append(pids, w.PID)
			}
		}
		if now := fmt.Sprint(pids); now != last {
			fmt.Fprintln(os.Stderr, "workers", strings.Trim(now, "[]"))
			last = now
		}
	}
}

// process is a server in a process of its own.
type process struct {
	t     testing.TB
	cmd   *exec.Cmd
	stdin io.Writer
	addr  string

	mu    sync.Mutex
	lines []string
	ended chan struct{}
}

func startProcess(t testing.TB, spec string, env ...string) *process {
	t.Helper()
	return startCommand(t, exec.Command("/proc/self/exe"), spec, env...)
}

func startCommand(t testing.TB, cmd *exec.Cmd, spec string, env ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), serveVariable+"="+spec, listenVariable+"=127.0.0.1:0",
		"GORACE=atexit_sleep_ms=0") // a race is reported as it happens
	p.cmd.Env = append(p.cmd.Env, env...) // of two the last one holds
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr, p.cmd.Stdout = in, in
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	go func() { // ends when the process and all its workers have
		defer close(p.ended)
		defer out.Close()
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.mu.Lock()
			p.lines = append(p.lines, lines.Text())
			p.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		p.cmd.Wait()
		<-p.ended
		if t.Failed() {
			t.Logf("output of the server:\n%s", strings.Join(p.lines, "\n"))
		}
	})
	p.addr = p.await("the server must say where it listens", "listening ", 1)
	return p
}

// said returns the rest of the last line that begins with prefix, and how many there are.
func (p *process) said(prefix string) (rest string, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range p.lines {
		if s, ok := strings.CutPrefix(line, prefix); ok {
			rest = s
			n++
		}
	}
	return rest, n
}

// await waits for the nth line that begins with prefix and returns the rest of the last.
func (p *process) await(what, prefix string, nth int) string {
	p.t.Helper()
	var rest string
	testkit.Eventually(p.t, what, func() bool {
		s, n := p.said(prefix)
		rest = s
		return n >= nth
	})
	return rest
}

func (p *process) dial() *client {
	p.t.Helper()
	c, err := p.connect()
	if err != nil {
		p.t.Fatal(err)
	}
	return newClient(p.t, c)
}

// freeze stops the process and all its workers.
func (p *process) freeze() {
	p.t.Helper()
	pid := p.cmd.Process.Pid
	syscall.Kill(-pid, syscall.SIGSTOP)
	stopped(p.t, pid)
}

// stopped waits until a process that has been sent SIGSTOP runs no more: until
// the thread that takes the signal has a processor, the others go on.
func stopped(t testing.TB, pid int) {
	t.Helper()
	testkit.Eventually(t, "all threads of the process must stop", func() bool {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		for _, name := range threads {
			b, err := os.ReadFile(name)
			_, state, _ := strings.Cut(string(b), ") ")
			if err == nil && !strings.HasPrefix(state, "T") {
				return false
			}
		}
		return err == nil && len(threads) > 0
	})
}

func (p *process) connect() (net.Conn, error) { return net.DialTimeout("tcp", p.addr, patience) }

// exit waits for the end of the process and returns how it was.
func (p *process) exit() error {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatal("the process and its workers must end")
	}
	return p.cmd.Wait()
}

// workers waits until there are n workers, none of them among not, and returns
// their process ids.
func (p *process) workers(n int, not ...int) []int {
	p.t.Helper()
	var pids []int
	testkit.Eventually(p.t, fmt.Sprintf("there must be %d workers", n), func() bool {
		line, _ := p.said("workers ")
		pids = pids[:0]
		for _, s := range strings.Fields(line) {
			var pid int
			fmt.Sscan(s, &pid)
			for _, other := range not {
				if pid == other {
					return false
				}
			}
			pids = append(pids, pid)
		}
		return len(pids) == n
	})
	return pids
}

var processes = []string{
	"sync", "threads,threads=8", "pool,size=8", "goroutine", "eventloop", "eventloop-pool", "coroutine", "nethttp", "fasthttp",
	"prefork,processes=2",
	"prefork:goroutine,processes=2",
	"prefork:eventloop,processes=2,socket=inherited",
	"prefork:threads,processes=2,threads=4,socket=reuseport",
	"prefork:goroutine,processes=2,socket=locked,affinity=cpu",
	"prefork:threads,processes=2,threads=4,socket=locked",
}

// TestProcesses stops and continues each engine, as somebody at a terminal
// does, and drains it as a deployment does, by SIGTERM.
func TestProcesses(t *testing.T) {
	for _, spec := range processes {
		t.Run(spec, func(t *testing.T) {
			t.Parallel()
			p := startProcess(t, spec)
			for range 10 {
				c := p.dial()
				if got := c.get("/hello").text(); got != Hello {
					t.Fatal(got)
				}
				c.Close()
			}
			p.freeze()
			frozen := p.dial()
			frozen.send(request("GET", "/hello", ""))
			syscall.Kill(-p.cmd.Process.Pid, syscall.SIGCONT)
			if got := frozen.receive("GET").text(); got != Hello {
				t.Errorf("what came while it was stopped must be answered: %q", got)
			}
			frozen.Close()
			if !strings.HasPrefix(spec, "prefork") {
				_, err := engines.Listen(p.addr, engines.SocketOptions{})
				if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), p.addr) {
					t.Errorf("an address in use must be an error that names it: %v", err)
				}
			}
			c := p.dial()
			c.send(request("GET", "/wait?ms=300", ""))
			p.await("the request must reach the app", `time=`, 1)
			testkit.Eventually(t, "the request must reach the app", func() bool {
				p.mu.Lock()
				defer p.mu.Unlock()
				return strings.Contains(strings.Join(p.lines, "\n"), "text=started")
			})
			if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if got := c.receive("GET").text(); got != "waited" {
				t.Errorf("a request in flight must be answered after SIGTERM: %q", got)
			}
			if err := p.exit(); err != nil {
				t.Errorf("after a clean drain the exit code must be 0: %v", err)
			}
			if _, err := net.Dial("tcp", p.addr); err == nil {
				t.Error("nobody may listen after the end")
			}
		})
	}
}

// TestProcessTraffic runs over prefork's workers what needs nothing but
// clients. Inner engines by themselves have the whole suite.
func TestProcessTraffic(t *testing.T) {
	for _, spec := range []string{
		"prefork,processes=4", // sync
		"prefork:goroutine,processes=2",
		"prefork:eventloop,processes=2,socket=inherited",
		"prefork:threads,processes=2,threads=16,socket=reuseport",
		"prefork:eventloop,processes=2,socket=locked",
	} {
		t.Run(spec, func(t *testing.T) {
			t.Parallel()
			p := startProcess(t, spec)
			oneShot := strings.HasPrefix(spec, "prefork,")
			concurrently(t, p, oneShot)
			if !oneShot {
				c := p.dial()
				pipeline(c)
				c.Close()
			}
			largeBodies(t, p)
			panics(t, p)
			for range 8 { // as many as would occupy all workers
				c := p.dial()
				c.send(request("GET", "/stream?n=1000000&size=65536", ""))
				if _, err := c.head("GET"); err != nil {
					t.Fatal(err)
				}
				c.reset()
			}
			concurrently(t, p, oneShot)
			p.cmd.Process.Signal(syscall.SIGTERM)
			if err := p.exit(); err != nil {
				t.Errorf("exit: %v", err)
			}
		})
	}
}

// TestDescriptors: whoever cannot be accepted for lack of descriptors waits;
// nobody is cut, and the log is not flooded.
func TestDescriptors(t *testing.T) {
	for _, spec := range []string{"goroutine", "pool,size=64", "threads,threads=64", "coroutine", "eventloop-pool", "eventloop,loops=1", "gnet,loops=2", "nethttp", "fasthttp", "null,loops=2", "null,io=io_uring"} {
		t.Run(spec, func(t *testing.T) {
			t.Parallel()
			needRing(t, spec)
			p := startProcess(t, spec, filesVariable+"=40")
			var clients []*client
			for range 60 {
				c := p.dial()
				c.send(request("GET", "/hello", ""))
				clients = append(clients, c)
			}
			for i, c := range clients { // each leaves its place to another
				if r := c.receive("GET"); r.err != nil || string(r.body) != Hello {
					t.Fatalf("client %d must be answered when there is a descriptor for it: %v", i, r.err)
				}
				c.Close()
			}
			p.mu.Lock()
			if n := len(p.lines); n > 40 {
				t.Errorf("%d lines in the log", n)
			}
			p.mu.Unlock()
			p.cmd.Process.Signal(syscall.SIGTERM)
			if err := p.exit(); err != nil {
				t.Errorf("exit: %v", err)
			}
		})
	}
}

func TestPreforkSurvivesKilledWorker(t *testing.T) {
	for _, socket := range []string{"reuseport", "inherited"} {
		t.Run(socket, func(t *testing.T) {
			t.Parallel()
			p := startProcess(t, "prefork:goroutine,processes=2,socket="+socket)
			before := p.workers(2)
			hello := func() {
				c := p.dial()
				defer c.Close()
				if got := c.get("/hello").text(); got != Hello {
					t.Fatal(got)
				}
			}
			for range 20 {
				hello()
			}
			syscall.Kill(before[0], syscall.SIGKILL)
			for range 20 { // some may wait in the queue of the dead worker, for the new one
				hello()
			}
			p.workers(2, before[0])
			for range 20 {
				hello()
			}
			asked := 0
			testkit.Eventually(t, "Stats must show two processes and a respawn", func() bool {
				fmt.Fprintln(p.stdin, "stats")
				asked++
				line := p.await("Stats must answer", "stats ", asked)
				var requests, processes, respawns, accepted, busy int
				fmt.Sscanf(line, "requests=%d processes=%d respawns=%d accepted=%d busy=%d", &requests, &processes, &respawns, &accepted, &busy)
				return processes == 2 && respawns == 1 && requests >= 20 && accepted >= requests
			})
			p.cmd.Process.Signal(syscall.SIGTERM)
			if err := p.exit(); err != nil {
				t.Errorf("exit: %v", err)
			}
		})
	}
}

func TestPreforkKilledMaster(t *testing.T) {
	p := startProcess(t, "prefork:goroutine,processes=3")
	pids := p.workers(3)
	c := p.dial()
	if got := c.get("/hello").text(); got != Hello {
		t.Fatal(got)
	}
	p.cmd.Process.Kill()
	p.exit() // all ends of the pipe are closed: the workers are gone
	for _, pid := range pids {
		if cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid)); err == nil && strings.Contains(string(cmdline), serveVariable) {
			t.Errorf("worker %d must end with its supervisor", pid)
		}
	}
	if _, err := net.Dial("tcp", p.addr); err == nil {
		t.Error("nobody may listen after the supervisor's end")
	}
}

func TestPreforkGivesUp(t *testing.T) {
	p := startProcess(t, "prefork:goroutine,processes=2", brokenApp+"=/")
	if err := p.exit(); err == nil {
		t.Error("workers that cannot start must be an error")
	}
	line, _ := p.said("server: supervisor:")
	if !strings.Contains(line, "this app cannot start") || !strings.Contains(line, "5 times") {
		t.Errorf("the error must say why the workers ended: %q", line)
	}
}

func TestPreforkOnUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	// A unix socket cannot be multiplied by SO_REUSEPORT: that is no failure.
	p := startProcess(t, "prefork:goroutine,processes=2,socket=reuseport", listenVariable+"=unix:"+path)
	for range 10 {
		conn, err := net.DialTimeout("unix", path, patience)
		if err != nil {
			t.Fatal(err)
		}
		c := newClient(t, conn)
		if got := c.get("/hello").text(); got != Hello {
			t.Fatal(got)
		}
		c.Close()
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	if err := p.exit(); err != nil {
		t.Errorf("exit: %v", err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the supervisor must remove the socket's file, and no worker: %v", err)
	}
}

// TestNull: the floor answers what the others do, and ends when told to.
func TestNull(t *testing.T) {
	for _, spec := range []string{"null,loops=2", "null,loops=2,io=io_uring"} {
		t.Run(spec, func(t *testing.T) {
			needRing(t, spec)
			p := startProcess(t, spec)
			for range 5 {
				c := p.dial()
				for range 3 {
					if got := c.get("/hello").text(); got != Hello {
						t.Fatal(got)
					}
				}
				c.Close()
			}
			open := p.dial()
			open.get("/hello")
			fmt.Fprintln(p.stdin, "stats")
			if line := p.await("Stats must answer", "stats ", 1); !strings.HasPrefix(line, "requests=16 ") {
				t.Errorf("each answer counts as a request: %s", line)
			}
			p.cmd.Process.Signal(syscall.SIGTERM)
			if err := p.exit(); err != nil {
				t.Errorf("exit: %v", err)
			}
		})
	}
}

// needRing skips what needs io_uring where the kernel refuses it.
func needRing(t *testing.T, spec string) {
	t.Helper()
	if !strings.Contains(spec, "io_uring") {
		return
	}
	if err := iouring.Allowed(); err != nil {
		peer.Missing(t, "needs io_uring: ", err)
	}
}

// TestNullServes: with a service time the floor is a queue before one server.
// Its departures are computed (see the engine's own tests); here they are
// counted and put in order, over connections, a pipeline and clients that go.
func TestNullServes(t *testing.T) {
	p := startProcess(t, "null,loops=2,service=1ms")
	c := p.dial()
	for range 3 {
		if got := c.get("/hello").text(); got != Hello {
			t.Fatal(got)
		}
	}
	began := time.Now()
	gone := p.dial()
	gone.send(request("GET", "/hello", ""))
	gone.Close()
	c.send(strings.Repeat(request("GET", "/hello", ""), 20))
	for range 20 {
		if got := c.receive("GET").text(); got != Hello {
			t.Fatal(got)
		}
	}
	if took := time.Since(began); took < 20*time.Millisecond {
		t.Errorf("20 requests of 1 ms are answered after %v", took)
	}
	others := make([]*client, 8)
	for i := range others {
		others[i] = p.dial()
		others[i].send(request("GET", "/hello", ""))
	}
	for _, o := range others {
		o.receive("GET")
		o.Close()
	}
	// An answer is counted once it is written, which a client may be faster
	// than. One more may have gone to the client that went.
	for requests, ask := 0, 1; requests < 31; ask++ {
		fmt.Fprintln(p.stdin, "stats")
		line := p.await("Stats must count 31 answers", "stats ", ask)
		if _, err := fmt.Sscanf(line, "requests=%d", &requests); err != nil || requests > 32 {
			t.Fatalf("31 answers or 32: %s", line)
		}
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	if err := p.exit(); err != nil {
		t.Errorf("exit: %v", err)
	}
}
