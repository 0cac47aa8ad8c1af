package null

import (
	"bytes"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/internal/iouring"
	"github.com/dynobench/dyno/protocol"
)

// What an operation was, in its user data beside the descriptor.
const (
	opAccept = iota
	opWake
	opReceive
	opSend
)

const (
	ringEntries    = 1024
	ringBuffers    = 512
	ringBufferSize = 4 << 10
	forever        = int64(1e9) // ns to wait where nothing is to be done in time
)

// uringLoop is a loop on an io_uring: one system call sends the answers to all that
// the last one has received, and receives what comes next.
func (e *Engine) uringLoop(ln, wake int, svc *protocol.Service) error {
	runtime.LockOSThread()
	r, err := iouring.New(ringEntries, 16*ringEntries, ringBuffers, ringBufferSize)
	if err != nil {
		return fmt.Errorf("null,io=io_uring: %w; use io=epoll", err)
	}
	defer r.Close()
	prepare := func(op uint64, opcode uint8, fd int) *iouring.Submission {
		s := r.Next()
		s.Opcode, s.FD, s.UserData = opcode, int32(fd), op<<32|uint64(fd)
		return s
	}
	accept := func() {
		s := prepare(opAccept, iouring.OpAccept, ln)
		s.Ioprio, s.OpFlags = iouring.AcceptMultishot, unix.SOCK_CLOEXEC
	}
	receive := func(fd int) {
		s := prepare(opReceive, iouring.OpRecv, fd)
		s.Flags, s.Ioprio = iouring.BufferSelect, iouring.RecvMultishot
	}
	answerTo := func(fd int) { // completes only if the client does not read
		s := prepare(opSend, iouring.OpSend, fd)
		s.Flags, s.OpFlags = iouring.SkipSuccess, unix.MSG_NOSIGNAL|unix.MSG_WAITALL|unix.MSG_DONTWAIT
		s.Addr, s.Len = uint64(uintptr(unsafe.Pointer(unsafe.SliceData(answer)))), uint32(len(answer))
		svc.Counters.Requests.Add(1)
	}
	open := make(map[int]struct{})
	// A connection's descriptor is closed when nothing is received on it any
	// more: until then the number is its own.
	hangUp := func(fd int) {
		unix.Close(fd)
		delete(open, fd)
		e.Busy.Add(-1)
	}
	defer func() {
		for fd := range open {
			hangUp(fd)
		}
	}()

	prepare(opWake, iouring.OpPoll, wake).OpFlags = unix.POLLIN
	accept()
	accepts := true
	for {
		timeout := forever
		if !accepts {
			timeout = pauseMS * 1e6
		}
		late := r.Wait(timeout)
		if err := r.Err(); err != nil {
			return err
		}
		for c, ok := r.Take(); ok; c, ok = r.Take() {
			fd := int(uint32(c.UserData))
			switch c.UserData >> 32 {
			case opWake:
				return nil
			case opAccept:
				if c.Res >= 0 {
					open[int(c.Res)] = struct{}{}
					e.Accepted.Add(1)
					e.Busy.Add(1)
					receive(int(c.Res))
				}
				if c.Flags&iouring.HasMore == 0 {
					// Without a descriptor for the next connection it would
					// fail for ever: see below.
					accepts = false
					late = late || c.Res >= 0
				}
			case opReceive:
				if c.Flags&iouring.HasBuffer != 0 {
					if bytes.Contains(r.Bytes(c.Buffer(), max(c.Res, 0)), endOfHeader) {
						answerTo(fd)
					}
					r.GiveBack(c.Buffer())
				}
				switch {
				case c.Flags&iouring.HasMore != 0:
				case c.Res > 0 || c.Res == -int32(unix.ENOBUFS):
					receive(fd)
				default:
					hangUp(fd)
					late = true
				}
			case opSend:
				unix.Shutdown(fd, unix.SHUT_RDWR) //nolint:errcheck // ends what is received
			}
		}
		if late && !accepts { // time is up, or there is a descriptor again
			accept()
			accepts = true
		}
	}
}
