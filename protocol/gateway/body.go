package gateway

import (
	"fmt"
	"io"
	"iter"
	"os"
	"sync"
	"unsafe"
)

// Bytes is a Body of one chunk. It does not copy b, which must not change
// before Close. It allocates nothing in the steady state: Close gives the Body
// back for another request, so a Body must not be touched after it.
func Bytes(b []byte) Body {
	body := bytesPool.Get().(*bytesBody)
	*body = bytesBody{rest: b, size: int64(len(b)), open: true}
	return body
}

// String is Bytes for a string, without a copy.
func String(s string) Body {
	// Safe: nobody writes to a chunk, the contract of Body says so.
	return Bytes(unsafe.Slice(unsafe.StringData(s), len(s)))
}

type bytesBody struct {
	rest []byte
	size int64
	open bool // in use; a second Close must not put it into the pool twice
}

var (
	_         Sized = (*bytesBody)(nil)
	bytesPool       = sync.Pool{New: func() any { return new(bytesBody) }}
)

func (b *bytesBody) Size() int64 { return b.size }

func (b *bytesBody) Next() ([]byte, error) {
	chunk := b.rest
	b.rest = nil
	return chunk, io.EOF
}

func (b *bytesBody) Close() error {
	if b.open {
		*b = bytesBody{}
		bytesPool.Put(b)
	}
	return nil
}

// Chunks is a Body told as a generator: seq yields the chunks, empty ones
// included, and returns at the end. An error that it yields breaks the answer
// off (io.EOF ends it). seq may call start, wait by env.Wait, and write into
// one buffer again and again, since a chunk is sent or copied before the next
// one is asked for.
//
// When the request ends early, yield returns false and seq must return: Close
// waits for that. seq runs as a coroutine of whoever pulls (iter.Pull), never
// at the same time as the engine. It is made at the first Next, so a Body that
// is never pulled costs nothing, and it has to be pulled by goroutines that are
// all locked to the same thread or all to none; every engine of dyno's pulls a
// Body from one goroutine.
func Chunks(seq iter.Seq2[[]byte, error]) Body {
	return &chunksBody{seq: seq}
}

type chunksBody struct {
	seq  iter.Seq2[[]byte, error]
	next func() ([]byte, error, bool)
	stop func()
}

func (b *chunksBody) Next() ([]byte, error) {
	if b.next == nil {
		if b.seq == nil {
			return nil, io.EOF
		}
		b.next, b.stop = iter.Pull2(b.seq)
	}
	chunk, err, ok := b.next()
	if !ok {
		return nil, io.EOF
	}
	return chunk, err
}

func (b *chunksBody) Close() error {
	stop := b.stop
	b.seq, b.next, b.stop = nil, nil, nil
	if stop != nil {
		stop()
	}
	return nil
}

// File is the rest of f, from where it stands to the end that it has now, as a
// Body. It takes f over: Close closes it. f must be a regular file, since its
// length is promised; the error of any other, or of a failed Stat, leaves f
// the caller's. Reading blocks the thread for as long as the disk takes.
func File(f *os.File) (*FileBody, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("gateway: %s is not a regular file", f.Name())
	}
	offset, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, err
	}
	return &FileBody{f: f, offset: offset, rest: max(info.Size()-offset, 0)}, nil
}

// FileBody is the Body that File returns.
type FileBody struct {
	f            *os.File
	offset, rest int64
	buf          *[]byte
}

var (
	_           Sized = (*FileBody)(nil)
	fileBuffers       = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}
)

// Size is the number of bytes to come.
func (b *FileBody) Size() int64 { return b.rest }

// Next reads up to 64 KiB. A file that has become shorter is io.ErrUnexpectedEOF.
func (b *FileBody) Next() ([]byte, error) {
	if b.rest == 0 {
		return nil, io.EOF
	}
	if b.buf == nil {
		b.buf = fileBuffers.Get().(*[]byte)
	}
	n, err := b.f.ReadAt((*b.buf)[:min(b.rest, int64(len(*b.buf)))], b.offset)
	b.offset += int64(n)
	b.rest -= int64(n)
	switch {
	case b.rest == 0:
		err = io.EOF
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return (*b.buf)[:n], err
}

// Close closes the file.
func (b *FileBody) Close() error {
	if b.buf != nil {
		fileBuffers.Put(b.buf)
		b.buf = nil
	}
	return b.f.Close()
}

// Fail is a Body that breaks the answer off with err, which must not be nil:
// what an app returns when it cannot answer, say because its wait was
// cancelled. Without a start before it the client sees a 500.
func Fail(err error) Body { return failed{err} }

type failed struct{ err error }

func (f failed) Next() ([]byte, error) { return nil, f.err }
func (f failed) Close() error          { return nil }
