package enginetest

import (
	"syscall"
	"testing"

	"github.com/dynobench/dyno/internal/testkit"
)

// TestSignalToAll asks a supervisor and its workers to end by one signal to all of
// them, as a terminal and service managers do: it must be as one to the supervisor.
func TestSignalToAll(t *testing.T) {
	for _, engine := range supervised {
		t.Run(engine, func(t *testing.T) {
			needRing(t, engine)
			t.Parallel()
			p := startProcess(t, under(engine))
			p.workers(1)
			c := p.dial()
			c.send(request("GET", "/wait?ms=600", ""))
			p.contains("the request must reach the app", "text=started")
			syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM)
			if got := c.receive("GET").text(); got != "waited" {
				t.Errorf("the request in flight must be answered: %q", got)
			}
			if err := p.exit(); err != nil {
				t.Errorf("exit: %v", err)
			}
			if p.count("replaced") > 0 {
				t.Error("no worker is to be replaced when all are to end")
			}
		})
	}
}

// TestWorkerAskedToEnd: a worker that is asked to end by itself is followed before
// it drains, and nobody notices.
func TestWorkerAskedToEnd(t *testing.T) {
	for _, engine := range supervised {
		t.Run(engine, func(t *testing.T) {
			needRing(t, engine)
			t.Parallel()
			p := startProcess(t, under(engine))
			pids := p.workers(1)
			k := askFrom(p, 4, 2)
			for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT} {
				k.more(t, 20)
				syscall.Kill(pids[0], s)
				pids = p.workers(1, pids[0])
			}
			k.more(t, 20)
			k.stop()
			k.none(t)
			p.terminate()
		})
	}
}

// TestHangupsToAll has supervisor and workers hung up on by a careless script, time
// and again, also in the moments in which a worker is about to start.
func TestHangupsToAll(t *testing.T) {
	t.Parallel()
	p := startProcess(t, "prefork:goroutine,processes=2")
	p.workers(2)
	k := askFrom(p, 4, 2)
	for range 10 {
		n := p.count("supervisor: reloaded")
		for range 20 {
			syscall.Kill(-p.cmd.Process.Pid, syscall.SIGHUP)
			k.more(t, 1)
		}
		testkit.Eventually(t, "the workers must be reloaded", func() bool { return p.count("supervisor: reloaded") > n })
	}
	k.more(t, 20)
	k.stop()
	k.none(t)
	if p.count("reload failed") > 0 {
		t.Error("a signal that was the supervisor's must not end a reload")
	}
	p.terminate()
}
