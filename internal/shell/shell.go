// Package shell writes command lines that can be copied.
package shell

import (
	"regexp"
	"strings"
)

// plain matches words that no shell touches. A tilde and an equals sign are
// plain only where they do not come first.
var plain = regexp.MustCompile(`^[A-Za-z0-9_@%+:,./-][A-Za-z0-9_@%+=:,./~-]*$`)

// Join quotes argv for a POSIX shell, as one line.
func Join(argv []string) string {
	words := make([]string, len(argv))
	for i, w := range argv {
		if !plain.MatchString(w) {
			w = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		words[i] = w
	}
	return strings.Join(words, " ")
}
