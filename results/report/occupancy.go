package report

import (
	"fmt"
	"strings"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/report/plot"
	"github.com/dynobench/dyno/results/stats"
)

// From which share of the readings on it is worth telling that all slots were
// busy, and from how many readings on a share is one.
const (
	mostlyFull   = 0.5
	fewestToTell = 10
)

// fullness is what the plot of r shows.
func (r *Row) fullness() plot.Fullness {
	f := plot.Fullness{Target: r.name()}
	for _, t := range r.Valid {
		o := t.Occupancy
		if o == nil {
			continue
		}
		f.Slots = max(f.Slots, float64(o.Slots))
		readings := make([]plot.Full, len(o.TS))
		for i, s := range o.TS {
			readings[i] = plot.Full{S: s, Busy: -1, Waiting: waiting(o, i)}
			if i < len(o.Busy) {
				readings[i].Busy = float64(o.Busy[i])
			}
		}
		f.Trials = append(f.Trials, readings)
	}
	return f
}

// waiting is how many connections waited at a reading, for a slot or to be
// accepted; −1 if nobody could tell.
func waiting(o *results.Occupancy, i int) float64 {
	n := -1.0
	for _, column := range [][]int64{o.Queue, o.Backlog} {
		if i < len(column) {
			n = max(n, 0) + float64(column[i])
		}
	}
	return n
}

// fullNote names the targets that were full, or kept connections waiting, for
// most of the time.
func (s *Scenario) fullNote() string {
	var told []string
	for i := range s.Rows {
		if text := s.Rows[i].full(); text != "" {
			told = append(told, text)
		}
	}
	if told == nil {
		return ""
	}
	return "Server occupancy, all valid trials: " + strings.Join(told, "; ") + "."
}

// full says in a phrase how full the target was, if it was.
func (r *Row) full() string {
	var readings, full int
	var slots int64
	var waited []float64
	for _, t := range r.Valid {
		o := t.Occupancy
		if o == nil {
			continue
		}
		slots = max(slots, o.Slots)
		for i := range o.TS {
			if n := waiting(o, i); n >= 0 {
				waited = append(waited, n)
			}
		}
		for _, busy := range o.Busy {
			readings++
			if o.Slots > 0 && busy >= o.Slots {
				full++
			}
		}
	}
	queue := ""
	if len(waited) >= fewestToTell {
		if n := stats.Median(waited); n >= 1 {
			queue = fmt.Sprintf("%s waited (median)", format.Plural(int(n), "connection"))
		}
	}
	share := float64(full) / float64(max(readings, 1))
	if readings < fewestToTell || share < mostlyFull {
		if queue == "" {
			return ""
		}
		return r.name() + ", " + queue
	}
	busy := fmt.Sprintf("all %s slots of %s were", format.Count(slots), r.name())
	if slots == 1 {
		busy = "the only slot of " + r.name() + " was"
	}
	busy += " busy " + format.Percent(100*share) + " % of the time"
	if queue != "" {
		busy += ", " + queue
	}
	return busy
}
