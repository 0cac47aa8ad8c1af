package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/dynobench/dyno/bench/doctor"
	"github.com/dynobench/dyno/bench/load/plan"
)

// answer is what the percentiles of a freeze test have to be.
//
// How long each request has to wait follows from the seed, which says when it
// was due, and from when the server stood still; see doctor.Freeze. Two things
// no analysis knows, and they are taken from the run itself: how long those
// took that had nothing to wait for, and what it takes to answer one of many
// that wait.
//
// A tenth of the window is frozen. So p95, p99 and the highest latency are of
// requests that waited, and follow from the analysis alone; p50 is of the calm
// ones and tells only that they are all there; p90 is where the two meet, among
// the last few of the backlog.
type answer struct {
	waits        []time.Duration // of those that wait, ascending
	calm         []time.Duration // latencies of the others, ascending
	before       []time.Duration // those of them that were due before the freeze, in order
	after        []time.Duration // and after it
	cost         time.Duration
	stop, length time.Duration
}

// sent is a request of the run.
type sent struct{ due, latency time.Duration }

// lateBy is how far what the generator takes for the moment at which a request
// was due may be off the schedule.
const lateBy = time.Millisecond

// expect works the answer out. It fails if the requests of the run are not
// those of the schedule.
func (z frozen) expect(arrivals plan.Arrivals, seed uint64) (answer, error) {
	due := slices.Collect(plan.Config{Rate: freezeRate, Arrivals: arrivals, Seed: seed, Duration: freezeWindow}.Due(0))
	if len(due) != len(z.requests) || int64(len(due)) != z.Requests {
		return answer{}, fmt.Errorf("%d requests were due, %d were answered, and %d are on record", len(due), z.Requests, len(z.requests))
	}
	a := answer{stop: z.stop, length: z.length}
	goOn, last, n := z.stop+z.length, time.Duration(0), 0
	for i, r := range z.requests {
		if (r.due - due[i]).Abs() > lateBy {
			return answer{}, fmt.Errorf("request %d was due at %v and is on record for %v", i, due[i], r.due)
		}
		if due[i] >= z.stop && due[i] < goOn {
			last, n = max(last, r.due+r.latency), n+1
		}
	}
	if n == 0 || last < goOn {
		return answer{}, errors.New("the freeze held up nobody")
	}
	a.cost = (last - goOn) / time.Duration(n)
	for i, wait := range doctor.Waits(due, z.stop, z.length, a.cost) {
		switch latency := z.requests[i].latency; {
		case wait > 0:
			a.waits = append(a.waits, wait)
		case due[i] < z.stop:
			a.before = append(a.before, latency)
		default:
			a.after = append(a.after, latency)
		}
	}
	a.calm = slices.Sorted(slices.Values(slices.Concat(a.before, a.after)))
	slices.Sort(a.waits)
	return a, nil
}

// place is the latency of one of all requests in order, from 1.
func (a answer) place(n int) time.Duration {
	n = min(max(n, 1), len(a.calm)+len(a.waits))
	if n <= len(a.calm) {
		return a.calm[n-1]
	}
	return a.waits[n-len(a.calm)-1]
}

// compare returns the latency that a share q of the requests does not exceed
// and how far got is off it, as a share. Which of the requests that is, is
// defined to one place up or down; off counts from there.
func (a answer) compare(q float64, got time.Duration) (want time.Duration, off float64) {
	n := int(math.Ceil(q * float64(len(a.calm)+len(a.waits))))
	want = a.place(n)
	beyond := max(got-a.place(n+1), a.place(n-1)-got, 0)
	return want, float64(beyond) / float64(want)
}

// medians are of the calm requests before and after the freeze.
func (a answer) medians() (before, after time.Duration) {
	middle := func(all []time.Duration) time.Duration {
		if len(all) == 0 {
			return 0
		}
		return slices.Sorted(slices.Values(all))[len(all)/2]
	}
	return middle(a.before), middle(a.after)
}

// readRequests reads what dyno load --vegeta wrote: a request a line, when it
// was due, a status and its latency in front, in order of the first.
func readRequests(name string, start time.Time) ([]sent, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	r := csv.NewReader(file)
	r.FieldsPerRecord = 12
	lines, err := r.ReadAll()
	if err != nil {
		return nil, err
	}
	var all []sent
	for _, line := range lines {
		at, err := strconv.ParseInt(line[0], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		latency, err := strconv.ParseInt(line[2], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, sent{due: time.Duration(at - start.UnixNano()), latency: time.Duration(latency)})
	}
	return all, nil
}
