package memory

import (
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
)

func TestSpare(t *testing.T) {
	const mib = 1 << 20
	small := footing{held: 5 * mib, goal: 4 * mib}
	crowd := footing{held: 30 * mib, goal: 29 * mib}
	gone := footing{held: 30 * mib, goal: 4 * mib}
	tests := []struct {
		name    string
		looks   int
		busy    bool    // the load has a collection between two looks
		at      footing // before
		after   footing // once there has been a collection that was forced
		collect []int   // the looks that force one
		give    []int   // those that give back
	}{
		{"little", 100, false, small, small, nil, nil},
		{"a steady load", 100, true, crowd, crowd, nil, nil},
		{"a load that has gone, another allocates", 3, true, gone, gone, nil, []int{1, 2, 3}},
		{"a load that has gone, and nothing allocates", 5, false, crowd, gone, []int{4}, []int{4}},
		{"connections that stay and are silent", 80, false, crowd, crowd, []int{4, 8, 14, 23, 36, 55}, nil},
		{"no goal (GOGC=off)", 3, true, footing{held: 90 * mib, goal: 1<<64 - 1}, footing{}, nil, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var collected, given []int
			s := spare{patience: spareQuiet}
			at, look := test.at, 0
			cycles := uint64(1)
			stand := func() footing { f := at; f.cycles = cycles; return f }
			for look = 1; look <= test.looks; look++ {
				if test.busy {
					cycles++
				}
				s.look(stand, func() {
					cycles++
					at = test.after
					if !slices.Contains(collected, look) {
						collected = append(collected, look)
					}
				}, func() {
					cycles++
					given = append(given, look)
					if !test.busy {
						at = small
					}
				})
			}
			if !slices.Equal(collected, test.collect) || !slices.Equal(given, test.give) {
				t.Errorf("collects at looks %v, gives back at %v; want %v, %v", collected, given, test.collect, test.give)
			}
		})
	}
}

// TestSpareOfTheProcess has the real heap grow, and what it held be forgotten.
func TestSpareOfTheProcess(t *testing.T) {
	crowd := make([][]byte, 4096)
	for i := range crowd {
		crowd[i] = make([]byte, 16<<10)
		crowd[i][0] = 1
	}
	s := spare{patience: spareQuiet}
	s.look(stand, runtime.GC, debug.FreeOSMemory)
	before := stand()
	runtime.KeepAlive(crowd)
	crowd = nil
	for range 2 * spareQuiet {
		s.look(stand, runtime.GC, debug.FreeOSMemory)
	}
	if after := stand(); before.held-after.held < 32<<20 || after.held > before.held {
		t.Errorf("%d bytes were held of a load of 64 MiB, and %d after it", before.held, after.held)
	}
}
