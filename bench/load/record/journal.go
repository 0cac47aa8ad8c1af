package record

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"
)

// DefaultJournalLimit is how many requests a Journal keeps where it sets no limit
// of its own: 1.2 GB of them.
const DefaultJournalLimit = 50_000_000

// Journal keeps every request of a run, for those who want to look at each. It
// takes 24 bytes of fresh memory for a request, and the generator's time for
// touching it: next to nothing on most hosts, half a µs where a hypervisor
// hands memory out late. Run alone writes it; the zero value is ready for one
// run.
type Journal struct {
	Limit int64 // requests to keep at most; DefaultJournalLimit where 0

	classes []Asked
	base    time.Time
	threads []*diary
	lost    int64
}

// Asked is one class of requests, as it was asked for.
type Asked struct {
	Class, Method, URL string
	Body               int // bytes
}

// Entry is one request of a Journal.
type Entry struct {
	Asked    *Asked        // its class; the Journal owns it
	Intended time.Time     // when it was due
	Latency  time.Duration // from then; of what failed, how long it was waited for
	Status   int           // of the answer, 0 without one
	Bytes    int64         // read, up to 4 GiB
	Failure  string        // what went wrong, in words; empty if the answer was right
}

// A diary is one thread's part of a Journal: chunks, so that a long run moves
// nothing.
type diary struct {
	chunks [][]entry
	left   int64 // how many more may come
	lost   int64
}

type entry struct {
	intended int64
	latency  int64
	bytes    uint32
	class    uint16
	how      uint16 // kind, and above it the status
}

const (
	journalChunk = 1 << 14
	kindBits     = 4
)

// Add returns the part of one thread out of n.
func (j *Journal) Add(n int) *diary {
	d := &diary{left: cmp.Or(j.Limit, DefaultJournalLimit) / int64(n)}
	j.threads = append(j.threads, d)
	return d
}

func (d *diary) keep(o *Outcome) {
	if d.left == 0 {
		d.lost++
		return
	}
	d.left--
	last := len(d.chunks) - 1
	if last < 0 || len(d.chunks[last]) == journalChunk {
		d.chunks = append(d.chunks, make([]entry, 0, journalChunk))
		last++
	}
	status := 0
	if o.Kind <= WrongBody {
		status = o.Status
	}
	d.chunks[last] = append(d.chunks[last], entry{
		intended: o.Intended, latency: o.Done - o.Intended, bytes: uint32(min(o.Bytes, 1<<32-1)),
		class: uint16(o.Class), how: uint16(status)<<kindBits | uint16(o.Kind),
	})
}

// Begin is called before the load begins.
func (j *Journal) Begin(classes []Asked) error {
	if j.classes != nil {
		return errors.New("a Journal is for one run: use a new one")
	}
	if len(classes) > 1<<16 {
		return fmt.Errorf("%d request classes: a Journal tells %d apart", len(classes), 1<<16)
	}
	if j.Limit < 0 {
		return fmt.Errorf("a limit of %d requests: at least 1 is needed, or 0 for %d", j.Limit, DefaultJournalLimit)
	}
	j.classes, j.base = classes, ClockBase
	return nil
}

// End is called once nothing is added any more.
func (j *Journal) End() {
	for _, d := range j.threads {
		j.lost += d.lost
	}
}

// Len is the number of requests that were kept.
func (j *Journal) Len() int64 {
	n := int64(0)
	for _, d := range j.threads {
		for _, c := range d.chunks {
			n += int64(len(c))
		}
	}
	return n
}

// Lost is the number of requests that were too many to be kept.
func (j *Journal) Lost() int64 { return j.lost }

// All yields the requests in the order in which they were due. It sorts them
// in place when it is called first and must not be called while the run lasts.
func (j *Journal) All() iter.Seq[Entry] {
	var runs [][]entry
	for _, d := range j.threads {
		for _, c := range d.chunks {
			slices.SortFunc(c, func(a, b entry) int { return cmp.Compare(a.intended, b.intended) })
			runs = append(runs, c)
		}
	}
	return func(yield func(Entry) bool) {
		for r := range merged(runs) {
			if !yield(j.entry(r)) {
				return
			}
		}
	}
}

func (j *Journal) entry(r entry) Entry {
	kind, status := Kind(r.how&(1<<kindBits-1)), int(r.how>>kindBits)
	return Entry{
		Asked: &j.classes[r.class], Intended: j.base.Add(time.Duration(r.intended)).Round(0),
		Latency: time.Duration(r.latency), Status: status, Bytes: int64(r.bytes), Failure: kind.describe(status),
	}
}

// describe says in words what a kind of failure is.
func (k Kind) describe(status int) string {
	switch k {
	case WrongStatus:
		return fmt.Sprintf("unexpected status %d", status)
	case WrongBody:
		return fmt.Sprintf("unexpected body (status %d)", status)
	case FailedConnect:
		return "connection could not be made"
	case FailedRead:
		return "connection lost, or answer malformed, before it was whole"
	case FailedWrite:
		return "connection lost while sending"
	case TimedOut:
		return "no whole answer in time"
	case NeverSent:
		return "due in the window and never sent"
	case CutShort:
		return "under way when the run was interrupted"
	}
	return ""
}

// merged yields what sorted runs hold, in order, by a heap of their heads.
func merged(runs [][]entry) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		h := make([][]entry, 0, len(runs)) // none is empty; the least head first
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
