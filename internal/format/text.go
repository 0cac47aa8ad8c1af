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
