package iouring

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Constants and structures of the kernel's linux/io_uring.h, as far as they
// are used here.
const (
	setupCQSize       = 1 << 3
	setupClamp        = 1 << 4
	setupSubmitAll    = 1 << 7
	setupCoopTaskrun  = 1 << 8
	setupSingleIssuer = 1 << 12
	setupDeferTaskrun = 1 << 13

	enterGetEvents = 1 << 0
	enterExtArg    = 1 << 3

	registerBuffers = 22 // IORING_REGISTER_PBUF_RING

	offsetSQ   = 0
	offsetSQEs = 0x10000000
)

// Operations, and flags of theirs.
const (
	OpPoll   = 6
	OpAccept = 13
	OpSend   = 26
	OpRecv   = 27

	// BufferSelect, in Flags, receives into one of the ring's buffers.
	BufferSelect = 1 << 5
	// SkipSuccess, in Flags, asks for a completion only of what fails.
	SkipSuccess = 1 << 6
	// Multishot operations go on until a completion comes without HasMore.
	// Both are for Ioprio.
	AcceptMultishot = 1 << 0
	RecvMultishot   = 1 << 1
)

// Flags of a Completion.
const (
	HasBuffer = 1 << 0
	HasMore   = 1 << 1
)

// A Submission asks the kernel for an operation (struct io_uring_sqe). What
// Addr points to is the kernel's until the operation is over.
type Submission struct {
	Opcode   uint8
	Flags    uint8
	Ioprio   uint16
	FD       int32
	off      uint64
	Addr     uint64
	Len      uint32
	OpFlags  uint32
	UserData uint64
	bufGroup uint16
	_        [3]uint16
	_        [2]uint64
}

// A Completion tells what came of it (struct io_uring_cqe): Res is what the
// system call would have returned, or the negative error.
type Completion struct {
	UserData uint64
	Res      int32
	Flags    uint32
}

// Buffer is the number of the buffer that was filled, with HasBuffer.
func (c Completion) Buffer() uint16 { return uint16(c.Flags >> 16) }

type params struct {
	sqEntries, cqEntries, flags, cpu, idle, features, wqFD uint32
	_                                                      [3]uint32
	sq                                                     struct {
		head, tail, mask, entries, flags, dropped, array, _ uint32
		_                                                   uint64
	}
	cq struct {
		head, tail, mask, entries, overflow, cqes, flags, _ uint32
		_                                                   uint64
	}
}

// A Ring is an io_uring with a set of buffers that the kernel receives into. It
// belongs to the thread that made it, unless it is one of NewBatch.
type Ring struct {
	fd      int
	memory  []byte // of both rings
	entries []byte // of submissions

	sqHead, sqTail *uint32
	sqMask         uint32
	sqes           []Submission
	tail           uint32 // of submissions, ours
	pending        uint32 // prepared and not yet given to the kernel
	err            error

	cqHead, cqTail *uint32
	cqMask         uint32
	cqes           []Completion

	buffers    []byte
	bufferRing []byte // 16 bytes for each; the ring's tail is in the last two of the first
	bufferSize int
	bufferMask uint16
	bufferTail uint16

	arg  enterArg // of enter: here, so that its address is good
	time unix.Timespec
}

type enterArg struct {
	sigmask     uint64
	sigmaskSize uint32
	_           uint32
	time        uint64
}

// New makes a ring of the calling thread for so many submissions and completions
// at a time, and a number (a power of two) of buffers of the size.
func New(submissions, completions uint32, buffers, size int) (*Ring, error) {
	return open(submissions, params{cqEntries: completions, flags: setupCQSize | setupClamp | setupSubmitAll |
		setupCoopTaskrun | setupSingleIssuer | setupDeferTaskrun}, buffers, size)
}

// NewBatch makes a ring for so many operations at a time that do not wait
// (MSG_DONTWAIT): they are complete when Submit returns. It has no buffers, and
// belongs to no thread.
func NewBatch(operations uint32) (*Ring, error) {
	return open(operations, params{flags: setupClamp | setupSubmitAll}, 0, 0)
}

func open(submissions uint32, p params, buffers, size int) (*Ring, error) {
	fd, _, errno := unix.RawSyscall(unix.SYS_IO_URING_SETUP, uintptr(submissions), uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return nil, explain(os.NewSyscallError("io_uring_setup", errno))
	}
	unix.CloseOnExec(int(fd))
	r := &Ring{fd: int(fd)}
	if err := r.init(&p, buffers, size); err != nil {
		r.Close()
		return nil, explain(err)
	}
	return r, nil
}

// explain adds what is behind an error of the kernel's.
func explain(err error) error {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("%w (forbidden by kernel.io_uring_disabled or by the container)", err)
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%w (Linux 6.1 has what is needed)", err)
	case errors.Is(err, unix.ENOMEM):
		return fmt.Errorf("%w (raise the limit on locked memory, ulimit -l)", err)
	}
	return err
}

// Allowed tells why this process can have no ring, nil if it can.
func Allowed() error {
	runtime.LockOSThread() // a ring is its thread's
	defer runtime.UnlockOSThread()
	r, err := New(32, 128, 32, 1<<10)
	if err == nil {
		r.Close()
	}
	return err
}

func (r *Ring) init(p *params, buffers, size int) (err error) {
	const shared = unix.MAP_SHARED | unix.MAP_POPULATE
	size0 := max(int(p.cq.cqes)+int(p.cqEntries)*int(unsafe.Sizeof(Completion{})), int(p.sq.array)+4*int(p.sqEntries))
	if r.memory, err = unix.Mmap(r.fd, offsetSQ, size0, unix.PROT_READ|unix.PROT_WRITE, shared); err != nil {
		return os.NewSyscallError("mmap of the rings", err)
	}
	if r.entries, err = unix.Mmap(r.fd, offsetSQEs, int(p.sqEntries)*int(unsafe.Sizeof(Submission{})), unix.PROT_READ|unix.PROT_WRITE, shared); err != nil {
		return os.NewSyscallError("mmap of the submissions", err)
	}
	at := func(offset uint32) unsafe.Pointer { return unsafe.Pointer(&r.memory[offset]) }
	r.sqHead, r.sqTail, r.sqMask = (*uint32)(at(p.sq.head)), (*uint32)(at(p.sq.tail)), *(*uint32)(at(p.sq.mask))
	r.sqes = unsafe.Slice((*Submission)(unsafe.Pointer(&r.entries[0])), p.sqEntries)
	order := unsafe.Slice((*uint32)(at(p.sq.array)), p.sqEntries)
	for i := range order {
		order[i] = uint32(i) // submissions are taken as they lie
	}
	r.cqHead, r.cqTail, r.cqMask = (*uint32)(at(p.cq.head)), (*uint32)(at(p.cq.tail)), *(*uint32)(at(p.cq.mask))
	r.cqes = unsafe.Slice((*Completion)(at(p.cq.cqes)), p.cqEntries)
	if buffers > 0 {
		if err := r.provide(buffers, size); err != nil {
			return err
		}
	}
	// Whether waiting with a timeout works shows only when it is done.
	r.Wait(1)
	return r.err
}

// Close ends the ring and what is under way in it.
func (r *Ring) Close() {
	unix.Close(r.fd)
	for _, m := range [][]byte{r.memory, r.entries, r.buffers, r.bufferRing} {
		if m != nil {
			unix.Munmap(m)
		}
	}
}

// provide gives the kernel n buffers to receive into.
func (r *Ring) provide(n, size int) (err error) {
	const private = unix.MAP_ANON | unix.MAP_PRIVATE
	if r.bufferRing, err = unix.Mmap(-1, 0, 16*n, unix.PROT_READ|unix.PROT_WRITE, private); err != nil {
		return os.NewSyscallError("mmap of the ring of buffers", err)
	}
	if r.buffers, err = unix.Mmap(-1, 0, n*size, unix.PROT_READ|unix.PROT_WRITE, private); err != nil {
		return os.NewSyscallError("mmap of the buffers", err)
	}
	register := struct {
		addr         uint64
		entries      uint32
		group, flags uint16
		_            [3]uint64
	}{addr: uint64(uintptr(unsafe.Pointer(&r.bufferRing[0]))), entries: uint32(n)}
	_, _, errno := unix.RawSyscall6(unix.SYS_IO_URING_REGISTER, uintptr(r.fd), registerBuffers, uintptr(unsafe.Pointer(&register)), 1, 0, 0)
	if errno != 0 {
		return os.NewSyscallError("io_uring_register of buffers", errno)
	}
	r.bufferSize, r.bufferMask = size, uint16(n-1)
	for i := range n {
		r.GiveBack(uint16(i))
	}
	return nil
}

// Bytes are the first n of a buffer, until it is given back.
func (r *Ring) Bytes(buffer uint16, n int32) []byte {
	return r.buffers[int(buffer)*r.bufferSize:][:n:r.bufferSize]
}

// GiveBack lets the kernel have a buffer again.
func (r *Ring) GiveBack(buffer uint16) {
	entry := unsafe.Pointer(&r.bufferRing[16*int(r.bufferTail&r.bufferMask)])
	*(*uint64)(entry) = uint64(uintptr(unsafe.Pointer(&r.buffers[int(buffer)*r.bufferSize])))
	*(*uint32)(unsafe.Add(entry, 8)) = uint32(r.bufferSize)
	*(*uint16)(unsafe.Add(entry, 12)) = buffer
	r.bufferTail++
	// The tail shares a word with the number of the first entry's buffer: Go
	// has no atomic store of sixteen bits.
	first := (*uint32)(unsafe.Pointer(&r.bufferRing[12]))
	atomic.StoreUint32(first, uint32(r.bufferTail)<<16|*first&0xffff)
}

// Next is a submission to fill in, cleared. It goes to the kernel with the next
// Submit or Enter, or before, when the ring is full.
func (r *Ring) Next() *Submission {
	for r.tail-atomic.LoadUint32(r.sqHead) >= uint32(len(r.sqes)) {
		if r.Submit(); r.err != nil {
			return new(Submission) // for nobody: the ring is dead
		}
	}
	s := &r.sqes[r.tail&r.sqMask]
	*s = Submission{}
	r.tail++
	r.pending++
	return s
}

// Err is why the ring is of no use any more, nil if it is.
func (r *Ring) Err() error { return r.err }

// failed keeps what the kernel says about the ring itself, as opposed to an
// operation. ETIME and EINTR say nothing about it.
func (r *Ring) failed(errno unix.Errno) {
	if r.err == nil && errno != unix.ETIME && errno != unix.EINTR {
		r.err = os.NewSyscallError("io_uring_enter", errno)
	}
}

// Submit gives the kernel what has been prepared, and waits for nothing.
func (r *Ring) Submit() {
	if r.pending == 0 {
		return
	}
	atomic.StoreUint32(r.sqTail, r.tail)
	n, _, errno := unix.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(r.pending), 0, 0, 0, 0)
	if errno != 0 {
		r.failed(errno)
		return
	}
	r.pending -= uint32(n)
}

// Look submits what has been prepared and collects what is complete.
func (r *Ring) Look() {
	atomic.StoreUint32(r.sqTail, r.tail)
	r.entered(unix.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(r.pending), 0, enterGetEvents, 0, 0))
}

// Wait is Look, but waits up to left ns for something to complete. It tells
// whether the time has run out.
func (r *Ring) Wait(left int64) (late bool) {
	atomic.StoreUint32(r.sqTail, r.tail)
	r.time = unix.NsecToTimespec(left)
	r.arg.time = uint64(uintptr(unsafe.Pointer(&r.time)))
	return r.entered(unix.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(r.pending), 1,
		enterGetEvents|enterExtArg, uintptr(unsafe.Pointer(&r.arg)), unsafe.Sizeof(r.arg)))
}

func (r *Ring) entered(n, _ uintptr, errno unix.Errno) (late bool) {
	if errno != 0 {
		r.failed(errno)
		return errno == unix.ETIME
	}
	r.pending -= uint32(n)
	return false
}

// Empty tells that no completion has been collected.
func (r *Ring) Empty() bool { return *r.cqHead == atomic.LoadUint32(r.cqTail) }

// Take takes the oldest completion.
func (r *Ring) Take() (c Completion, ok bool) {
	head := *r.cqHead
	if head == atomic.LoadUint32(r.cqTail) {
		return c, false
	}
	c = r.cqes[head&r.cqMask]
	atomic.StoreUint32(r.cqHead, head+1)
	return c, true
}
