package kernel

import (
	"errors"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Gone is gateway.Watcher of the connection with the descriptor fd, for engines
// to implement it by. stop must be called before fd is closed, or another
// connection may get its number. Where the kernel refuses (too few
// descriptors), nobody is told.
func Gone(fd int, tell func()) (stop func()) { return processHangups.watch(fd, tell) }

// hangups watches connections for clients that go. They share one epoll
// instance, which one goroutine watches in Go's poller; both come with the first
// connection and go soon after the last. The zero value is ready and safe for
// concurrent use.
type hangups struct {
	mu      sync.Mutex
	watched map[int]*hangup // by descriptor
	on      bool            // a goroutine watches; if not, the next fields mean nothing
	file    *os.File
	epoll   int // file's descriptor
}

// hangup is a connection that is watched.
type hangup struct {
	fd   int
	tell func()
}

var processHangups hangups

func (h *hangups) watch(fd int, tell func()) (stop func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.on && h.start() != nil {
		return func() {}
	}
	if len(h.watched) == 0 {
		h.file.SetReadDeadline(time.Time{}) //nolint:errcheck // start has tried
	}
	event := unix.EpollEvent{Events: unix.EPOLLRDHUP | unix.EPOLLONESHOT, Fd: int32(fd)}
	if unix.EpollCtl(h.epoll, unix.EPOLL_CTL_ADD, fd, &event) != nil {
		h.rest()
		return func() {}
	}
	w := &hangup{fd, tell}
	h.watched[fd] = w
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.forget(w)
		h.rest()
	}
}

// start makes the epoll instance and has it watched; h.mu is held here and below.
func (h *hangups) start() error {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	if err := unix.SetNonblock(fd, true); err != nil { // or Go would not poll it
		unix.Close(fd)
		return err
	}
	file := os.NewFile(uintptr(fd), "epoll")
	if err := file.SetReadDeadline(time.Time{}); err != nil {
		file.Close()
		return err
	}
	h.on, h.file, h.epoll = true, file, fd
	if h.watched == nil {
		h.watched = make(map[int]*hangup)
	}
	go h.run(file)
	return nil
}

// forget ends the watch of w, unless that is over.
func (h *hangups) forget(w *hangup) {
	if h.watched[w.fd] != w { // told, or closed and its number in use again
		return
	}
	delete(h.watched, w.fd)
	unix.EpollCtl(h.epoll, unix.EPOLL_CTL_DEL, w.fd, nil) //nolint:errcheck // closed too early, it is out already
}

// rest has the goroutine end, if there is nobody to watch for some time.
func (h *hangups) rest() {
	if h.on && len(h.watched) == 0 {
		h.file.SetReadDeadline(time.Now().Add(linger)) //nolint:errcheck // start has tried
	}
}

// run is the goroutine.
func (h *hangups) run(file *os.File) {
	defer file.Close()
	conn, err := file.SyscallConn()
	for {
		if err == nil {
			err = conn.Read(h.look)
		}
		h.mu.Lock()
		if len(h.watched) == 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			h.on = false
			clear(h.watched)
			h.mu.Unlock()
			return
		}
		h.mu.Unlock()
		err = nil // somebody came just as time was up
	}
}

// look tells those whose client has gone. It returns false: there is always
// more to wait for. The poller reports each time that another one goes.
func (h *hangups) look(uintptr) bool {
	var events [64]unix.EpollEvent
	for {
		var tell []func()
		h.mu.Lock()
		n, err := unix.EpollWait(h.epoll, events[:], 0)
		for _, event := range events[:max(n, 0)] {
			if w := h.watched[int(event.Fd)]; w != nil {
				tell = append(tell, w.tell)
				h.forget(w)
			}
		}
		h.rest()
		h.mu.Unlock()
		for _, f := range tell {
			f()
		}
		if n < len(events) && err != unix.EINTR {
			return false
		}
	}
}
