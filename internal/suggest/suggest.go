// Package suggest words the error for a name that is not known: what it may
// have been meant to be, and what there is.
package suggest

import (
	"fmt"
	"slices"
	"strings"
)

// Nearest returns the known name that name is most likely a slip of, or "" if
// none is near: at most one edit (a letter more, less or other, or two
// neighbours swapped) for each three letters, and one for fewer. Case does not
// count. Of equally near ones it returns the first.
func Nearest(name string, known []string) string {
	if name == "" {
		return ""
	}
	best, nearest := max(len([]rune(name))/3, 1)+1, ""
	for _, k := range known {
		if d := distance(strings.ToLower(name), strings.ToLower(k)); d < best {
			best, nearest = d, k
		}
	}
	return nearest
}

// Unknown returns the error for a name that is not among known. kind says what
// it should have been:
//
//	unknown engine "gorutine": did you mean "goroutine"? Known: goroutine, pool, sync
func Unknown(kind, name string, known []string) error {
	list := slices.Sorted(slices.Values(known))
	if len(list) == 0 {
		return fmt.Errorf("unknown %s %q: there are none", kind, name)
	}
	if near := Nearest(name, list); near != "" {
		return fmt.Errorf("unknown %s %q: did you mean %q? Known: %s", kind, name, near, strings.Join(list, ", "))
	}
	return fmt.Errorf("unknown %s %q; known: %s", kind, name, strings.Join(list, ", "))
}

// distance is the number of edits between a and b (optimal string alignment:
// Levenshtein's three and the swap of neighbours).
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	var before []int // the row before last
	last, row := make([]int, len(t)+1), make([]int, len(t)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(s); i++ {
		row[0] = i
		for j := 1; j <= len(t); j++ {
			change := last[j-1]
			if s[i-1] != t[j-1] {
				change++
			}
			row[j] = min(change, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, make([]int, len(t)+1)
	}
	return last[len(t)]
}
