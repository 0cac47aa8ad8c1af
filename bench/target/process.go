package target

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/dynobench/dyno/internal/cgroup"
)

// killWait is how long a tree may need to go after SIGKILL before Stop gives
// up. Only a task stuck in the kernel (state D) takes longer than a moment.
const killWait = 10 * time.Second

// Process is a running tree: the leader that Start started and all that it
// started in turn.
//
// The leader gets a session of its own, and with it a process group of its
// own. The tree is whatever is in the session or the group; a session is the
// wider of the two, because a supervisor that gives its workers their own
// groups keeps them in its session. A process that makes itself a new session
// (a daemon) is no longer waited for, but it is found by a mark in its
// environment and killed at the end.
type Process struct {
	cmd   *exec.Cmd
	c     Command
	mark  string
	group *cgroup.Group // nil: none could be made, or none was asked for
	tail  *tail
	ctx   context.Context
	asked chan struct{} // closed: Stop has sent the signal
	hurry chan struct{} // closed: do not wait for the drain
	dead  chan struct{} // closed: the leader is dead, and the rest about to be
	done  chan struct{}
	ask   sync.Once
	rush  sync.Once
	exit  Exit // valid once done is closed
}

// Exit tells how a tree ended.
type Exit struct {
	Code    int            // the leader's exit status; −1 when a signal ended it
	Signal  syscall.Signal // which one; 0 when it exited
	Stopped bool           // it was asked to end, by Stop or by Start's context
	Killed  bool           // a part of the tree had to be killed: it outlived the leader or the drain, or the context ended
	Strays  int            // processes that had left the session and were killed at the end
}

func (e Exit) String() string {
	s := fmt.Sprintf("exit status %d", e.Code)
	if e.Signal != 0 {
		s = "signal: " + e.Signal.String()
	}
	if e.Killed {
		s += ", had to be killed"
	}
	if e.Strays > 0 {
		s += fmt.Sprintf(", %d strays killed", e.Strays)
	}
	return s
}

// Start runs c as a process tree in a session of its own, on c.CPUs. When ctx
// ends, the tree is killed at once. Start returns as soon as the program is
// executed; see Ready. The caller must call Stop, but a tree of a caller that
// cannot (even one that got SIGKILL) is killed by the watchdog.
func Start(ctx context.Context, c Command) (*Process, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(c.Argv) == 0 {
		return nil, fmt.Errorf("start %s: no command", c.name())
	}
	c.Signal = cmp.Or(c.Signal, syscall.SIGTERM)
	c.Drain = cmp.Or(c.Drain, DefaultDrain)
	path := c.Argv[0]
	if !strings.Contains(path, "/") { // with a slash it counts from c.Dir
		var err error
		if path, err = exec.LookPath(path); err != nil {
			return nil, startError(c, err)
		}
	}
	dog, err := watch()
	if err != nil {
		return nil, err
	}
	p := &Process{
		c: c, ctx: ctx, mark: dog.mark(), tail: &tail{},
		asked: make(chan struct{}), hurry: make(chan struct{}), dead: make(chan struct{}), done: make(chan struct{}),
	}
	p.cmd = &exec.Cmd{
		Path: path, Args: c.Argv, Dir: c.Dir,
		Env:        append(inherited(), environ(c.Env, p.mark)...),
		Stdout:     tee{p.tail, c.Stdout},
		Stderr:     tee{p.tail, c.Stderr},
		ExtraFiles: c.Files,
		// By the time of Wait the tree is gone and so are the writers of
		// its pipes. Only a stray can hold them open.
		WaitDelay:   time.Second,
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := startOn(c.CPUs, p.cmd); err != nil {
		return nil, startError(c, err)
	}
	if c.Urgent {
		hasten(p.PID())
	}
	if c.Counted {
		p.group, _ = dog.group() //nolint:errcheck // privileges that not everybody has
		p.Gather([]int{p.PID()})
	}
	if err := dog.guard(p.PID()); err != nil {
		p.kill(false)
		_ = p.cmd.Wait()
		dog.ungroup(p.group)
		return nil, err
	}
	go p.own(dog)
	return p, nil
}

// inherited is this process's environment without its own settings: DYNO_RATE
// set for a run would otherwise also reach the generators that the run starts,
// which take the same variable for theirs.
func inherited() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "DYNO_") })
}

func environ(env map[string]string, mark string) []string {
	list := []string{markVariable + "=" + mark}
	for k, v := range env {
		list = append(list, k+"="+v)
	}
	slices.Sort(list)
	return list
}

// startError says what could not be started, why, and what to do about it.
func startError(c Command, err error) error {
	hint := ""
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return fmt.Errorf("start %s: program %q is not on PATH (%s): install it, or give its path", c.name(), c.Argv[0], os.Getenv("PATH"))
	case errors.Is(err, exec.ErrDot):
		hint = ": write ./ before it if that is meant"
	case errors.Is(err, os.ErrNotExist):
		hint = ": check the path, and that the script's interpreter is installed"
	case errors.Is(err, os.ErrPermission):
		hint = ": is it executable?"
	}
	return fmt.Errorf("start %s: %w%s", c.name(), err, hint)
}

// PID is the leader's process id, which is also the id of the tree's session
// and process group.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Command is what was started, its defaults filled in.
func (p *Process) Command() Command { return p.c }

// Tail returns the last 64 KiB of what the tree wrote to stdout and stderr,
// in the order in which it came.
func (p *Process) Tail() string { return p.tail.String() }

// Done is closed when the tree is gone and its leader reaped. When that
// happens before Stop, the leader died by itself; what was left of the tree
// has then been killed.
func (p *Process) Done() <-chan struct{} { return p.done }

// Group is the control group that counts the tree's CPU time, nil if none does.
func (p *Process) Group() *cgroup.Group { return p.group }

// Gather moves processes of the tree into its group that were started before
// their parent was in it.
func (p *Process) Gather(pids []int) {
	if p.group == nil {
		return
	}
	for _, pid := range pids {
		_ = p.group.Add(pid) //nolint:errcheck // it may have ended
	}
}

// Dead tells whether the leader is dead. Done follows as soon as the rest of
// the tree is.
func (p *Process) Dead() bool {
	select {
	case <-p.dead:
		return true
	default:
		return false
	}
}

// Exit tells how the tree ended; ok is false while it lives.
func (p *Process) Exit() (exit Exit, ok bool) {
	select {
	case <-p.done:
		return p.exit, true
	default:
		return Exit{}, false
	}
}

// CPU is what the leader and those of its children that it waited for used in
// their lives, start-up included; 0 while the tree lives. It needs no reading
// at the right moment, and so suits whole runs of short-lived programs.
func (p *Process) CPU() time.Duration {
	if _, ok := p.Exit(); !ok {
		return 0
	}
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
}

// Stop sends Command.Signal to the leader, waits until the whole tree is
// gone, for Command.Drain at most, and then kills what is left. When ctx ends
// first it kills at once. It may be called more than once, and on a tree that
// has died. The error means that something survived SIGKILL.
func (p *Process) Stop(ctx context.Context) (Exit, error) {
	p.ask.Do(func() {
		if err := p.cmd.Process.Signal(p.c.Signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			p.rush.Do(func() { close(p.hurry) })
		}
		close(p.asked)
	})
	limit := time.NewTimer(p.c.Drain + killWait)
	defer limit.Stop()
	cancelled := ctx.Done()
	for {
		select {
		case <-p.done:
			return p.exit, nil
		case <-cancelled:
			p.rush.Do(func() { close(p.hurry) })
			cancelled = nil
			limit.Reset(killWait)
		case <-limit.C:
			return Exit{}, fmt.Errorf("stop %s: processes %v still exist %v after SIGKILL", p.c.name(), members(p.PID()), killWait)
		}
	}
}

// own accompanies the tree to its end.
//
// The leader stays a zombie until the rest is gone (waitLeader does not reap
// it). The kernel gives a number to no other process while a process, a group
// or a session holds it, so until then every signal to the group hits the
// right one.
func (p *Process) own(dog *watchdog) {
	dead := p.dead
	go func() { waitLeader(p.cmd); close(dead) }()

	asked := false
	select {
	case <-dead:
	case <-p.ctx.Done():
	case <-p.asked:
		asked = true
		p.drain(dead)
	}
	// Stop may have won the race against the leader's own death.
	select {
	case <-p.asked:
		asked = true
	default:
	}
	cancelled := p.ctx.Err() != nil
	killed := p.kill(true)
	<-dead
	strays := p.killStrays()
	reap(p.cmd)
	dog.release(p.PID())
	dog.ungroup(p.group)

	p.exit = Exit{
		Code:    p.cmd.ProcessState.ExitCode(),
		Stopped: asked || cancelled,
		Killed:  killed,
		Strays:  strays,
	}
	if ws, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		p.exit.Signal = ws.Signal()
	}
	close(p.done)
}

// drain waits until nothing of the tree lives, the drain is over, or it is
// told to hurry.
func (p *Process) drain(dead <-chan struct{}) {
	over := time.NewTimer(p.c.Drain)
	defer over.Stop()
	stop := func() bool {
		select {
		case <-over.C:
		case <-p.ctx.Done():
		case <-p.hurry:
		default:
			return false
		}
		return true
	}
	select {
	case <-dead:
	case <-over.C:
		return
	case <-p.ctx.Done():
		return
	case <-p.hurry:
		return
	}
	for pause := time.Millisecond; len(members(p.PID())) > 0 && !stop(); pause = min(2*pause, 20*time.Millisecond) {
		time.Sleep(pause)
	}
}

// kill ends what lives of the tree and reports whether anything did. With
// wait, it returns when nothing does. It repeats, because a process that is
// just being forked may be in no list yet.
func (p *Process) kill(wait bool) (killed bool) {
	for pause := time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		if len(members(p.PID())) == 0 {
			return killed
		}
		killed = true
		_ = syscall.Kill(-p.PID(), syscall.SIGKILL)
		sweep(func(pid int) bool { return inSession(pid, p.PID()) })
		if !wait {
			return killed
		}
		time.Sleep(pause)
	}
}

// killStrays ends the processes that left the session, waits until they are
// gone and returns how many there were. It waits by number without a second
// signal: a number that is given out again costs time, not a life.
func (p *Process) killStrays() int {
	strays := map[int]bool{}
	end := time.Now().Add(killWait)
	for pause := time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		left := 0
		for _, pid := range sweep(func(pid int) bool { return marked(pid, p.mark) }) {
			strays[pid] = true
		}
		for pid := range strays {
			if alive(pid) {
				left++
			}
		}
		if left == 0 || time.Now().After(end) {
			return len(strays)
		}
		time.Sleep(pause)
	}
}
