package load

import (
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Constants and structures of the kernel's linux/io_uring.h, as far as they
// are used here.
const (
	ringSetupCQSize       = 1 << 3
	ringSetupClamp        = 1 << 4
	ringSetupSubmitAll    = 1 << 7
	ringSetupCoopTaskrun  = 1 << 8
	ringSetupSingleIssuer = 1 << 12
	ringSetupDeferTaskrun = 1 << 13

	ringEnterGetEvents = 1 << 0
	ringEnterExtArg    = 1 << 3

	ringRegisterBuffers = 22 // IORING_REGISTER_PBUF_RING

	ringOpPoll = 6
	ringOpSend = 26
	ringOpRecv = 27

	ringBufferSelect  = 1 << 5
	ringSkipSuccess   = 1 << 6
	ringRecvMultishot = 1 << 1

	ringHasBuffer = 1 << 0
	ringHasMore   = 1 << 1

	ringOffsetSQ   = 0
	ringOffsetSQEs = 0x10000000
)

type submission struct {
	opcode   uint8
	flags    uint8
	ioprio   uint16
	fd       int32
	off      uint64
	addr     uint64
	len      uint32
	opFlags  uint32
	userData uint64
	bufGroup uint16
	_        [3]uint16
	_        [2]uint64
}

type completion struct {
	userData uint64
	res      int32
	flags    uint32
}

// buffer is the number of the buffer that a completion has filled.
func (c completion) buffer() uint16 { return uint16(c.flags >> 16) }

type ringParams struct {
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

// A uringQueue is an io_uring with a set of buffers that the kernel receives
// into. It belongs to the thread that made it.
type uringQueue struct {
	fd      int
	memory  []byte // of both rings
	entries []byte // of submissions

	sqHead, sqTail *uint32
	sqMask         uint32
	sqes           []submission
	tail           uint32 // of submissions, ours
	pending        uint32 // prepared and not yet given to the kernel

	cqHead, cqTail *uint32
	cqMask         uint32
	cqes           []completion

	buffers    []byte
	bufferRing []byte // 16 bytes for each; the ring's tail is in the last two of the first
	bufferSize int
	bufferMask uint16
	bufferTail uint16

	arg  ringArg // of enter: here, so that its address is good
	time unix.Timespec
}

type ringArg struct {
	sigmask     uint64
	sigmaskSize uint32
	_           uint32
	time        uint64
}

// newQueue makes a ring for so many submissions and completions at a time, and
// a number (a power of two) of buffers of the size.
func newQueue(submissions, completions uint32, buffers, size int) (*uringQueue, error) {
	p := ringParams{cqEntries: completions, flags: ringSetupCQSize | ringSetupClamp | ringSetupSubmitAll |
		ringSetupCoopTaskrun | ringSetupSingleIssuer | ringSetupDeferTaskrun}
	fd, _, errno := unix.RawSyscall(unix.SYS_IO_URING_SETUP, uintptr(submissions), uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return nil, os.NewSyscallError("io_uring_setup", errno)
	}
	unix.CloseOnExec(int(fd))
	q := &uringQueue{fd: int(fd)}
	if err := q.init(&p, buffers, size); err != nil {
		q.close()
		return nil, err
	}
	return q, nil
}

func (q *uringQueue) init(p *ringParams, buffers, size int) (err error) {
	const shared = unix.MAP_SHARED | unix.MAP_POPULATE
	size0 := max(int(p.cq.cqes)+int(p.cqEntries)*int(unsafe.Sizeof(completion{})), int(p.sq.array)+4*int(p.sqEntries))
	if q.memory, err = unix.Mmap(q.fd, ringOffsetSQ, size0, unix.PROT_READ|unix.PROT_WRITE, shared); err != nil {
		return os.NewSyscallError("mmap of the rings", err)
	}
	if q.entries, err = unix.Mmap(q.fd, ringOffsetSQEs, int(p.sqEntries)*int(unsafe.Sizeof(submission{})), unix.PROT_READ|unix.PROT_WRITE, shared); err != nil {
		return os.NewSyscallError("mmap of the submissions", err)
	}
	at := func(offset uint32) unsafe.Pointer { return unsafe.Pointer(&q.memory[offset]) }
	q.sqHead, q.sqTail, q.sqMask = (*uint32)(at(p.sq.head)), (*uint32)(at(p.sq.tail)), *(*uint32)(at(p.sq.mask))
	q.sqes = unsafe.Slice((*submission)(unsafe.Pointer(&q.entries[0])), p.sqEntries)
	order := unsafe.Slice((*uint32)(at(p.sq.array)), p.sqEntries)
	for i := range order {
		order[i] = uint32(i) // submissions are taken as they lie
	}
	q.cqHead, q.cqTail, q.cqMask = (*uint32)(at(p.cq.head)), (*uint32)(at(p.cq.tail)), *(*uint32)(at(p.cq.mask))
	q.cqes = unsafe.Slice((*completion)(at(p.cq.cqes)), p.cqEntries)
	if err := q.provide(buffers, size); err != nil {
		return err
	}
	// Whether waiting with a timeout works shows only when it is done.
	if errno := q.enter(1, 1); errno != 0 && errno != unix.ETIME {
		return os.NewSyscallError("io_uring_enter", errno)
	}
	return nil
}

func (q *uringQueue) close() {
	unix.Close(q.fd)
	for _, m := range [][]byte{q.memory, q.entries, q.buffers, q.bufferRing} {
		if m != nil {
			unix.Munmap(m)
		}
	}
}

// provide gives the kernel n buffers to receive into.
func (q *uringQueue) provide(n, size int) (err error) {
	const private = unix.MAP_ANON | unix.MAP_PRIVATE
	if q.bufferRing, err = unix.Mmap(-1, 0, 16*n, unix.PROT_READ|unix.PROT_WRITE, private); err != nil {
		return os.NewSyscallError("mmap of the ring of buffers", err)
	}
	if q.buffers, err = unix.Mmap(-1, 0, n*size, unix.PROT_READ|unix.PROT_WRITE, private); err != nil {
		return os.NewSyscallError("mmap of the buffers", err)
	}
	register := struct {
		addr         uint64
		entries      uint32
		group, flags uint16
		_            [3]uint64
	}{addr: uint64(uintptr(unsafe.Pointer(&q.bufferRing[0]))), entries: uint32(n)}
	_, _, errno := unix.RawSyscall6(unix.SYS_IO_URING_REGISTER, uintptr(q.fd), ringRegisterBuffers, uintptr(unsafe.Pointer(&register)), 1, 0, 0)
	if errno != 0 {
		return os.NewSyscallError("io_uring_register of buffers", errno)
	}
	q.bufferSize, q.bufferMask = size, uint16(n-1)
	for i := range n {
		q.giveBack(uint16(i))
	}
	return nil
}

func (q *uringQueue) bytes(buffer uint16, n int32) []byte {
	return q.buffers[int(buffer)*q.bufferSize:][:n:q.bufferSize]
}

// giveBack lets the kernel have a buffer again.
func (q *uringQueue) giveBack(buffer uint16) {
	entry := unsafe.Pointer(&q.bufferRing[16*int(q.bufferTail&q.bufferMask)])
	*(*uint64)(entry) = uint64(uintptr(unsafe.Pointer(&q.buffers[int(buffer)*q.bufferSize])))
	*(*uint32)(unsafe.Add(entry, 8)) = uint32(q.bufferSize)
	*(*uint16)(unsafe.Add(entry, 12)) = buffer
	q.bufferTail++
	// The tail shares a word with the number of the first entry's buffer: Go
	// has no atomic store of sixteen bits.
	first := (*uint32)(unsafe.Pointer(&q.bufferRing[12]))
	atomic.StoreUint32(first, uint32(q.bufferTail)<<16|*first&0xffff)
}

// next is a submission to fill in.
func (q *uringQueue) next() *submission {
	for q.tail-atomic.LoadUint32(q.sqHead) >= uint32(len(q.sqes)) {
		q.submit()
	}
	s := &q.sqes[q.tail&q.sqMask]
	*s = submission{}
	q.tail++
	q.pending++
	return s
}

// submit gives the kernel what has been prepared, and waits for nothing.
func (q *uringQueue) submit() {
	if q.pending == 0 {
		return
	}
	atomic.StoreUint32(q.sqTail, q.tail)
	n, _, errno := unix.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(q.fd), uintptr(q.pending), 0, 0, 0, 0)
	if errno == 0 {
		q.pending -= uint32(n)
	}
}

// enter submits what has been prepared and waits for as many ns for the first
// completion, or with 0 just looks. ETIME and EINTR are no errors.
func (q *uringQueue) enter(wait uintptr, left int64) unix.Errno {
	atomic.StoreUint32(q.sqTail, q.tail)
	var n uintptr
	var errno unix.Errno
	if wait == 0 {
		n, _, errno = unix.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(q.fd), uintptr(q.pending), 0, ringEnterGetEvents, 0, 0)
	} else {
		q.time = unix.NsecToTimespec(left)
		q.arg.time = uint64(uintptr(unsafe.Pointer(&q.time)))
		n, _, errno = unix.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(q.fd), uintptr(q.pending), wait,
			ringEnterGetEvents|ringEnterExtArg, uintptr(unsafe.Pointer(&q.arg)), unsafe.Sizeof(q.arg))
	}
	if errno == 0 {
		q.pending -= uint32(n)
	}
	return errno
}

// empty tells that there is no completion.
func (q *uringQueue) empty() bool { return *q.cqHead == atomic.LoadUint32(q.cqTail) }

// take takes the oldest completion.
func (q *uringQueue) take() (c completion, ok bool) {
	head := *q.cqHead
	if head == atomic.LoadUint32(q.cqTail) {
		return c, false
	}
	c = q.cqes[head&q.cqMask]
	atomic.StoreUint32(q.cqHead, head+1)
	return c, true
}
