package load

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/dynobench/dyno/results"
)

// DefaultTraceLimit is how many requests a Trace keeps where it sets no limit
// of its own: 1.2 GB of them.
const DefaultTraceLimit = 50_000_000

// CodeTraceFull marks a result of which a Trace is not the whole.
const CodeTraceFull = "trace-full"

// Trace keeps every request of a run, for those who want to look at each. It
// takes 24 bytes of fresh memory for a request, and the generator's time for
// touching it: next to nothing on most hosts, half a µs where a hypervisor
// hands memory out late. Run alone writes it; the zero value is ready for one
// run.
type Trace struct {
	Limit int64 // requests to keep at most; DefaultTraceLimit where 0

	config  *Config
	base    time.Time
	threads []*tracer
	lost    int64
}

// Traced is one request of a Trace.
type Traced struct {
	Request  *Request      // its class; the Trace owns it
	Intended time.Time     // when it was due
	Latency  time.Duration // from then; of what failed, how long it was waited for
	Status   int           // of the answer, 0 without one
	Bytes    int64         // read, up to 4 GiB
	Failure  string        // what went wrong, in words; empty if the answer was right
}

// A tracer is one thread's part of a Trace: chunks, so that a long run moves
// nothing.
type tracer struct {
	chunks [][]traced
	left   int64 // how many more may come
	lost   int64
}

type traced struct {
	intended int64
	latency  int64
	bytes    uint32
	class    uint16
	how      uint16 // kind, and above it the status
}

const (
	traceChunk = 1 << 14
	kindBits   = 4
)

// add returns the part of one thread out of n.
func (t *Trace) add(n int) *tracer {
	tr := &tracer{left: cmp.Or(t.Limit, DefaultTraceLimit) / int64(n)}
	t.threads = append(t.threads, tr)
	return tr
}

func (t *tracer) keep(o *outcome) {
	if t.left == 0 {
		t.lost++
		return
	}
	t.left--
	last := len(t.chunks) - 1
	if last < 0 || len(t.chunks[last]) == traceChunk {
		t.chunks = append(t.chunks, make([]traced, 0, traceChunk))
		last++
	}
	status := 0
	if o.kind <= wrongBody {
		status = o.status
	}
	t.chunks[last] = append(t.chunks[last], traced{
		intended: o.intended, latency: o.done - o.intended, bytes: uint32(min(o.bytes, 1<<32-1)),
		class: uint16(o.class), how: uint16(status)<<kindBits | uint16(o.kind),
	})
}

// begin is called before the load begins.
func (t *Trace) begin(c *Config) error {
	if t.config != nil {
		return bad("Trace", "a Trace is for one run: use a new one")
	}
	if len(c.Requests) > 1<<16 {
		return bad("Trace", "%d request classes: a Trace tells %d apart", len(c.Requests), 1<<16)
	}
	if t.Limit < 0 {
		return bad("Trace", "a limit of %d requests: at least 1 is needed, or 0 for %d", t.Limit, DefaultTraceLimit)
	}
	t.config, t.base = c, clockBase
	return nil
}

// end is called once nothing is added any more.
func (t *Trace) end(l *results.Load) {
	for _, tr := range t.threads {
		t.lost += tr.lost
	}
	if t.lost > 0 {
		l.Warn(results.Warning{
			Code: CodeTraceFull, Hint: "a shorter duration or a lower rate; the histograms hold every request",
			Message: fmt.Sprintf("the record of single requests is full: %d of them are not in it", t.lost),
		})
	}
}

// Len is the number of requests that were kept.
func (t *Trace) Len() int64 {
	n := int64(0)
	for _, tr := range t.threads {
		for _, c := range tr.chunks {
			n += int64(len(c))
		}
	}
	return n
}

// Lost is the number of requests that were too many to be kept.
func (t *Trace) Lost() int64 { return t.lost }

// All yields the requests in the order in which they were due. It sorts them
// in place when it is called first and must not be called while the run lasts.
func (t *Trace) All() iter.Seq[Traced] {
	var runs [][]traced
	for _, tr := range t.threads {
		for _, c := range tr.chunks {
			slices.SortFunc(c, func(a, b traced) int { return cmp.Compare(a.intended, b.intended) })
			runs = append(runs, c)
		}
	}
	return func(yield func(Traced) bool) {
		for r := range merged(runs) {
			if !yield(t.traced(r)) {
				return
			}
		}
	}
}

func (t *Trace) traced(r traced) Traced {
	kind, status := kind(r.how&(1<<kindBits-1)), int(r.how>>kindBits)
	return Traced{
		Request: &t.config.Requests[r.class], Intended: t.base.Add(time.Duration(r.intended)).Round(0),
		Latency: time.Duration(r.latency), Status: status, Bytes: int64(r.bytes), Failure: kind.describe(status),
	}
}

// describe says in words what a kind of failure is.
func (k kind) describe(status int) string {
	switch k {
	case wrongStatus:
		return fmt.Sprintf("unexpected status %d", status)
	case wrongBody:
		return fmt.Sprintf("unexpected body (status %d)", status)
	case failedConnect:
		return "connection could not be made"
	case failedRead:
		return "connection lost, or answer malformed, before it was whole"
	case failedWrite:
		return "connection lost while sending"
	case timedOut:
		return "no whole answer in time"
	case neverSent:
		return "due in the window and never sent"
	}
	return ""
}

// merged yields what sorted runs hold, in order, by a heap of their heads.
func merged(runs [][]traced) iter.Seq[traced] {
	return func(yield func(traced) bool) {
		h := make([][]traced, 0, len(runs)) // none is empty; the least head first
		down := func(i int) {
			for {
				least := i
				for _, c := range []int{2*i + 1, 2*i + 2} {
					if c < len(h) && h[c][0].intended < h[least][0].intended {
						least = c
					}
				}
				if least == i {
					return
				}
				h[i], h[least] = h[least], h[i]
				i = least
			}
		}
		for _, r := range runs {
			if len(r) > 0 {
				h = append(h, r)
			}
		}
		for i := len(h)/2 - 1; i >= 0; i-- {
			down(i)
		}
		for len(h) > 0 {
			if !yield(h[0][0]) {
				return
			}
			if h[0] = h[0][1:]; len(h[0]) == 0 {
				h[0] = h[len(h)-1]
				h = h[:len(h)-1]
			}
			down(0)
		}
	}
}
