package results

import (
	"strings"
	"testing"
)

// Figures of one table are of one kind: PSS only where every trial that counts
// has it.
func TestMemoryOf(t *testing.T) {
	trial := func(valid bool, pss int64) Trial {
		return Trial{Load: Load{Valid: valid}, Server: Server{PSSPeakBytes: pss, RSSPeakBytes: 7}}
	}
	for name, test := range map[string]struct {
		trials []Trial
		kind   Metric
		of     float64 // the first
	}{
		"all have PSS":                {[]Trial{trial(true, 3), trial(true, 4)}, PSS, 3},
		"one lacks it":                {[]Trial{trial(true, 3), trial(true, 0)}, RSS, 7},
		"one that does not count":     {[]Trial{trial(true, 3), trial(false, 0)}, PSS, 3},
		"an older run, with RSS only": {[]Trial{trial(true, 0)}, RSS, 7},
	} {
		kind := MemoryOf(&Run{Trials: test.trials})
		if got := kind.Of(&test.trials[0], ""); kind != test.kind || got != test.of || !strings.Contains(ExplainMemory(kind), strings.ToUpper(string(kind[:3]))) {
			t.Errorf("%s: %s, %v; want %s, %v", name, kind, got, test.kind, test.of)
		}
	}
}
