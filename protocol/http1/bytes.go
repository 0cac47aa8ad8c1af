package http1

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"
	"unsafe"

	"github.com/dynobench/dyno/internal/percent"
)

// tokens are the bytes of names and methods (RFC 9110, 5.6.2).
var tokens = table("!#$%&'*+-.^_`|~" + alphanumeric)

// hosts are the bytes of a registered name, or of an address between brackets
// (RFC 3986, 3.2.2).
var hosts = table("-._~%!$&'()*+,;=" + alphanumeric)

const alphanumeric = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

func table(of string) (t [256]bool) {
	for _, b := range []byte(of) {
		t[b] = true
	}
	return t
}

func isDigit(b byte) bool { return '0' <= b && b <= '9' }
func isBlank(b byte) bool { return b == ' ' || b == '\t' }

// text is data[s] as a string that aliases it.
func text(data []byte, s span) string {
	if s.from == s.to {
		return ""
	}
	return unsafe.String(&data[s.from], s.to-s.from)
}

// equalFold tells whether b is lower, of lower-case letters, digits and
// punctuation below them, in whatever case.
func equalFold[T string | []byte](b T, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i := range len(b) {
		if c, l := b[i], lower[i]; c != l && (c|0x20 != l || l < 'a') {
			return false
		}
	}
	return true
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// textLength is how many bytes at the start of b are before the first control
// character other than a tab: sixteen at a time, since they are most of a header.
func textLength(b []byte) int {
	i := 0
	for i <= len(b)-16 {
		m, next := controls(b[i:]), controls(b[i+8:])
		if m|next == 0 {
			i += 16
			continue
		}
		if m == 0 {
			m = next
			i += 8
		}
		i += bits.TrailingZeros64(m) / 8
		if !isText(b[i]) {
			return i
		}
		i++
	}
	for i < len(b) && isText(b[i]) {
		i++
	}
	return i
}

func isText(b byte) bool { return b >= ' ' && b != 0x7f || b == '\t' }

// controls marks which of the first eight bytes may be control characters by
// their highest bits: all that are, and some behind 0xff or a marked one that
// are not.
func controls(b []byte) uint64 {
	x := binary.LittleEndian.Uint64(b)
	return ((x - ones*' ') | (x + ones)) &^ x & highs // below ' ', or 0x7f
}

// validValue tells whether b has no control characters other than tabs.
func validValue(b []byte) bool { return textLength(b) == len(b) }

// tokenLength is how many bytes at the start of b are those of a token.
func tokenLength(b []byte) int {
	for i, c := range b {
		if !tokens[c] {
			return i
		}
	}
	return len(b)
}

// validTarget tells whether all of b may stand in a request target: what is
// visible, but no fragment. Bytes beyond ASCII are no URI, though common enough
// to be let through.
func validTarget(b []byte) bool {
	for len(b) >= 8 {
		x := binary.LittleEndian.Uint64(b)
		blank := (x - ones*0x21) & ^x // some byte < 0x21
		d, f := x^ones*0x7f, x^ones*'#'
		if (blank|(d-ones)&^d|(f-ones)&^f)&highs != 0 {
			return false // a borrow reaches a byte only from one that is forbidden
		}
		b = b[8:]
	}
	for _, c := range b {
		if c <= ' ' || c == 0x7f || c == '#' {
			return false
		}
	}
	return true
}

// validHost tells whether b is uri-host [ ":" port ]. It may be empty.
func validHost(b []byte) bool {
	if len(b) > 0 && b[0] == '[' {
		i := 1
		for i < len(b) && (hosts[b[i]] || b[i] == ':') {
			i++
		}
		if i == 1 || i == len(b) || b[i] != ']' {
			return false
		}
		b = b[i+1:]
	} else {
		i := 0
		for i < len(b) && hosts[b[i]] {
			i++
		}
		b = b[i:]
	}
	if len(b) == 0 {
		return true
	}
	if b[0] != ':' {
		return false
	}
	for _, c := range b[1:] {
		if !isDigit(c) {
			return false
		}
	}
	return true
}

// schemeLength is the length of "http://" or "https://" before t, in any case.
func schemeLength(t []byte) int {
	for _, scheme := range []string{"http://", "https://"} {
		if len(t) >= len(scheme) && equalFold(t[:len(scheme)], scheme) {
			return len(scheme)
		}
	}
	return 0
}

// checkEscapes tells whether b has percent signs and whether all of them are
// followed by two hexadecimal digits.
func checkEscapes(b []byte) (escaped, ok bool) {
	for i := bytes.IndexByte(b, '%'); i >= 0 && i < len(b); i++ {
		if b[i] != '%' {
			continue
		}
		escaped = true
		if i+2 >= len(b) || percent.Digit(b[i+1]) < 0 || percent.Digit(b[i+2]) < 0 {
			return true, false
		}
		i += 2
	}
	return escaped, true
}

// parseLength reads a Content-Length: digits only. A number that does not fit
// is well-formed and too long.
func parseLength(b []byte) (n int64, ok, tooLong bool) {
	for _, c := range b {
		if !isDigit(c) {
			return 0, false, false
		}
		if d := int64(c - '0'); n > (math.MaxInt64-d)/10 {
			tooLong = true
		} else {
			n = 10*n + d
		}
	}
	return n, len(b) > 0, tooLong
}

// parseHex reads the digits at the start of b and tells how many there are.
// A number that does not fit is −1.
func parseHex(b []byte) (n int64, digits int) {
	for digits < len(b) {
		d := percent.Digit(b[digits])
		if d < 0 {
			break
		}
		if n < 0 || n > math.MaxInt64>>4 {
			n = -1
		} else {
			n = n<<4 | int64(d)
		}
		digits++
	}
	return n, digits
}

// connectionOptions reads a list of connection options.
func connectionOptions(b []byte) (closes, keeps, upgrades bool) {
	for len(b) > 0 {
		var option []byte
		option, b = element(b)
		closes = closes || equalFold(option, "close")
		keeps = keeps || equalFold(option, "keep-alive")
		upgrades = upgrades || equalFold(option, "upgrade")
	}
	return closes, keeps, upgrades
}

// otherProtocol tells whether an Upgrade field names what is not HTTP: who
// offers another HTTP, or TLS beneath it, goes on without.
func otherProtocol(b []byte) bool {
	for len(b) > 0 {
		var name []byte
		name, b = element(b)
		if n := bytes.IndexByte(name, '/'); n >= 0 {
			name = name[:n]
		}
		if len(name) > 0 && !equalFold(name, "h2c") && !equalFold(name, "http") && !equalFold(name, "tls") {
			return true
		}
	}
	return false
}

// element cuts the first element off a list.
func element(b []byte) (first, rest []byte) {
	end := 0
	for end < len(b) && b[end] != ',' {
		end++
	}
	first, rest = b[:end], b[min(end+1, len(b)):]
	for len(first) > 0 && isBlank(first[0]) {
		first = first[1:]
	}
	for len(first) > 0 && isBlank(first[len(first)-1]) {
		first = first[:len(first)-1]
	}
	return first, rest
}
