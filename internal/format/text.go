package format

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// longestLine is how much of a line of a process's output is told, in bytes.
const longestLine = 400

// LastLines returns the last n lines of s, without the final newline: the end
// of a process's output in an error message. Each is Printable, and the end of
// a long one is cut off.
func LastLines(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\r\n"), "\n")
	lines = lines[max(0, len(lines)-n):]
	for i, line := range lines {
		line = strings.TrimSuffix(line, "\r")
		if len(line) > longestLine {
			line = fmt.Sprintf("%s… (%d bytes)", Printable(strings.ToValidUTF8(line[:longestLine], "")), len(line))
		} else {
			line = Printable(line)
		}
		lines[i] = line
	}
	return strings.Join(lines, "\n")
}

// Printable writes what a terminal would obey or cannot show, all but tabs, as
// Go writes it in a string: \x1b[31m.
func Printable(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], string(utf8.RuneError)):
			fmt.Fprintf(&b, "\\x%02x", s[i])
		case r == '\t' || unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			q := strconv.QuoteRune(r)
			b.WriteString(q[1 : len(q)-1])
		}
	}
	return b.String()
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
