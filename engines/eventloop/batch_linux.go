package eventloop

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/internal/iouring"
	"github.com/dynobench/dyno/protocol"
)

// batch has the reads and the writes of many connections done by one system
// call. They never block, so that the kernel does them within the call and
// nothing is under way after it: a connection can be closed, and a goroutine
// can take the loop over, without a word to the ring.
type batch struct {
	ring  *iouring.Ring
	free  []uint32 // places without a connection
	conns [batchSize]*conn
	under int // connections in places
	reads int // of them, those to be read
}

// What a batch has at most: it is also how long one system call takes, in which
// the Go scheduler cannot have the processor. A connection without a place does
// its own reads and writes.
const (
	batchSize  = 128
	batchBytes = 64 << 10 // of each
)

func newBatch() (*batch, error) {
	ring, err := iouring.NewBatch(batchSize)
	if err != nil {
		return nil, fmt.Errorf("io=io_uring: %w; leave io at epoll", err)
	}
	b := &batch{ring: ring}
	for i := range uint32(batchSize) {
		b.free = append(b.free, i)
	}
	return b, nil
}

// add has k's next read or write, of what bytes gives, done with the next batch,
// and tells whether there is a place in it. A nil batch has none.
func (b *batch) add(k *conn, opcode uint8, bytes func() []byte) bool {
	if b == nil || len(b.free) == 0 || b.ring.Err() != nil {
		return false
	}
	p := bytes()
	p = p[:min(len(p), batchBytes)]
	place := b.free[len(b.free)-1]
	b.free = b.free[:len(b.free)-1]
	b.conns[place] = k
	b.under++
	if opcode == iouring.OpRecv {
		b.reads++
	}
	k.under = len(p)
	s := b.ring.Next()
	s.Opcode, s.FD, s.UserData = opcode, int32(k.fd), uint64(place)
	s.OpFlags = unix.MSG_NOSIGNAL | unix.MSG_DONTWAIT
	s.Addr, s.Len = uint64(uintptr(unsafe.Pointer(unsafe.SliceData(p)))), uint32(len(p))
	return true
}

// flush has done what has been added and goes on with each connection by next.
func (l *loop) flush(next func(*conn)) {
	b := l.batch
	if b == nil || b.under == 0 {
		return
	}
	b.ring.Submit()
	l.read, b.reads = b.reads, 0
	for c, ok := b.ring.Take(); ok; c, ok = b.ring.Take() {
		place := uint32(c.UserData)
		k := b.conns[place]
		b.conns[place], b.free = nil, append(b.free, place)
		b.under--
		room := k.under
		k.under = 0
		n, errno := int(c.Res), unix.Errno(0)
		if n < 0 {
			n, errno = 0, unix.Errno(-n)
		}
		if k.s.Next() == protocol.Write {
			k.written(n, errno)
		} else {
			l.read--
			k.received(n, room, errno)
		}
		next(k)
	}
	if err := b.ring.Err(); err != nil { // nothing of the rest has been done
		l.e.svc.Log.Error("io_uring is given up", "error", err)
		l.batch, l.read = nil, 0
		b.ring.Close()
		for _, k := range b.conns {
			if k != nil {
				k.under = 0
				next(k)
			}
		}
	}
}
