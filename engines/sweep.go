package engines

import (
	"slices"
	"strconv"
	"strings"
)

// Try returns the values of Sweep that differ from current, for a server with so
// many CPUs. Beside what the setting itself takes, Sweep may say cpus/2 and
// cpus*2, of any number; Try returns those as the numbers that they are there.
func (k Knob) Try(current string, cpus int) []string {
	seen := []string{onCPUs(current, cpus)}
	var values []string
	for _, v := range k.Sweep {
		number := onCPUs(v, cpus)
		if slices.Contains(seen, number) {
			continue
		}
		seen = append(seen, number)
		if v != CPUs {
			v = number
		}
		values = append(values, v)
	}
	return values
}

// onCPUs is the value v on a server with so many CPUs: 8 for cpus*2 on four.
func onCPUs(v string, cpus int) string {
	rest, ok := strings.CutPrefix(v, CPUs)
	if !ok {
		return v
	}
	n := max(cpus, 1)
	if by, ok := strings.CutPrefix(rest, "*"); ok {
		n *= atLeastOne(by)
	} else if by, ok := strings.CutPrefix(rest, "/"); ok {
		n = max(n/atLeastOne(by), 1)
	} else if rest != "" {
		return v
	}
	return strconv.Itoa(n)
}

func atLeastOne(s string) int {
	n, _ := strconv.Atoi(s) // what is no number is the catalog's mistake, which its test finds
	return max(n, 1)
}
