package meter

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Topology tells for each CPU which CPUs share its core (SMT), itself
// included. A CPU that is not in it has a core of its own.
type Topology map[int][]int

// Sets is how the CPUs are shared out.
type Sets struct {
	Server, Generator []int // ascending
	Shared            bool  // there is only one CPU, and it is in both sets
	SplitCore         bool  // both sets are on one core, as its siblings, and slow each other down
}

// DefaultShare is the generator's share of the CPUs. The cheapest servers
// cost as much CPU per request as the generator, so with less than a half it
// would be the generator that is measured.
const DefaultShare = 0.5

// Split shares CPUs out among server and generator: disjoint sets wherever
// there is more than one CPU, whole cores wherever there is more than one
// core. The server gets the first cores and the generator the last: share of
// them (0 means DefaultShare), rounded down, and at least one each.
func Split(cpus []int, share float64, t Topology) Sets {
	if share <= 0 || share >= 1 {
		share = DefaultShare
	}
	cpus = slices.Compact(slices.Sorted(slices.Values(cpus)))
	units := cores(cpus, t)
	var s Sets
	if len(units) == 1 {
		if len(cpus) == 1 {
			return Sets{Server: cpus, Generator: slices.Clone(cpus), Shared: true}
		}
		s.SplitCore = true
		units = units[:0]
		for _, cpu := range cpus {
			units = append(units, []int{cpu})
		}
	}
	n := len(units)
	if n == 0 {
		return Sets{}
	}
	first := n - min(max(int(share*float64(n)), 1), n-1)
	s.Server = slices.Sorted(slices.Values(slices.Concat(units[:first]...)))
	s.Generator = slices.Sorted(slices.Values(slices.Concat(units[first:]...)))
	return s
}

// cores groups the sorted CPUs by core, in the order of each core's first.
func cores(cpus []int, t Topology) [][]int {
	var units [][]int
	placed := map[int]bool{}
	for _, cpu := range cpus {
		if placed[cpu] {
			continue
		}
		unit := []int{cpu}
		for _, sibling := range t[cpu] {
			if sibling != cpu && !placed[sibling] && slices.Contains(cpus, sibling) {
				unit = append(unit, sibling)
			}
		}
		for _, c := range unit {
			placed[c] = true
		}
		units = append(units, unit)
	}
	return units
}

// ParseCPUs reads a list of CPUs as the kernel and taskset write it: 0-3,8.
// The result is ascending and without doubles.
func ParseCPUs(s string) ([]int, error) {
	var cpus []int
	for part := range strings.SplitSeq(strings.TrimSpace(s), ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		a, err1 := strconv.ParseUint(from, 10, 16)
		b, err2 := strconv.ParseUint(to, 10, 16)
		if err1 != nil || err2 != nil || b < a {
			return nil, fmt.Errorf("%q is no list of CPUs such as 0-3,8", s)
		}
		for cpu := a; cpu <= b; cpu++ {
			cpus = append(cpus, int(cpu))
		}
	}
	slices.Sort(cpus)
	return slices.Compact(cpus), nil
}
