package gateway

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// handlerWriter is the handler's end: its http.ResponseWriter. Chunks go
// through out, and the answer to each but the last comes through resume.
type handlerWriter struct {
	env    *Environ
	ctx    context.Context // of the request
	out    chan handover
	resume chan struct{}
	gone   chan struct{} // closed when nobody will call Next again
	done   chan struct{} // closed when the handler's goroutine has ended

	header http.Header
	extras bool // interim answers and trailers can be sent

	deadline deadline // of writes

	mu     sync.Mutex // as long as a hand-over takes
	buf    *[]byte
	status int // 0 until WriteHeader
	fields []Field

	trailers []string // declared

	typed bool  // no Content-Type is to be added
	limit int64 // the handler's Content-Length, else −1
	wrote int64
	sent  bool // fields have been handed over
	late  bool // a hand-over has passed the deadline: the answer cannot go on
	held  bool // likewise, and Next has yet to give the chunk back
	ended bool
}

var (
	_ http.Flusher    = (*handlerWriter)(nil)
	_ http.Hijacker   = (*handlerWriter)(nil)
	_ io.StringWriter = (*handlerWriter)(nil)
)

func (w *handlerWriter) Header() http.Header { return w.header }

// Hijack refuses. It exists so that the error can say why.
func (w *handlerWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, errHijack }

// EnableFullDuplex is trivially granted: the body has been read before the handler runs.
func (w *handlerWriter) EnableFullDuplex() error { return nil }

// SetReadDeadline is granted for the same reason: reading the body never waits.
func (w *handlerWriter) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline bounds how long a Write or a Flush waits for the client. As
// with net/http, the answer cannot go on once it has passed.
func (w *handlerWriter) SetWriteDeadline(t time.Time) error {
	w.deadline.set(t)
	return nil
}

// CloseNotify is what there was before Context.
func (w *handlerWriter) CloseNotify() <-chan bool {
	gone := make(chan bool, 1)
	context.AfterFunc(w.ctx, func() { gone <- true })
	return gone
}

func (w *handlerWriter) WriteHeader(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writeHeader(status)
}

func (w *handlerWriter) writeHeader(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("invalid WriteHeader code %v", status)) // net/http's contract
	}
	switch {
	case w.ended:
	case w.status != 0:
		fmt.Fprintf(w.env.Errors, "gateway: superfluous WriteHeader(%d) after %d\n", status, w.status)
	case status < 200 && status != http.StatusSwitchingProtocols:
		// Switching protocols is not interim, and start will refuse it.
		if w.extras {
			w.handOver(handover{interim: status, fields: interimFields(w.header)}) //nolint:errcheck // the handler learns that the client has gone when it writes
		}
	default:
		w.status = status
		if w.extras {
			w.trailers = trailerNames(w.header)
		}
		w.fields = headerFields(w.header, status)
		w.limit = -1
		_, w.typed = w.header["Content-Type"]
		for _, f := range w.fields {
			switch f.Name {
			case "Content-Length":
				w.limit, _ = parseLength(f.Value)
			case "Content-Encoding":
				w.typed = w.typed || f.Value != "" // what is encoded cannot be sniffed
			}
		}
	}
}

func (w *handlerWriter) Write(p []byte) (int, error) { return write(w, p) }

func (w *handlerWriter) WriteString(s string) (int, error) { return write(w, s) }

// write gathers p in the buffer and hands the buffer over whenever it is full.
func write[T []byte | string](w *handlerWriter, p T) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return 0, errHandlerEnd
	}
	if w.late {
		return 0, os.ErrDeadlineExceeded
	}
	if w.status == 0 {
		w.writeHeader(http.StatusOK)
	}
	if bodiless(w.status) {
		return 0, http.ErrBodyNotAllowed
	}
	if w.limit >= 0 && w.wrote+int64(len(p)) > w.limit {
		return 0, http.ErrContentLength
	}
	w.wrote += int64(len(p))
	for len(p) > 0 {
		if len(*w.buf) == cap(*w.buf) {
			if err := w.handOverBuffer(); err != nil {
				return n, err
			}
		}
		room := min(len(p), cap(*w.buf)-len(*w.buf))
		*w.buf = append(*w.buf, p[:room]...)
		p = p[room:]
		n += room
	}
	return n, nil
}

// Flush hands over what has been written.
func (w *handlerWriter) Flush() { w.FlushError() }

// FlushError is Flush for http.ResponseController.
func (w *handlerWriter) FlushError() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return errHandlerEnd
	}
	if w.status == 0 {
		w.writeHeader(http.StatusOK)
	}
	if len(*w.buf) == 0 {
		return nil
	}
	return w.handOverBuffer()
}

// handOverBuffer gives the buffer to Next and waits until it is free again.
func (w *handlerWriter) handOverBuffer() error {
	w.sniff()
	err := w.handOver(handover{chunk: *w.buf})
	if err == nil {
		*w.buf = (*w.buf)[:0]
	}
	return err
}

// handOver gives h to Next and waits until it has left. The caller holds mu, so
// that other writers wait as well.
func (w *handlerWriter) handOver(h handover) error {
	if w.late = w.late || w.deadline.passed(); w.late {
		return os.ErrDeadlineExceeded
	}
	late := w.deadline.done()
	select {
	case w.out <- h:
	case <-w.gone:
		return net.ErrClosed
	case <-late:
		w.late = true
		return os.ErrDeadlineExceeded
	}
	select {
	case <-w.resume:
		return nil
	case <-w.gone:
		return net.ErrClosed
	case <-late:
		w.late, w.held = true, true
		return os.ErrDeadlineExceeded
	}
}

// sniff adds the Content-Type before the first hand-over.
func (w *handlerWriter) sniff() {
	if !w.sent && !w.typed && len(*w.buf) > 0 {
		w.fields = append(w.fields, Field{"Content-Type", http.DetectContentType(*w.buf)})
	}
	w.sent = true
}

// finish hands over the end: what is still in the buffer, or the error that broke
// the handler off.
func (w *handlerWriter) finish(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.held {
		select {
		case <-w.resume:
		case <-w.gone:
		}
	}
	if err == nil && (w.late || w.deadline.passed()) {
		err = fmt.Errorf("gateway: the handler's write deadline: %w", os.ErrDeadlineExceeded)
	}
	w.deadline.set(time.Time{})
	last := handover{err: err}
	if err == nil {
		if w.status == 0 {
			w.writeHeader(http.StatusOK)
		}
		w.sniff()
		last = handover{chunk: *w.buf, err: io.EOF}
		if w.extras {
			last.fields = trailerFields(w.header, w.trailers)
		}
	}
	w.ended = true
	select {
	case w.out <- last:
	case <-w.gone:
	}
}

// deadline is a time that can be moved while somebody waits for it.
type deadline struct {
	mu    sync.Mutex
	timer *time.Timer
	over  chan struct{} // closed when it has passed; nil until there is a deadline, or somebody waits
}

// set moves the deadline to t; zero means none. One that has passed is over for who waits.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	select {
	case <-d.over:
		d.over = nil
	default:
		if d.timer != nil && !d.timer.Stop() {
			d.over = nil // it is about to be closed
		}
	}
	d.timer = nil
	if t.IsZero() {
		return
	}
	if d.over == nil {
		d.over = make(chan struct{})
	}
	over := d.over
	if wait := time.Until(t); wait > 0 {
		d.timer = time.AfterFunc(wait, func() { close(over) })
		return
	}
	close(over)
}

// done returns what is closed when the deadline passes.
func (d *deadline) done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over == nil {
		d.over = make(chan struct{})
	}
	return d.over
}

func (d *deadline) passed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	select {
	case <-d.over: // not, if it is nil
		return true
	default:
		return false
	}
}
