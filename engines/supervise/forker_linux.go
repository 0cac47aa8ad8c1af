package supervise

import "runtime"

// forker starts processes, all from one OS thread that lives as long as it:
// a parent-death signal is sent when the thread ends that has forked.
type forker struct{ jobs chan func() }

func newForker() *forker {
	f := &forker{jobs: make(chan func())}
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		for job := range f.jobs {
			job()
		}
	}()
	return f
}

// do runs job on the thread and returns when it is done.
func (f *forker) do(job func()) {
	done := make(chan struct{})
	f.jobs <- func() { defer close(done); job() }
	<-done
}

func (f *forker) stop() { close(f.jobs) }
