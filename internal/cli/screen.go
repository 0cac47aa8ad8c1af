package cli

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/dynobench/dyno/internal/format"
)

// screen is what all verbs write to for people, and for programs that read JSON:
// whatever is printed, nothing that a terminal acts upon gets to it but line ends
// and tabs, and nothing beyond ASCII where the locale is not UTF-8. What is
// written out (\u001b) is right in JSON as well.
type screen struct {
	raw   io.Writer
	plain bool        // no more than ASCII
	json  func() bool // signs are part of texts, which must stay what they are

	// columns are where lines are folded, 0 for nowhere: a line that a verb made
	// longer, in a help or a table that has no more to leave out.
	columns int

	mu   sync.Mutex
	rest []byte // the beginning of a character, or of a line that may be folded
}

func newScreen(w io.Writer, json func() bool) *screen {
	return &screen{raw: w, plain: format.PlainTerminal(), json: json}
}

// document is w for what is no text for people: files in a format of their own.
func document(w io.Writer) io.Writer {
	if s, ok := w.(*screen); ok {
		return s.raw
	}
	return w
}

// underlying is what w writes to in the end.
func underlying(w io.Writer) io.Writer {
	w = document(w)
	if o, ok := w.(*output); ok {
		return o.Writer
	}
	return w
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := append(s.rest, p...)
	whole := len(text)
	if s.columns > 0 {
		if whole = bytes.LastIndexByte(text, '\n') + 1; whole == 0 {
			s.rest = text
			return len(p), nil
		}
		s.rest = append([]byte(nil), text[whole:]...)
		if _, err := io.WriteString(s.raw, s.folded(s.shown(string(text[:whole])))); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	for cut := 1; cut < utf8.UTFMax && cut <= len(text); cut++ {
		if last := text[len(text)-cut:]; utf8.RuneStart(last[0]) {
			if !utf8.FullRune(last) {
				whole -= cut
			}
			break
		}
	}
	s.rest = append([]byte(nil), text[whole:]...)
	if _, err := io.WriteString(s.raw, s.shown(string(text[:whole]))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// flush writes what has no line end.
func (s *screen) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	io.WriteString(s.raw, s.folded(s.shown(string(s.rest)))) //nolint:errcheck // the writer remembers
	s.rest = nil
}

// folded breaks the lines of text that are too long between words, the rest
// indented by two more. A word that is too long stays whole: it is a path.
func (s *screen) folded(text string) string {
	if s.columns == 0 || s.json() {
		return text
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		if format.Width(strings.TrimSuffix(line, "\n")) <= s.columns {
			b.WriteString(line)
			continue
		}
		words := strings.TrimLeft(line, " ")
		indent := strings.Repeat(" ", min(len(line)-len(words), s.columns/2))
		first, at := true, 0
		for word := range strings.SplitSeq(strings.TrimRight(words, " \n"), " ") {
			width := format.Width(word)
			switch {
			case first:
				b.WriteString(indent)
				at = len(indent)
			case at+1+width > s.columns && word != "":
				b.WriteString("\n" + indent + "  ")
				at = len(indent) + 2
			case at+1 <= s.columns:
				b.WriteByte(' ')
				at++
			}
			b.WriteString(word)
			at, first = at+width, false
		}
		b.WriteString("\n")
	}
	return b.String()
}

// unfolded is w for command lines, which are to be copied.
func unfolded(w io.Writer) io.Writer {
	if s, ok := w.(*screen); ok {
		return &screen{raw: s.raw, plain: s.plain, json: s.json}
	}
	return w
}

// shown is text as the terminal may have it.
func (s *screen) shown(text string) string {
	if s.plain && !s.json() {
		text = format.ASCII.Replace(text)
	}
	if !strings.ContainsFunc(text, s.hides) {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)):
			fmt.Fprintf(&b, `\u%04x`, r)
		case !s.hides(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// hides tells whether r is written out.
func (s *screen) hides(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return false
	case r < utf8.RuneSelf:
		return unicode.IsControl(r)
	}
	return s.plain || r == utf8.RuneError || unicode.Is(unicode.C, r) && r != '\u2060' || r == '\u2028' || r == '\u2029'
}
