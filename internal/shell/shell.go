// Package shell writes command lines that can be copied.
package shell

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// plain matches words that no shell touches. A tilde and an equals sign are
// plain only where they do not come first.
var plain = regexp.MustCompile(`^[A-Za-z0-9_@%+:,./-][A-Za-z0-9_@%+=:,./~-]*$`)

// Join quotes argv for a POSIX shell, as one line. Words with characters that no
// terminal should be sent, line breaks among them, are quoted as $'…', which
// POSIX has since 2024 and shells had long before.
func Join(argv []string) string {
	words := make([]string, len(argv))
	for i, w := range argv {
		if !plain.MatchString(w) {
			w = quote(w)
		}
		words[i] = w
	}
	return strings.Join(words, " ")
}

func quote(w string) string {
	if !strings.ContainsFunc(w, hidden) && utf8.ValidString(w) {
		return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
	}
	var b strings.Builder
	b.WriteString("$'")
	for i, r := range w {
		switch {
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\'' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case hidden(r) || r == utf8.RuneError:
			_, size := utf8.DecodeRuneInString(w[i:])
			for _, c := range []byte(w[i : i+size]) {
				fmt.Fprintf(&b, `\%03o`, c)
			}
		default:
			b.WriteRune(r)
		}
	}
	return b.String() + "'"
}

// hidden tells whether r is not shown but acted upon.
func hidden(r rune) bool {
	return unicode.Is(unicode.C, r) || r == '\u2028' || r == '\u2029'
}
