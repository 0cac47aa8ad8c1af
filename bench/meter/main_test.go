package meter

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// helperVariable makes the test binary one of the programs below, which are
// measured.
const helperVariable = "DYNO_METER_TEST_HELPER"

func TestMain(m *testing.M) {
	if mode := os.Getenv(helperVariable); mode != "" {
		helpers[mode](os.Args[1:])
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// Each helper says a line when it is ready, one after each round of work (the
// CPU time that it measured itself, in nanoseconds) and begins a round on
// each line of stdin.
var helpers = map[string]func(args []string){
	// spin MILLISECONDS of CPU time.
	"spin": func(args []string) {
		rounds(func() int64 { spin(atoi(args[0])); return rusage(syscall.RUSAGE_SELF) })
	},
	// threads N MS: N threads, one after the other, each spins and ends.
	"threads": func(args []string) {
		rounds(func() int64 {
			for range atoi(args[0]) {
				var wg sync.WaitGroup
				wg.Add(1)
				go func() {
					defer wg.Done()
					runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
					spin(atoi(args[1]))
				}()
				wg.Wait()
			}
			return rusage(syscall.RUSAGE_SELF)
		})
	},
	// forks N MS: N children, one after the other, each spins and is waited for.
	"forks": func(args []string) {
		rounds(func() int64 {
			for range atoi(args[0]) {
				cmd := exec.Command(os.Args[0], args[1])
				cmd.Env = append(os.Environ(), helperVariable+"=once")
				if out, err := cmd.CombinedOutput(); err != nil {
					fmt.Fprintln(os.Stderr, string(out), err)
				}
			}
			return rusage(syscall.RUSAGE_SELF) + rusage(syscall.RUSAGE_CHILDREN)
		})
	},
	// orphans N MS: N children, one after the other, each spins; nobody waits
	// for them.
	"orphans": func(args []string) {
		signal.Ignore(syscall.SIGCHLD)
		rounds(func() int64 {
			for range atoi(args[0]) {
				cmd := exec.Command(os.Args[0], args[1])
				cmd.Env = append(os.Environ(), helperVariable+"=once")
				if err := cmd.Start(); err != nil {
					fmt.Fprintln(os.Stderr, err)
				}
				_ = cmd.Wait() // it has ended, and the kernel has forgotten it
			}
			return rusage(syscall.RUSAGE_SELF)
		})
	},
	"once": func(args []string) { spin(atoi(args[0])) },
	// family N: N children that wait; a round kills the first of them.
	"family": func(args []string) {
		var children []*exec.Cmd
		for range atoi(args[0]) {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), helperVariable+"=wait")
			hold, _ := cmd.StdinPipe() // ends with this process, and so does the child
			_ = hold
			if err := cmd.Start(); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
			children = append(children, cmd)
		}
		rounds(func() int64 {
			_ = children[0].Process.Kill()
			_ = children[0].Wait()
			children = children[1:]
			return 0
		})
	},
	"wait": func([]string) { _, _ = io.Copy(io.Discard, os.Stdin) },
	// parked N: N threads more than usual, all blocked.
	"parked": func(args []string) {
		var ready sync.WaitGroup
		for range atoi(args[0]) {
			ready.Add(1)
			go func() {
				runtime.LockOSThread()
				ready.Done()
				var p [2]int
				_ = syscall.Pipe(p[:])
				_, _ = syscall.Read(p[0], make([]byte, 1))
			}()
		}
		ready.Wait()
		rounds(func() int64 { return 0 })
	},
	// switch N: gives the CPU up N times by sleeping.
	"switch": func(args []string) {
		runtime.LockOSThread()
		rounds(func() int64 {
			for range atoi(args[0]) {
				ts := syscall.NsecToTimespec(1000)
				_ = syscall.Nanosleep(&ts, nil)
			}
			return 0
		})
	},
}

func rounds(work func() int64) {
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		fmt.Println(work())
	}
}

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

func rusage(who int) int64 {
	var ru syscall.Rusage
	_ = syscall.Getrusage(who, &ru)
	return ru.Utime.Nano() + ru.Stime.Nano()
}

// spin uses that much CPU time, whatever the wall clock says.
func spin(ms int) {
	for end := rusage(syscall.RUSAGE_SELF) + int64(ms)*int64(time.Millisecond); rusage(syscall.RUSAGE_SELF) < end; {
		for i := range 10_000 {
			sink += i
		}
	}
}

var sink int

// child is a helper and its two pipes.
type child struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func begin(t testing.TB, mode string, args ...string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), helperVariable+"="+mode)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{t, cmd, in, bufio.NewScanner(out)}
	t.Cleanup(func() { c.end() })
	if line := c.line(); line != "ready" {
		t.Fatalf("%s says %q", mode, line)
	}
	return c
}

func (c *child) line() string {
	c.t.Helper()
	if !c.out.Scan() {
		c.t.Fatalf("%v ended: %v", c.cmd.Args, c.out.Err())
	}
	return strings.TrimSpace(c.out.Text())
}

func (c *child) order() {
	c.t.Helper()
	if _, err := io.WriteString(c.in, "\n"); err != nil {
		c.t.Fatal(err)
	}
}

// round does a round of work and returns what the child measured.
func (c *child) round() int64 {
	c.t.Helper()
	c.order()
	return int64(atoi(c.line()))
}

// end closes the child's stdin, on which it ends.
func (c *child) end() {
	c.in.Close()
	_ = c.cmd.Wait()
}

func (c *child) tree() *Tree { return NewTree(c.cmd.Process.Pid) }

func sample(t testing.TB, tree *Tree) Sample {
	t.Helper()
	s, err := tree.Sample()
	if err != nil {
		t.Fatal(err)
	}
	return s
}
