package meter

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestSplit(t *testing.T) {
	smt := Topology{0: {0, 1}, 1: {0, 1}, 2: {2, 3}, 3: {2, 3}, 4: {4, 5}, 5: {4, 5}}
	far := Topology{0: {0, 2}, 1: {1, 3}, 2: {0, 2}, 3: {1, 3}}
	for _, c := range []struct {
		name  string
		cpus  []int
		share float64
		topo  Topology
		want  Sets
	}{
		{"none", nil, 0, nil, Sets{}},
		{"one", []int{3}, 0, nil, Sets{Server: []int{3}, Generator: []int{3}, Shared: true}},
		{"two", []int{1, 0}, 0, nil, Sets{Server: []int{0}, Generator: []int{1}}},
		{"two siblings", []int{0, 1}, 0, smt, Sets{Server: []int{0}, Generator: []int{1}, SplitCore: true}},
		{"one of each core", []int{1, 3}, 0, smt, Sets{Server: []int{1}, Generator: []int{3}}},
		{"a core and a half", []int{0, 1, 3}, 0, smt, Sets{Server: []int{0, 1}, Generator: []int{3}}},
		{"siblings far apart", []int{0, 1, 2, 3}, 0, far, Sets{Server: []int{0, 2}, Generator: []int{1, 3}}},
		{"three cores", []int{0, 1, 2, 3, 4, 5}, 0, smt, Sets{Server: []int{0, 1, 2, 3}, Generator: []int{4, 5}}},
		{"two thirds", []int{0, 1, 2, 3, 4, 5}, 0.7, smt, Sets{Server: []int{0, 1}, Generator: []int{2, 3, 4, 5}}},
		{"a small share", []int{0, 1, 2, 3}, 0.01, nil, Sets{Server: []int{0, 1, 2}, Generator: []int{3}}},
		{"a large share", []int{0, 1, 2, 3}, 0.99, nil, Sets{Server: []int{0}, Generator: []int{1, 2, 3}}},
		{"doubles", []int{1, 1, 0}, 0, nil, Sets{Server: []int{0}, Generator: []int{1}}},
	} {
		if diff := cmp.Diff(c.want, Split(c.cpus, c.share, c.topo)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// Whatever the host, each CPU is in one set, none is empty and no core is
// split where there are two.
func TestSplitProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		width := rapid.IntRange(1, 4).Draw(t, "threads per core")
		n := rapid.IntRange(2, 64).Draw(t, "CPUs of the host")
		topo := Topology{}
		for cpu := range n {
			for s := cpu % max(1, n/width); s < n; s += max(1, n/width) {
				topo[cpu] = append(topo[cpu], s)
			}
		}
		cpus := rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 2, n, rapid.ID).Draw(t, "allowed")
		s := Split(cpus, rapid.Float64Range(0, 1).Draw(t, "share"), topo)
		all := slices.Concat(s.Server, s.Generator)
		slices.Sort(all)
		slices.Sort(cpus)
		if !slices.Equal(all, cpus) || len(s.Server) == 0 || len(s.Generator) == 0 || s.Shared {
			t.Fatalf("%v became %+v", cpus, s)
		}
		for _, cpu := range s.Server {
			for _, sibling := range topo[cpu] {
				if slices.Contains(s.Generator, sibling) && !s.SplitCore {
					t.Fatalf("CPUs %d and %d share a core: %+v", cpu, sibling, s)
				}
			}
		}
		if s.SplitCore && len(cores(cpus, topo)) > 1 {
			t.Fatalf("a core was split without need: %+v", s)
		}
	})
}

func TestParseCPUs(t *testing.T) {
	for s, want := range map[string][]int{"0": {0}, "0-3,8\n": {0, 1, 2, 3, 8}, "5,1-2,2": {1, 2, 5}} {
		if got, err := ParseCPUs(s); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q gave %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "a", "1-", "-1", "3-1", "1,,2", "99999999"} {
		if got, err := ParseCPUs(s); err == nil {
			t.Errorf("%q gave %v", s, got)
		}
	}
}
