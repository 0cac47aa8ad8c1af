package gnet

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// watcher waits until descriptors are writable. Its epoll set is itself
// waited for in Go's poller, so that it takes a goroutine and no thread.
type watcher struct {
	set  int
	file *os.File // owns set
	done chan struct{}

	mu    sync.Mutex
	conns map[int32]*conn // by descriptor
}

func newWatcher() (*watcher, error) {
	set, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(set, true); err != nil { // else os.File would block
		unix.Close(set)
		return nil, os.NewSyscallError("fcntl", err)
	}
	w := &watcher{
		set:   set,
		file:  os.NewFile(uintptr(set), "epoll"),
		done:  make(chan struct{}),
		conns: make(map[int32]*conn),
	}
	go w.run()
	return w, nil
}

// watch has k.writable called on its loop, once, when there is room.
func (w *watcher) watch(k *conn) error {
	w.mu.Lock()
	w.conns[int32(k.fd)] = k
	w.mu.Unlock()
	op := unix.EPOLL_CTL_ADD
	if k.watched {
		op = unix.EPOLL_CTL_MOD
	}
	err := unix.EpollCtl(w.set, op, k.fd, &unix.EpollEvent{Events: unix.EPOLLOUT | unix.EPOLLONESHOT, Fd: int32(k.fd)})
	k.watched = true
	return os.NewSyscallError("epoll_ctl", err)
}

// forget drops k, whose descriptor is about to be closed; with it, it leaves
// the set. Where a duplicate lives on it has to be taken out.
func (w *watcher) forget(k *conn) {
	if !k.watched {
		return
	}
	unix.EpollCtl(w.set, unix.EPOLL_CTL_DEL, k.fd, nil)
	w.mu.Lock()
	delete(w.conns, int32(k.fd))
	w.mu.Unlock()
}

func (w *watcher) run() {
	defer close(w.done)
	c, err := w.file.SyscallConn()
	if err != nil {
		return
	}
	events := make([]unix.EpollEvent, 128)
	for {
		n := 0
		err := c.Read(func(set uintptr) bool {
			n, _ = unix.EpollWait(int(set), events, 0)
			return n > 0
		})
		if err != nil { // closed
			return
		}
		for _, ev := range events[:n] {
			w.mu.Lock()
			k := w.conns[ev.Fd]
			w.mu.Unlock()
			if k != nil {
				k.l.do(func() {
					if !k.closed {
						k.writable()
					}
				})
			}
		}
	}
}

func (w *watcher) close() {
	w.file.Close()
	<-w.done
}
