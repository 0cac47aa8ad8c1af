package target

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/dynobench/dyno/internal/cgroup"
)

// The watchdog outlives this process by a moment and ends what it left.
//
// It is this binary, started a second time with watchdogVariable set, in a
// session of its own so that no Ctrl-C reaches it. It reads a pipe whose only
// writing end is here. The kernel closes that end however this process ends,
// SIGKILL included, and then the watchdog kills every group that was announced
// over the pipe and not taken back, and every process with the mark, and ends.
//
// The mark, an environment variable that every target inherits, covers the
// moment between fork and announcement, and daemons that left their session.
// The announcement covers programs that overwrite their environment with a
// title. A process that does both escapes.
//
// A group is taken back only when it is empty, and its leader is kept as a
// zombie until then, so an announced number cannot have been given to a
// stranger while this process lived. Between its death and the watchdog's
// signals lie milliseconds, in which the kernel would have to go once round
// its numbers.
//
// Alternatives: PR_SET_PDEATHSIG reaches the direct child only (not the
// workers of a supervisor), is dropped when the program is set-uid, and
// follows the thread that forked rather than the process, while Go ends
// threads as it likes. PR_SET_CHILD_SUBREAPER says who inherits orphans but
// ends nobody. A cgroup with cgroup.kill would be exact, but needs delegation,
// which neither containers nor plain logins have. A PID namespace needs
// privileges and hides the tree from bench/meter.

const (
	watchdogVariable = "DYNO_WATCHDOG"
	markVariable     = "DYNO_TARGET"
)

// armed is set by MaybeWatchdog. Without that call in main the second process
// would run main again, and start a third.
var armed bool

// MaybeWatchdog turns this process into the watchdog if it was started as
// one, and then does not return. Call it first thing in main, and in TestMain
// of a package whose tests use Start.
func MaybeWatchdog() {
	armed = true
	mark := os.Getenv(watchdogVariable)
	if mark == "" {
		return
	}
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	keepWatch(os.Stdin, mark)
	os.Exit(0)
}

// keepWatch reads announcements, "+id" and "-id" a line, and "cFOLDER" and
// "rFOLDER" for control groups, until the end.
func keepWatch(r io.Reader, mark string) {
	groups := map[int]bool{}
	counted := map[string]bool{}
	for in := bufio.NewScanner(r); in.Scan(); {
		line := in.Text()
		if dir, ok := strings.CutPrefix(line, "c"); ok {
			counted[dir] = true
			continue
		}
		if dir, ok := strings.CutPrefix(line, "r"); ok {
			delete(counted, dir)
			continue
		}
		id, err := strconv.Atoi(line[min(1, len(line)):])
		if err != nil || id <= 1 {
			continue
		}
		switch line[0] {
		case '+':
			groups[id] = true
		case '-':
			delete(groups, id)
		}
	}
	// A process that is being forked may be missed by one look; one that is
	// stuck in the kernel must not keep the watchdog for ever.
	for range 500 {
		for dir := range counted {
			if err := (cgroup.Group{Dir: dir}).Remove(); err == nil || errors.Is(err, os.ErrNotExist) {
				delete(counted, dir)
			}
		}
		left := len(counted) + len(sweep(func(pid int) bool { return marked(pid, mark) }))
		for id := range groups {
			if len(members(id)) > 0 {
				left++
				_ = syscall.Kill(-id, syscall.SIGKILL)
				sweep(func(pid int) bool { return inSession(pid, id) })
			}
		}
		if left == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// watchdog is this process's side.
type watchdog struct {
	secret string // the mark's first part, the same for all targets

	mu      sync.Mutex
	cmd     *exec.Cmd
	pipe    *os.File
	groups  map[int]bool
	counted map[string]bool // folders of control groups
	seq     int
}

var theWatchdog struct {
	sync.Mutex
	*watchdog
}

// watch starts the watchdog at the first call, one for the process.
func watch() (*watchdog, error) {
	if !armed {
		return nil, errors.New("target.Start: main must call target.MaybeWatchdog first")
	}
	theWatchdog.Lock()
	defer theWatchdog.Unlock()
	if theWatchdog.watchdog == nil {
		d := &watchdog{secret: rand.Text(), groups: map[int]bool{}, counted: map[string]bool{}}
		if err := d.start(); err != nil {
			return nil, err
		}
		theWatchdog.watchdog = d
	}
	return theWatchdog.watchdog, nil
}

// start runs a watchdog and tells it of all groups. The caller holds mu, or
// is the only one to know d.
func (d *watchdog) start() error {
	r, w, err := os.Pipe() // both ends close on exec: no target holds the pipe open
	if err != nil {
		return fmt.Errorf("start the watchdog: %w", err)
	}
	defer r.Close()
	cmd := exec.Command(self())
	cmd.Args = []string{"dyno-watchdog"}
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), watchdogVariable+"="+d.secret)
	cmd.Stdin = r // a file, so it is passed on as it is; the rest is /dev/null
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		w.Close()
		return fmt.Errorf("start the watchdog: %w", err)
	}
	if d.cmd != nil { // it is dead: the pipe had no reader
		d.pipe.Close()
		_ = d.cmd.Wait()
	}
	d.cmd, d.pipe = cmd, w
	for id := range d.groups {
		if err := d.send('+', id); err != nil {
			return err
		}
	}
	for dir := range d.counted {
		if _, err := fmt.Fprintf(d.pipe, "c%s\n", dir); err != nil {
			return err
		}
	}
	return nil
}

// group makes a control group that the watchdog removes if nobody else does.
func (d *watchdog) group() (*cgroup.Group, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seq++
	g, err := cgroup.Make(cgroup.Name(os.Getpid(), d.seq))
	if err != nil || strings.Contains(g.Dir, "\n") {
		return nil, errors.Join(err, g.Remove())
	}
	d.counted[g.Dir] = true
	if _, err := fmt.Fprintf(d.pipe, "c%s\n", g.Dir); err != nil {
		if err := d.start(); err != nil {
			delete(d.counted, g.Dir)
			return nil, errors.Join(err, g.Remove())
		}
	}
	return &g, nil
}

// ungroup removes it. What is left in it, a stray that cannot be killed, leaves
// it to the watchdog.
func (d *watchdog) ungroup(g *cgroup.Group) {
	if g == nil {
		return
	}
	for range 50 { // the kernel is some moments behind
		if err := g.Remove(); err == nil || errors.Is(err, os.ErrNotExist) {
			d.mu.Lock()
			defer d.mu.Unlock()
			delete(d.counted, g.Dir)
			_, _ = fmt.Fprintf(d.pipe, "r%s\n", g.Dir)
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (d *watchdog) send(op byte, id int) error {
	_, err := fmt.Fprintf(d.pipe, "%c%d\n", op, id)
	return err
}

// mark returns a mark for one target. Its prefix is known to the watchdog.
func (d *watchdog) mark() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seq++
	return fmt.Sprintf("%s.%d.", d.secret, d.seq)
}

// guard announces a group. A watchdog that has been killed is replaced.
func (d *watchdog) guard(id int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.groups[id] = true
	if d.send('+', id) == nil {
		return nil
	}
	if err := d.start(); err != nil {
		delete(d.groups, id)
		return err
	}
	return nil
}

// release takes a group back. An error means that the watchdog is dead; the
// next guard notices.
func (d *watchdog) release(id int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.groups, id)
	_ = d.send('-', id)
}
