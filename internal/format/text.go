package format

import (
	"fmt"
	"strings"
)

// LastLines returns the last n lines of s, without the final newline: the end
// of a process's output in an error message.
func LastLines(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// Excerpt quotes the beginning of an answer for an error message.
func Excerpt(b []byte) string {
	const most = 80
	if len(b) > most {
		return fmt.Sprintf("%q… (%d bytes)", b[:most], len(b))
	}
	return fmt.Sprintf("%q", b)
}

// FileName makes the name of a scenario or a target safe as a part of a file's:
// what is no letter of ASCII, digit, dash or underscore becomes an underscore.
func FileName(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '_':
			return r
		}
		return '_'
	}, s)
}
