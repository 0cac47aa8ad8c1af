package cli

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/internal/testkit"
)

// logged is dyno serve with all that it says.
type logged struct {
	t    *testing.T
	cmd  *exec.Cmd
	url  string
	path string // of the log
}

// serveLogged starts dyno serve and waits until it serves. set, if not nil, changes
// the command first.
func serveLogged(t *testing.T, set func(*exec.Cmd), args ...string) *logged {
	t.Helper()
	l := &logged{t: t, cmd: exec.Command("dyno", append([]string{"serve"}, args...)...), path: filepath.Join(t.TempDir(), "log")}
	f, err := os.Create(l.path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	l.cmd.Stderr = f
	if set != nil {
		set(l.cmd)
	}
	if err := l.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.cmd.Process.Kill() //nolint:errcheck // it has ended unless the test failed
		l.cmd.Wait()         //nolint:errcheck // likewise
		if t.Failed() {
			t.Logf("log of the server:\n%s", l.log())
		}
	})
	testkit.Eventually(t, "the server to listen", func() bool {
		m := listening.FindStringSubmatch(l.log())
		if m != nil {
			l.url = m[1]
		}
		return m != nil
	})
	if strings.HasPrefix(l.url, "http") {
		l.alive()
	}
	return l
}

func (l *logged) log() string {
	b, err := os.ReadFile(l.path)
	if err != nil {
		l.t.Fatal(err)
	}
	return string(b)
}

func (l *logged) says(part string) {
	l.t.Helper()
	testkit.Eventually(l.t, fmt.Sprintf("%q in the log", part), func() bool { return strings.Contains(l.log(), part) })
}

func (l *logged) alive() {
	l.t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	resp, err := client.Get(l.url + "/hello")
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "Hello, World!" {
		l.t.Fatalf("%q, %v", b, err)
	}
}

// worker waits for the only worker, whose process id is not that.
func (l *logged) worker(not int) (pid int) {
	l.t.Helper()
	testkit.Eventually(l.t, "the worker", func() bool {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", l.cmd.Process.Pid))
		var children []string
		for _, file := range tasks {
			b, _ := os.ReadFile(file)
			children = append(children, strings.Fields(string(b))...)
		}
		if len(children) != 1 {
			return false
		}
		pid, _ = strconv.Atoi(children[0])
		return pid != not
	})
	return pid
}

// signalTable reads the table of docs/serve.md: what a signal does to whom.
func signalTable(t *testing.T) (effects map[string][3]string) {
	b, err := os.ReadFile("../../docs/serve.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "\n## Signals\n")
	section, _, _ := strings.Cut(rest, "\n## ")
	effects = make(map[string][3]string)
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 4 || !strings.Contains(cells[0], "SIG") {
			continue
		}
		for name := range strings.SplitSeq(cells[0], ",") {
			effects[strings.TrimSpace(name)] = [3]string{strings.TrimSpace(cells[1]), strings.TrimSpace(cells[2]), strings.TrimSpace(cells[3])}
		}
	}
	return effects
}

// TestSignals sends every signal to a supervisor, a worker and a server of one
// process, and holds what comes of it against the table in docs/serve.md.
func TestSignals(t *testing.T) {
	effects := signalTable(t)
	for n := syscall.Signal(1); n < 32; n++ {
		name := unix.SignalName(n)
		effect, ok := effects[name]
		if !ok {
			t.Errorf("docs/serve.md does not say what %s does", name)
			continue
		}
		switch n {
		case syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU:
			continue // the kernel drops them where nobody is left to continue the process, as under a manager
		}
		for i, role := range []string{"supervisor", "worker", "alone"} {
			t.Run(name+"/"+role, func(t *testing.T) {
				t.Parallel()
				trySignal(t, n, role, effect[i])
			})
		}
	}
}

func trySignal(t *testing.T, s syscall.Signal, role, effect string) {
	args := []string{"--engine", "goroutine"}
	if role != "alone" {
		args = append(args, "--master", "--processes", "1")
	}
	l := serveLogged(t, nil, args...)
	pid, worker := l.cmd.Process.Pid, 0
	if role != "alone" {
		worker = l.worker(0)
	}
	if role == "worker" {
		pid = worker
	}
	send := func(s syscall.Signal) {
		t.Helper()
		if err := syscall.Kill(pid, s); err != nil {
			t.Fatal(err)
		}
	}
	answered := func(answer func() (string, error)) {
		t.Helper()
		if body, err := answer(); err != nil || len(body) != 50 {
			t.Errorf("the request in flight got %d bytes, %v; want 50", len(body), err)
		}
	}
	const slow = "chunks=10&size=5&ms=30"
	stays := func() {
		t.Helper()
		l.alive()
		l.alive()
		if worker != 0 && l.worker(0) != worker {
			t.Error("the worker must stay")
		}
	}
	switch effect {
	case "drains":
		answer := waitIn(t, l.url, slow)
		send(s)
		answered(answer)
		if err := l.cmd.Wait(); err != nil {
			t.Errorf("exit: %v, want code 0", err)
		}
	case "is replaced":
		answer := waitIn(t, l.url, slow)
		send(s)
		l.says("has been asked to end and is replaced")
		answered(answer)
		l.worker(worker)
		l.alive()
	case "reloads":
		answer := waitIn(t, l.url, slow)
		send(s)
		l.says("supervisor: reloaded")
		answered(answer)
		l.worker(worker)
		l.alive()
	case "warns":
		send(s)
		l.says("--master")
		stays()
	case "reports":
		send(s)
		l.says("msg=stats requests=1")
		stays()
	case "nothing":
		send(s)
		stays()
	case "stops":
		send(s)
		testkit.Eventually(t, "the process to stop", func() bool {
			b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			_, state, _ := strings.Cut(string(b), ") ")
			return strings.HasPrefix(state, "T")
		})
		send(syscall.SIGCONT)
		stays()
	case "dies":
		send(s)
		if role != "worker" {
			if err := l.cmd.Wait(); err == nil {
				t.Error("it must not end well")
			}
			if worker != 0 {
				testkit.Eventually(t, "the worker to end with its supervisor", func() bool {
					b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", worker))
					_, state, _ := strings.Cut(string(b), ") ")
					return err != nil || strings.HasPrefix(state, "Z")
				})
			}
			return
		}
		l.worker(worker)
		l.alive()
	default:
		t.Errorf("the table says %q, which this test does not know", effect)
	}
}

// TestHangupAtOnce sends SIGHUP in the moment in which the pid file is there.
func TestHangupAtOnce(t *testing.T) {
	for _, mode := range [][]string{{"--master", "--processes", "1"}, nil} {
		for range 10 {
			pidFile := filepath.Join(t.TempDir(), "pid")
			hup := make(chan struct{})
			l := serveLogged(t, func(cmd *exec.Cmd) {
				go func() {
					defer close(hup)
					for {
						if b, err := os.ReadFile(pidFile); err == nil {
							pid, _ := strconv.Atoi(strings.TrimSpace(string(b)))
							syscall.Kill(pid, syscall.SIGHUP) //nolint:errcheck // what follows tells
							return
						}
					}
				}()
			}, append(mode, "--pid-file", pidFile)...)
			<-hup
			if mode != nil {
				l.says("supervisor: reloaded")
			}
			l.alive()
			l.cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // Wait tells
			if err := l.cmd.Wait(); err != nil {
				t.Errorf("exit: %v", err)
			}
		}
	}
}

// TestReloadFollowsLinks starts servers by all the ways to name a program, and
// has each way lead to another file before the reload.
func TestReloadFollowsLinks(t *testing.T) {
	dyno, err := exec.LookPath("dyno")
	if err != nil {
		t.Fatal(err)
	}
	program, err := filepath.EvalSymlinks(dyno)
	if err != nil {
		t.Fatal(err)
	}
	install := func(path string) {
		t.Helper()
		b, err := os.ReadFile(program)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(path), 0o755)
		}
		if err == nil {
			err = os.WriteFile(path, b, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	link := func(to, path string) {
		t.Helper()
		os.Remove(path)
		if err := os.Symlink(to, path); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		start func(root string) *exec.Cmd
		again func(root string) // leads to the second file by then
	}{
		"a link to a folder": {
			func(root string) *exec.Cmd {
				link("1", root+"/current")
				return &exec.Cmd{Path: root + "/current/dyno", Args: []string{root + "/current/dyno"}}
			},
			func(root string) {
				link("2", root+"/current")
				os.RemoveAll(root + "/1")
			},
		},
		"a link to a file": {
			func(root string) *exec.Cmd {
				link("1/dyno", root+"/dyno")
				return &exec.Cmd{Path: root + "/dyno", Args: []string{root + "/dyno"}}
			},
			func(root string) { link("2/dyno", root+"/dyno") },
		},
		"a relative path": {
			func(root string) *exec.Cmd {
				return &exec.Cmd{Path: "./1/dyno", Args: []string{"./1/dyno"}, Dir: root}
			},
			func(root string) { os.Rename(root+"/2/dyno", root+"/1/dyno") },
		},
		"a name in PATH": {
			func(root string) *exec.Cmd {
				link("1", root+"/bin")
				return &exec.Cmd{Path: "/bin/sh", Args: []string{"sh", "-c", `PATH=` + root + `/bin; exec dyno "$@"`, "sh"}}
			},
			func(root string) { link("2", root+"/bin") },
		},
		"a file that is moved away": {
			func(root string) *exec.Cmd {
				return &exec.Cmd{Path: root + "/1/dyno", Args: []string{root + "/1/dyno"}}
			},
			func(root string) {
				os.Rename(root+"/1/dyno", root+"/1/dyno.old")
				os.Rename(root+"/2/dyno", root+"/1/dyno")
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			install(root + "/1/dyno")
			install(root + "/2/dyno")
			want, err := os.Stat(root + "/2/dyno")
			if err != nil {
				t.Fatal(err)
			}
			l := serveLogged(t, func(cmd *exec.Cmd) {
				way := c.start(root)
				cmd.Path, cmd.Args, cmd.Dir = way.Path, append(way.Args, cmd.Args[1:]...), way.Dir
			}, "--engine", "goroutine", "--master", "--processes", "1")
			old := l.worker(0)
			c.again(root)
			l.cmd.Process.Signal(syscall.SIGHUP) //nolint:errcheck // what follows tells
			l.says("supervisor: reloaded")
			if got, err := os.Stat(fmt.Sprintf("/proc/%d/exe", l.worker(old))); err != nil || !os.SameFile(got, want) {
				t.Errorf("the worker runs %v, %v; want the second file", got, err)
			}
		})
	}
}

// TestDeadLog serves on where nobody reads the log any more, whoever writes to it.
func TestDeadLog(t *testing.T) {
	for _, mode := range [][]string{nil, {"--master", "--processes", "1"}} {
		t.Run(fmt.Sprint(mode), func(t *testing.T) {
			cmd := exec.Command("dyno", append([]string{"serve", "--engine", "eventloop", "--json"}, mode...)...)
			out, in, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			cmd.Stdout, cmd.Stderr = in, in
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			in.Close()
			defer cmd.Process.Kill() //nolint:errcheck // it has ended unless the test failed
			line, err := bufio.NewReader(out).ReadString('\n')
			m := listening.FindStringSubmatch(line)
			if err != nil || m == nil {
				t.Fatalf("dyno serve said %q (%v)", line, err)
			}
			l := &logged{t: t, cmd: cmd, url: m[1]}
			l.alive()
			worker := 0
			if mode != nil {
				worker = l.worker(0)
			}
			out.Close()
			signals := []syscall.Signal{syscall.SIGUSR1, syscall.SIGHUP, syscall.SIGUSR1} // each is logged
			for _, s := range signals {
				cmd.Process.Signal(s) //nolint:errcheck // what follows tells
				resp, err := http.Get(m[1] + "/fail")
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				l.alive()
			}
			if mode != nil {
				l.worker(worker) // it has been replaced, in spite of all
			}
			cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // Wait tells
			if err := cmd.Wait(); err != nil {
				t.Errorf("exit: %v", err)
			}
		})
	}
}

// TestInterruptedWhileReading has every kind of input come from a pipe to which
// nobody writes: the first signal ends what waits for it.
func TestInterruptedWhileReading(t *testing.T) {
	for _, args := range [][]string{
		{"load", "http://127.0.0.1:1/", "--data", "pipe.csv"},
		{"load", "http://127.0.0.1:1/", "--body", "@pipe.csv"},
		{"load", "http://127.0.0.1:1/", "--arrivals", "recorded", "--trace", "pipe.csv"},
		{"load", "https://127.0.0.1:1/", "--cacert", "pipe.csv"},
		{"load", "https://127.0.0.1:1/", "--cert", "pipe.csv"},
		{"load", "http://127.0.0.1:1/", "--config", "pipe.csv"},
		{"run", "./pipe.yaml"},
		{"report", "pipe.csv"},
	} {
		dir := t.TempDir()
		pipe := filepath.Join(dir, "pipe.csv")
		if err := unix.Mkfifo(pipe, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("pipe.csv", filepath.Join(dir, "pipe.yaml")); err != nil {
			t.Fatal(err)
		}
		var stderr bytes.Buffer
		cmd := exec.Command("dyno", args...)
		cmd.Dir, cmd.Stderr = dir, &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			cmd.Wait() //nolint:errcheck // the exit code tells
			close(ended)
		}()
		var w *os.File
		testkit.Eventually(t, "somebody who reads the pipe", func() bool {
			var err error
			w, err = os.OpenFile(pipe, os.O_WRONLY|unix.O_NONBLOCK, 0) // ENXIO while nobody does
			select {
			case <-ended:
				return true
			default:
				return err == nil
			}
		})
		cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // the exit code tells
		<-ended
		w.Close() //nolint:errcheck // nothing was written; it is nil if nobody read
		if code := cmd.ProcessState.ExitCode(); code != exitInterrupted || !strings.Contains(stderr.String(), "interrupted while reading") {
			t.Errorf("dyno %s: exit code %d, %s", strings.Join(args, " "), code, stderr.String())
		}
	}
}
