package workload

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dynobench/dyno/internal/percent"
)

// Path parses the target of a request. Values from the data and from pick are
// percent-encoded as far as they could not stand there otherwise: blanks,
// control characters, quotes, all beyond ASCII, and what would end the target.
// What means something in a path or a query stays as it is (/ ? & = + and
// escapes already made), so that a row may hold a whole path with its query;
// ${query.name} is for the value that must not be read as such.
//
// Of what is written out, bytes beyond ASCII are percent-encoded. A fragment is
// an error, since none is sent (RFC 9110 section 7.1).
//
// The path has to start with /, or with a field that does in every row.
func (p *Parser) Path(text string) (Template, error) {
	t, err := p.Text(text)
	if err != nil {
		return t, err
	}
	for i := range t.parts {
		switch q := &t.parts[i]; {
		case q.kind == literal:
			if q.text, err = Target(q.text); err != nil {
				return Template{}, err
			}
		case q.kind == pick:
			for j, word := range q.words {
				q.words[j] = string(inPath.append(nil, word))
			}
		case q.kind == field && q.escape == inJSON:
			return Template{}, errors.New("${json.…} is for bodies; in a path write ${data.…} or ${query.…}")
		case q.kind == field && q.escape == raw:
			q.escape = inPath
		}
	}
	return t, t.slash(text)
}

// Target is a path with its query, as it is written, in the form in which it is
// sent. Nothing in it is a placeholder.
func Target(text string) (string, error) {
	if before, fragment, ok := strings.Cut(text, "#"); ok {
		return "", fmt.Errorf("path %q: #%s is a fragment, which is not sent to servers: leave it out, or write %s%%23%s", text, fragment, before, fragment)
	}
	return percent.NonASCII(text), nil
}

func (t Template) slash(text string) error {
	if len(t.parts) > 0 {
		switch p := &t.parts[0]; {
		case p.kind == literal && p.text[0] == '/':
			return nil
		case p.kind == field && p.escape == inPath:
			return t.data.check(p.field, func(value string) string {
				if !strings.HasPrefix(value, "/") {
					return "does not start with /, and stands at the beginning of a path"
				}
				return ""
			})
		}
	}
	return fmt.Errorf("path %q: expected one that starts with /", text)
}

// Header parses the value of a header field. A row whose value would not stay
// on one line is an error.
func (p *Parser) Header(text string) (Template, error) {
	t, err := p.Text(text)
	if err != nil {
		return t, err
	}
	for i := range t.parts {
		q := &t.parts[i]
		if q.kind != field || q.escape != raw {
			continue
		}
		err := t.data.check(q.field, func(value string) string {
			if strings.ContainsAny(value, "\r\n\x00") {
				return "has a line break or a zero byte, and stands in a header"
			}
			return ""
		})
		if err != nil {
			return Template{}, err
		}
	}
	return t, nil
}

// escape is what is done to a field's value.
type escape uint8

const (
	raw escape = iota
	inPath
	inJSON
	inQuery
)

func (e escape) append(dst []byte, value string) []byte {
	if e == raw {
		return append(dst, value...)
	}
	for i := 0; i < len(value); i++ {
		c := value[i]
		switch {
		case e == inJSON:
			dst = appendJSON(dst, c)
		case e == inQuery && !unreserved(c), e == inPath && c == '%' && !escaped(value[i:]), e == inPath && !inTarget(c):
			dst = percent.Append(dst, c)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// unreserved are RFC 3986's: they mean nothing anywhere.
func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

// inTarget tells whether c may stand in a target.
func inTarget(c byte) bool {
	return c > ' ' && c < 0x7f && strings.IndexByte("\"#<>\\^`{|}", c) < 0
}

// escaped tells whether s begins with a percent sign and two digits.
func escaped(s string) bool {
	return len(s) > 2 && isHex(s[1]) && isHex(s[2])
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func appendJSON(dst []byte, c byte) []byte {
	switch {
	case c == '"' || c == '\\':
		return append(dst, '\\', c)
	case c < ' ':
		return append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
	}
	return append(dst, c)
}
