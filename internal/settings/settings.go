// Package settings is the grammar of a list key=value,key=value…, in which
// engines and connection groups are given on the command line.
package settings

import (
	"fmt"
	"iter"
	"strings"
)

// Setting is one key with its value, which is anything without a comma.
type Setting struct{ Key, Value string }

// Each yields the settings of a list in turn. What is no setting, or sets a key
// a second time, is an error, and the last one.
func Each(list string) iter.Seq2[Setting, error] {
	return func(yield func(Setting, error) bool) {
		seen := map[string]bool{}
		for item := range strings.SplitSeq(list, ",") {
			key, value, ok := strings.Cut(item, "=")
			switch {
			case !ok:
				yield(Setting{}, fmt.Errorf("%q is not key=value", item))
				return
			case seen[key]:
				yield(Setting{}, fmt.Errorf("%s is set twice", key))
				return
			}
			seen[key] = true
			if !yield(Setting{key, value}, nil) {
				return
			}
		}
	}
}
