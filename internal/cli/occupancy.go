package cli

import (
	"slices"

	"github.com/dynobench/dyno/bench/target"
)

// tellOccupancy has dyno's own servers tell how full they are while they are
// measured and, if they are to be profiled, serve their profiles.
func tellOccupancy(targets []target.Target, profiled bool) {
	for i := range targets {
		t := &targets[i]
		if t.Kind == target.Outside {
			continue
		}
		t.Command = slices.Clone(t.Command)
		if !t.Takes(target.Stats) {
			t.Command = append(t.Command, "--stats", "{"+target.Stats+"}", "--stats-latency=false")
		}
		if profiled && !t.Takes(target.Pprof) {
			t.Command = append(t.Command, "--pprof", "{"+target.Pprof+"}")
		}
	}
}
