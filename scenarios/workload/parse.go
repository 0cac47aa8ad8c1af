package workload

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/dynobench/dyno/internal/suggest"
)

// A Parser parses the texts of one request. Each placeholder in them has
// random bits of its own, and all fields are of the same row.
type Parser struct {
	// Data is where fields come from. Nil means that there is no data file: a
	// field is an error.
	Data *Data
	// AnyField takes any field as known where Data is nil. What is parsed so
	// is checked, but cannot be rendered.
	AnyField bool

	word uint64 // the next that no placeholder uses; 0 is the row's
}

// names are the placeholders known, as they are written.
var names = []string{"seq", "rand", "hex", "uuid", "pick", "data", "json", "query"}

const (
	maxDigits = 4096
	howTo     = "a literal ${ is written $${"
)

// Text parses a body, or any text that may hold what it wants.
func (p *Parser) Text(text string) (Template, error) {
	t := Template{}
	for {
		dollars, brace := next(text)
		if brace < 0 {
			t.literal(text)
			return t, nil
		}
		n := brace - dollars
		t.literal(text[:dollars] + text[dollars:dollars+n/2])
		if text = text[brace+1:]; n%2 == 0 {
			t.literal("{")
			continue
		}
		inside, rest, ok := strings.Cut(text, "}")
		if !ok {
			return Template{}, fmt.Errorf("%s: the placeholder has no end; write } behind it (%s)", excerpt(text), howTo)
		}
		part, err := p.placeholder(inside)
		if err != nil {
			return Template{}, fmt.Errorf("%s: %w", excerpt(inside+"}"), err)
		}
		if part.kind == field {
			t.data = p.Data
		}
		t.add(part)
		text = rest
	}
}

// next finds the next brace that follows dollar signs, and the first of these.
func next(text string) (dollars, brace int) {
	at := strings.Index(text, "${")
	if at < 0 {
		return -1, -1
	}
	dollars = at
	for dollars > 0 && text[dollars-1] == '$' {
		dollars--
	}
	return dollars, at + 1
}

func (t *Template) literal(text string) {
	if text != "" {
		t.add(part{kind: literal, text: text})
	}
}

// excerpt shows a placeholder, or the beginning of what may not be one.
func excerpt(inside string) string {
	const most = 40
	if len(inside) > most {
		inside = inside[:most] + "…"
	}
	quoted := strconv.Quote("${" + inside)
	return quoted[1 : len(quoted)-1]
}

func (p *Parser) placeholder(inside string) (part, error) {
	at := strings.IndexAny(inside, ":.")
	name, arg := inside, ""
	if at >= 0 {
		name, arg = inside[:at], inside[at+1:]
	}
	if !slices.Contains(names, name) {
		return part{}, fmt.Errorf("%w; %s", suggest.Unknown("placeholder", name, names), howTo)
	}
	dotted := name == "data" || name == "json" || name == "query"
	if dotted {
		if at < 0 || inside[at] != '.' || arg == "" {
			return part{}, fmt.Errorf("write the field behind a dot, as ${%s.name}", name)
		}
		return p.field(name, arg)
	}
	if at >= 0 && inside[at] != ':' {
		return part{}, fmt.Errorf("%s takes a colon, no dot", name)
	}
	switch name {
	case "seq":
		from := uint64(1)
		if at >= 0 {
			n, err := wholeNumber(arg)
			if err != nil {
				return part{}, fmt.Errorf("%w; write where to count from, as ${seq:1000}", err)
			}
			from = n
		}
		return part{kind: seq, from: from}, nil
	case "rand":
		low, high, _ := strings.Cut(arg, "-")
		a, err := wholeNumber(low)
		b, err2 := wholeNumber(high)
		if err != nil || err2 != nil || a > b {
			return part{}, fmt.Errorf("write the least and the greatest number, as ${rand:1-1000}, both at most %d", int64(math.MaxInt64))
		}
		return part{kind: random, from: a, count: b - a + 1, word: p.take(1)}, nil
	case "hex":
		n, err := wholeNumber(arg)
		if err != nil || n < 1 || n > maxDigits {
			return part{}, fmt.Errorf("write how many digits, 1 to %d, as ${hex:16}", maxDigits)
		}
		return part{kind: hexDigits, count: n, word: p.take((n + 15) / 16)}, nil
	case "uuid":
		if at >= 0 {
			return part{}, errors.New("uuid takes no argument; write ${uuid}")
		}
		return part{kind: uuid, word: p.take(2)}, nil
	}
	if arg == "" {
		return part{}, errors.New("nothing to pick from; write ${pick:red|green|blue}")
	}
	return part{kind: pick, words: strings.Split(arg, "|"), word: p.take(1)}, nil
}

func (p *Parser) field(how, name string) (part, error) {
	q := part{kind: field, escape: map[string]escape{"json": inJSON, "query": inQuery}[how]}
	switch {
	case p.Data != nil:
		if q.field = slices.Index(p.Data.fields, name); q.field < 0 {
			return part{}, fmt.Errorf("%s: %w", p.Data.name, suggest.Unknown("field", name, p.Data.fields))
		}
	case !p.AnyField:
		return part{}, fmt.Errorf("there is no data file to take the field %q from", name)
	}
	return q, nil
}

// number reads digits and nothing else: no sign, at most an int64.
func wholeNumber(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		return 0, fmt.Errorf("%q is no whole number up to %d", s, int64(math.MaxInt64))
	}
	return n, nil
}

func (p *Parser) take(words uint64) uint64 {
	p.word++ // 0 is the row's
	first := p.word
	p.word += words - 1
	return first
}
