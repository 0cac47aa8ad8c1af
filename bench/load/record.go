package load

import (
	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/dynobench/dyno/results"
)

// kind is how a request ended.
type kind uint8

const (
	answered    kind = iota // rightly
	wrongStatus             // answered, with another status than expected
	wrongBody               // answered, with another body than expected
	failedConnect
	failedRead
	failedWrite
	timedOut
	neverSent
	cutShort // under way when the run was over
	kinds
)

// An outcome is one request that has ended, with its clocks.
type outcome struct {
	kind  kind
	class int
	conn  int // on which connection, −1 where that is not known

	intended int64 // due
	ready    int64 // both due and a connection free: from here on the delay is the generator's own
	acted    int64 // the generator began to send, or to connect first, or to wait for the connection to take it
	sent     int64 // first byte given to the system
	done     int64 // last byte of the answer received, or given up
	bytes    int64 // read
	status   int   // of the answer
	resent   bool  // sent a second time, on a new connection
}

// A recorder counts what the requests of one thread came to: those that are
// due in the window, and by connection and in the series all that are answered
// in it. It allocates as the window goes on, not as
// requests do.
type recorder struct {
	window  *window
	busy    int64 // ns that requests were under way within the window, all added up
	quiet   quietness
	gaveUp  int64   // when the last request timed out
	within  float64 // answers, each by the share of its time that lies within the window
	right   float64 // of them, the right ones
	run     results.WholeRun
	total   int64
	kinds   [kinds]int64
	bytes   int64
	latency *hdrhistogram.Histogram // of answers, and of what was waited for in vain
	service *hdrhistogram.Histogram
	sendLag *hdrhistogram.Histogram // sent − intended
	ownLag  *hdrhistogram.Histogram // acted − ready
	classes []classRecord
	conns   []int64 // answers by connection
	series  series
	live    live
	journal *diary // where each request is kept

	reconnects int64
	resent     int64 // requests sent again, since an idle close had cut them
	stray      int64 // bytes came that no request had asked for
	late       int64 // sent after the window had ended, though a connection had been free
	cause      error // of the last failure that has more to say than its kind
	status     int   // the last wrong one
}

type classRecord struct {
	answers, errors int64
	latency         *hdrhistogram.Histogram
	service         octaves
}

func newRecorder(w *window, classes, conns int) *recorder {
	r := &recorder{
		window: w, conns: make([]int64, conns), classes: make([]classRecord, classes),
		latency: results.NewHistogram(), service: results.NewHistogram(),
		sendLag: results.NewHistogram(), ownLag: results.NewHistogram(),
	}
	for i := range r.classes {
		r.classes[i].latency = results.NewHistogram()
	}
	r.live.next = never
	w.recorders = append(w.recorders, r)
	return r
}

// record counts o. What has failed by losing its connection has no latency:
// a server that refuses is not a fast one. A request that timed out or was
// never sent has been waited for, and counts with its age, which is the least
// that its latency would have been.
func (r *recorder) record(o *outcome) {
	r.count(o)
	if o.done >= r.live.next {
		r.live.publish(r, o.done)
	}
}

func (r *recorder) count(o *outcome) {
	start, end := r.window.start.Load(), r.window.end.Load()
	answer := o.kind <= wrongBody
	r.countRun(o)
	if o.kind != neverSent {
		r.busy += max(0, min(o.done, end)-max(o.intended, start))
		r.quiet.ended(o.begun(), o.done, answer, start, end)
	}
	if o.kind == timedOut {
		r.gaveUp = max(r.gaveUp, o.done)
	}
	latency := o.done - o.intended
	if answer {
		share := o.within(start, end)
		if r.within += share; o.kind == answered {
			r.right += share
		}
	}
	if answer && o.done >= start && o.done < end {
		r.series.answer(o.done-start, latency, o.kind != answered)
		if o.conn >= 0 {
			r.conns[o.conn]++
		}
	}
	left := o.done // where it was never sent
	if o.kind != neverSent && o.kind != failedConnect && o.sent >= o.intended {
		if left = o.sent; left >= start && left < end {
			r.series.sent(left - start)
		}
	}
	if o.intended < start && start != never && o.done >= end && o.kind != cutShort {
		r.starving(o.class, latency)
	}
	if o.intended < start || o.intended >= end {
		return
	}
	r.total++
	r.series.waited(o.intended-start, left-start, end-start)
	if r.journal != nil {
		r.journal.keep(o)
	}
	r.kinds[o.kind]++
	if o.resent {
		r.resent++
	}
	class := &r.classes[o.class]
	if o.kind != answered && o.kind != cutShort {
		class.errors++
	}
	switch o.kind {
	case answered, wrongStatus, wrongBody:
		if o.kind == wrongStatus {
			r.status = o.status
		}
		class.answers++
		r.bytes += o.bytes
		results.RecordNS(r.service, o.done-o.sent)
		class.service.add(o.done - o.sent)
		results.RecordNS(r.sendLag, o.sent-o.intended)
		results.RecordNS(r.ownLag, o.acted-o.ready)
	case cutShort:
	case timedOut, neverSent:
		r.series.fail(o.done - start)
	default:
		r.series.fail(o.done - start)
		return
	}
	results.RecordNS(r.latency, latency)
	results.RecordNS(class.latency, latency)
}

// begun is when the generator began to act on the request.
func (o *outcome) begun() int64 {
	if o.acted == 0 {
		return o.intended
	}
	return o.acted
}

// within is the share of the request's time that lies within the window. Added
// up over all answers that is their rate, without a bias by the edges: each
// answer spreads over its time what it counts for, and none of it is counted
// twice or left out.
func (o *outcome) within(start, end int64) float64 {
	begun := o.begun()
	if o.done <= begun {
		if o.done >= start && o.done < end {
			return 1
		}
		return 0
	}
	return float64(max(0, min(o.done, end)-max(begun, start))) / float64(o.done-begun)
}

// countRun counts what was sent from the beginning of the run to its end, the
// warm-up included: what the server can have seen.
func (r *recorder) countRun(o *outcome) {
	if o.sent == 0 || o.kind == failedConnect {
		return
	}
	switch {
	case o.kind <= wrongBody:
		r.run.Answered++
	case o.kind == cutShort:
		r.run.Cut++
	case o.kind != neverSent:
		r.run.Failed++
	}
}

// starving counts a request that was due before the window and still had no
// answer at its end: no failure yet, but a wait, and the longest there is. It
// enters the latency, with its age where it never got one, or a server that serves a few connections
// and forgets the others would look like one that serves a few.
func (r *recorder) starving(class int, age int64) {
	results.RecordNS(r.latency, age)
	results.RecordNS(r.classes[class].latency, age)
}

// add takes what another recorder of the same window has.
func (r *recorder) add(from *recorder) {
	r.busy += from.busy
	r.quiet.both(&from.quiet)
	r.gaveUp = max(r.gaveUp, from.gaveUp)
	r.within += from.within
	r.right += from.right
	r.run.Add(from.run)
	r.total += from.total
	for i, n := range from.kinds {
		r.kinds[i] += n
	}
	r.bytes += from.bytes
	r.latency.Merge(from.latency)
	r.service.Merge(from.service)
	r.sendLag.Merge(from.sendLag)
	r.ownLag.Merge(from.ownLag)
	for i := range from.classes {
		r.classes[i].answers += from.classes[i].answers
		r.classes[i].errors += from.classes[i].errors
		r.classes[i].latency.Merge(from.classes[i].latency)
		r.classes[i].service.merge(&from.classes[i].service)
	}
	r.conns = append(r.conns, from.conns...)
	r.series.add(&from.series)
	r.reconnects += from.reconnects
	r.resent += from.resent
	r.stray += from.stray
	r.late += from.late
	if from.cause != nil {
		r.cause = from.cause
	}
	if from.status != 0 {
		r.status = from.status
	}
}

func (r *recorder) errors() results.Errors {
	return results.Errors{
		Connect: r.kinds[failedConnect], Read: r.kinds[failedRead], Write: r.kinds[failedWrite],
		Timeout: r.kinds[timedOut], Status: r.kinds[wrongStatus], Body: r.kinds[wrongBody],
		Unsent: r.kinds[neverSent],
	}
}

// answers is the number of requests answered, rightly or not.
func (r *recorder) answers() int64 {
	return r.kinds[answered] + r.kinds[wrongStatus] + r.kinds[wrongBody]
}
