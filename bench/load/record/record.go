// Package record keeps what a generator sees: each request's end, counted and in
// histograms by its three clocks, the series over time, stretches without an
// answer, what groups and handshakes came to and, where asked for, each request
// by itself. Its Window says which requests count, its clock is that of a run.
// It judges nothing.
package record

import (
	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/dynobench/dyno/results"
)

// Kind is how a request ended.
type Kind uint8

const (
	Answered    Kind = iota // rightly
	WrongStatus             // answered, with another status than expected
	WrongBody               // answered, with another body than expected
	FailedConnect
	FailedRead
	FailedWrite
	TimedOut
	NeverSent
	CutShort // under way when the run was over
	kinds
)

// An Outcome is one request that has ended, with its clocks.
type Outcome struct {
	Kind  Kind
	Class int
	Conn  int // on which connection, −1 where that is not known

	Intended int64 // due
	Ready    int64 // both due and a connection free: from here on the delay is the generator's own
	Acted    int64 // the generator began to send, or to connect first, or to wait for the connection to take it
	Sent     int64 // first byte given to the system
	Done     int64 // last byte of the answer received, or given up
	Bytes    int64 // read
	Status   int   // of the answer
	Resent   bool  // sent a second time, on a new connection
}

// A Recorder counts what the requests of one thread came to: those that are due
// in the window, and by connection and in the series all that are answered in
// it. It allocates as the window goes on, not as requests do.
type Recorder struct {
	Window  *Window
	Busy    int64 // ns that requests were under way within the window, all added up
	Quiet   quietness
	gaveUp  int64   // when the last request timed out
	Within  float64 // answers, each by the share of its time that lies within the window
	Right   float64 // of them, the right ones
	Run     results.WholeRun
	Total   int64
	Kinds   [kinds]int64
	Bytes   int64
	Latency *hdrhistogram.Histogram // of answers, and of what was waited for in vain
	Service *hdrhistogram.Histogram
	SendLag *hdrhistogram.Histogram // sent − intended
	OwnLag  *hdrhistogram.Histogram // acted − ready
	Classes []classRecord
	Conns   []int64 // answers by connection
	Series  series
	Live    live
	Journal *diary // where each request is kept

	Reconnects int64
	Resent     int64 // requests sent again, since an idle close had cut them
	Stray      int64 // bytes came that no request had asked for
	Late       int64 // sent after the window had ended, though a connection had been free
	Cause      error // of the last failure that has more to say than its kind
	Status     int   // the last wrong one
}

type classRecord struct {
	Answers, Errors int64
	Latency         *hdrhistogram.Histogram
	Service         octaves
}

// NewRecorder makes that of one thread, of so many request classes and
// connections; w knows it from then on.
func NewRecorder(w *Window, classes, conns int) *Recorder {
	r := &Recorder{
		Window: w, Conns: make([]int64, conns), Classes: make([]classRecord, classes),
		Latency: results.NewHistogram(), Service: results.NewHistogram(),
		SendLag: results.NewHistogram(), OwnLag: results.NewHistogram(),
	}
	for i := range r.Classes {
		r.Classes[i].Latency = results.NewHistogram()
	}
	r.Live.Next = Never
	w.Recorders = append(w.Recorders, r)
	return r
}

// Record counts o. What has failed by losing its connection has no latency:
// a server that refuses is not a fast one. A request that timed out or was
// never sent has been waited for, and counts with its age, which is the least
// that its latency would have been.
func (r *Recorder) Record(o *Outcome) {
	r.count(o)
	if o.Done >= r.Live.Next {
		r.Live.publish(r, o.Done)
	}
}

func (r *Recorder) count(o *Outcome) {
	start, end := r.Window.Start.Load(), r.Window.End.Load()
	answer := o.Kind <= WrongBody
	r.countRun(o)
	if o.Kind != NeverSent {
		r.Busy += max(0, min(o.Done, end)-max(o.Intended, start))
		r.Quiet.ended(o.begun(), o.Done, answer, start, end)
	}
	if o.Kind == TimedOut {
		r.gaveUp = max(r.gaveUp, o.Done)
	}
	latency := o.Done - o.Intended
	if answer {
		share := o.within(start, end)
		if r.Within += share; o.Kind == Answered {
			r.Right += share
		}
	}
	if answer && o.Done >= start && o.Done < end {
		r.Series.answer(o.Done-start, latency, o.Kind != Answered)
		if o.Conn >= 0 {
			r.Conns[o.Conn]++
		}
	}
	left := o.Done // where it was never sent
	if o.Kind != NeverSent && o.Kind != FailedConnect && o.Sent >= o.Intended {
		if left = o.Sent; left >= start && left < end {
			r.Series.sent(left - start)
		}
	}
	if o.Intended < start && start != Never && o.Done >= end && o.Kind != CutShort {
		r.Starving(o.Class, latency)
	}
	if o.Intended < start || o.Intended >= end {
		return
	}
	r.Total++
	r.Series.waited(o.Intended-start, left-start, end-start)
	if r.Journal != nil {
		r.Journal.keep(o)
	}
	r.Kinds[o.Kind]++
	if o.Resent {
		r.Resent++
	}
	class := &r.Classes[o.Class]
	if o.Kind != Answered && o.Kind != CutShort {
		class.Errors++
	}
	switch o.Kind {
	case Answered, WrongStatus, WrongBody:
		if o.Kind == WrongStatus {
			r.Status = o.Status
		}
		class.Answers++
		r.Bytes += o.Bytes
		results.RecordNS(r.Service, o.Done-o.Sent)
		class.Service.Add(o.Done - o.Sent)
		results.RecordNS(r.SendLag, o.Sent-o.Intended)
		results.RecordNS(r.OwnLag, o.Acted-o.Ready)
	case CutShort:
	case TimedOut, NeverSent:
		r.Series.fail(o.Done - start)
	default:
		r.Series.fail(o.Done - start)
		return
	}
	results.RecordNS(r.Latency, latency)
	results.RecordNS(class.Latency, latency)
}

// begun is when the generator began to act on the request.
func (o *Outcome) begun() int64 {
	if o.Acted == 0 {
		return o.Intended
	}
	return o.Acted
}

// within is the share of the request's time that lies within the window. Added
// up over all answers that is their rate, without a bias by the edges: each
// answer spreads over its time what it counts for, and none of it is counted
// twice or left out.
func (o *Outcome) within(start, end int64) float64 {
	begun := o.begun()
	if o.Done <= begun {
		if o.Done >= start && o.Done < end {
			return 1
		}
		return 0
	}
	return float64(max(0, min(o.Done, end)-max(begun, start))) / float64(o.Done-begun)
}

// countRun counts what was sent from the beginning of the run to its end, the
// warm-up included: what the server can have seen.
func (r *Recorder) countRun(o *Outcome) {
	if o.Sent == 0 || o.Kind == FailedConnect {
		return
	}
	switch {
	case o.Kind <= WrongBody:
		r.Run.Answered++
	case o.Kind == CutShort:
		r.Run.Cut++
	case o.Kind != NeverSent:
		r.Run.Failed++
	}
}

// Starving counts a request that was due before the window and still had no answer
// at its end: no failure yet, but a wait, and the longest there is. It enters the
// latency, with its age where it never got one, or a server that serves a few
// connections and forgets the others would look like one that serves a few.
func (r *Recorder) Starving(class int, age int64) {
	results.RecordNS(r.Latency, age)
	results.RecordNS(r.Classes[class].Latency, age)
}

// add takes what another recorder of the same window has.
func (r *Recorder) add(from *Recorder) {
	r.Busy += from.Busy
	r.Quiet.both(&from.Quiet)
	r.gaveUp = max(r.gaveUp, from.gaveUp)
	r.Within += from.Within
	r.Right += from.Right
	r.Run.Add(from.Run)
	r.Total += from.Total
	for i, n := range from.Kinds {
		r.Kinds[i] += n
	}
	r.Bytes += from.Bytes
	r.Latency.Merge(from.Latency)
	r.Service.Merge(from.Service)
	r.SendLag.Merge(from.SendLag)
	r.OwnLag.Merge(from.OwnLag)
	for i := range from.Classes {
		r.Classes[i].Answers += from.Classes[i].Answers
		r.Classes[i].Errors += from.Classes[i].Errors
		r.Classes[i].Latency.Merge(from.Classes[i].Latency)
		r.Classes[i].Service.merge(&from.Classes[i].Service)
	}
	r.Conns = append(r.Conns, from.Conns...)
	r.Series.add(&from.Series)
	r.Reconnects += from.Reconnects
	r.Resent += from.Resent
	r.Stray += from.Stray
	r.Late += from.Late
	if from.Cause != nil {
		r.Cause = from.Cause
	}
	if from.Status != 0 {
		r.Status = from.Status
	}
}

// Errors are the failures by kind.
func (r *Recorder) Errors() results.Errors {
	return results.Errors{
		Connect: r.Kinds[FailedConnect], Read: r.Kinds[FailedRead], Write: r.Kinds[FailedWrite],
		Timeout: r.Kinds[TimedOut], Status: r.Kinds[WrongStatus], Body: r.Kinds[WrongBody],
		Unsent: r.Kinds[NeverSent],
	}
}

// Answers is the number of requests answered, rightly or not.
func (r *Recorder) Answers() int64 {
	return r.Kinds[Answered] + r.Kinds[WrongStatus] + r.Kinds[WrongBody]
}
