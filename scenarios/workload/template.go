package workload

import (
	"math/bits"
	"strconv"
)

// A Template is a text with placeholders, parsed: a path, a header's value or a body
// that differs from request to request. The zero value is the empty text. It does
// not change and may be shared.
//
// A text is parsed once; rendering appends to the caller's buffer, allocates
// nothing beyond it, and is a pure function of a Draw: the same draw gives the
// same text wherever and however often it is rendered, so that a request that
// has to be written in two pieces, or sent again, need not be kept.
//
//	${seq} ${seq:1000}    the request's number, counted from 1, or from 1000
//	${rand:1-1000}        a whole number, each equally likely, both ends included
//	${hex:16}             so many random hexadecimal digits
//	${uuid}               a random UUID (version 4)
//	${pick:red|green}     one of the words, each equally likely
//	${data.name}          the field name of the request's row of the data file
//	${json.name}          the same, escaped to stand within the quotes of a JSON string
//	${query.name}         the same, escaped to stand as a value in a query
//
// Only a dollar sign with a brace behind it means something, so that JSON needs
// no escaping. Before a brace dollar signs are halved, as in $${ for a literal
// ${, and $$${seq} for a dollar sign and a number. A placeholder ends with the
// next closing brace.
type Template struct {
	parts []part
	data  *Data // of which it takes fields; nil if it takes none
}

type part struct {
	kind   kind
	escape escape   // of a field's value
	text   string   // literal
	from   uint64   // seq, rand: the least number
	count  uint64   // rand: how many numbers; hex: how many digits
	word   uint64   // the first of the draw's words that it uses
	words  []string // pick
	field  int      // column of the data
}

type kind uint8

const (
	literal kind = iota
	seq
	random
	hexDigits
	uuid
	pick
	field
)

// Literal is the Template of a text without placeholders: nothing in it is
// looked at.
func Literal(text string) Template {
	if text == "" {
		return Template{}
	}
	return Template{parts: []part{{kind: literal, text: text}}}
}

// Concat is the Template of several texts behind each other.
func Concat(all ...Template) Template {
	var t Template
	for _, u := range all {
		for _, p := range u.parts {
			t.add(p)
		}
		if u.data != nil {
			t.data = u.data
		}
	}
	return t
}

// add appends a part; literals behind each other become one.
func (t *Template) add(p part) {
	if last := len(t.parts) - 1; p.kind == literal && last >= 0 && t.parts[last].kind == literal {
		t.parts[last].text += p.text
		return
	}
	t.parts = append(t.parts, p)
}

// Fixed returns the text and true if it is the same for every draw.
func (t Template) Fixed() (string, bool) {
	switch {
	case len(t.parts) == 0:
		return "", true
	case len(t.parts) == 1 && t.parts[0].kind == literal:
		return t.parts[0].text, true
	}
	return "", false
}

// TakesData tells whether a field of the data is in it.
func (t Template) TakesData() bool {
	for i := range t.parts {
		if t.parts[i].kind == field {
			return true
		}
	}
	return false
}

// Append appends the text of a draw to dst.
func (t Template) Append(dst []byte, d Draw) []byte {
	for i := range t.parts {
		p := &t.parts[i]
		switch p.kind {
		case literal:
			dst = append(dst, p.text...)
		case seq:
			dst = strconv.AppendUint(dst, p.from+uint64(d.Number), 10)
		case random:
			dst = strconv.AppendUint(dst, p.from+below(d.word(p.word), p.count), 10)
		case hexDigits:
			dst = appendHex(dst, d, p.word, p.count)
		case uuid:
			dst = appendUUID(dst, d.word(p.word), d.word(p.word+1))
		case pick:
			dst = append(dst, p.words[below(d.word(p.word), uint64(len(p.words)))]...)
		case field:
			dst = p.escape.append(dst, t.data.Value(d.Row, p.field))
		}
	}
	return dst
}

// below scales 64 random bits to a number below n. It favours a number by less
// than n in 2⁶⁴.
func below(word, n uint64) uint64 {
	hi, _ := bits.Mul64(word, n)
	return hi
}

const digits = "0123456789abcdef"

func appendHex(dst []byte, d Draw, word, count uint64) []byte {
	var w uint64
	for i := range count {
		if i%16 == 0 {
			w = d.word(word + i/16)
		}
		dst = append(dst, digits[w>>60])
		w <<= 4
	}
	return dst
}

// appendUUID appends RFC 9562's version 4: 122 random bits.
func appendUUID(dst []byte, hi, lo uint64) []byte {
	hi = hi&^0xf000 | 0x4000
	lo = lo&^(3<<62) | 1<<63
	for i := range 32 {
		if i == 8 || i == 12 || i == 16 || i == 20 {
			dst = append(dst, '-')
		}
		w := hi
		if i >= 16 {
			w = lo
		}
		dst = append(dst, digits[w>>(60-4*(i%16))&15])
	}
	return dst
}
