//go:build unix

package engines

import (
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// turns is a lock between processes on a file: who holds it may accept. The
// kernel gives it back when its holder dies.
type turns struct {
	file  *os.File
	ended chan struct{} // closed by close
	once  sync.Once
}

// TakeTurns has all accepting from s wait until this process has the lock on
// the file at path, which it gives back after each connection. It is for
// processes that share one listening socket, before the first of them accepts.
func (s *Socket) TakeTurns(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0) // by its path: a duplicate would share the lock
	if err != nil {
		return err
	}
	s.turns = &turns{file: f, ended: make(chan struct{})}
	return nil
}

// Turn waits, where processes take turns to accept, until it is this one's, and
// returns what ends it. It fails with net.ErrClosed when the socket is closed.
// Engines that accept from the Listener need not care.
func (s *Socket) Turn() (end func(), err error) {
	if s.turns == nil {
		return func() {}, nil
	}
	return s.turns.take()
}

func (t *turns) take() (func(), error) {
	lock := func(how int) error {
		for {
			if err := syscall.Flock(int(t.file.Fd()), how); err != unix.EINTR {
				return err
			}
		}
	}
	end := func() { lock(unix.LOCK_UN) } //nolint:errcheck // an open file can be unlocked
	select {
	case <-t.ended:
		return nil, net.ErrClosed
	default:
	}
	if lock(unix.LOCK_EX|unix.LOCK_NB) == nil {
		return end, nil
	}
	// The wait cannot be broken off. If the socket is closed in it, a thread
	// goes on waiting for a turn that it gives back at once.
	got := make(chan error, 1)
	go func() { got <- lock(unix.LOCK_EX) }()
	select {
	case err := <-got:
		return end, err
	case <-t.ended:
		go func() {
			<-got
			end()
		}()
		return nil, net.ErrClosed
	}
}

func (t *turns) close() { t.once.Do(func() { close(t.ended) }) }

// turnListener is a Listener that takes turns.
type turnListener struct {
	net.Listener
	s *Socket
}

func (l turnListener) Accept() (net.Conn, error) {
	end, err := l.s.Turn()
	if err != nil {
		return nil, err
	}
	defer end()
	return l.Listener.Accept()
}

func (l turnListener) Close() error { return l.s.Close() }
