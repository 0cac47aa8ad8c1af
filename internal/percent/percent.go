// Package percent is the percent-encoding of URIs (RFC 3986 section 2.1).
package percent

const upper = "0123456789ABCDEF"

// Append appends the encoding of one byte.
func Append(dst []byte, c byte) []byte { return append(dst, '%', upper[c>>4], upper[c&15]) }

// NonASCII encodes what is beyond ASCII and leaves the rest as it is.
func NonASCII(s string) string {
	var b []byte
	for i := range len(s) {
		if c := s[i]; c >= 0x80 {
			b = Append(b, c)
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}

// AppendDecoded appends b decoded, and tells whether its percent signs were
// well-formed.
func AppendDecoded(dst, b []byte) ([]byte, bool) {
	for i := 0; i < len(b); i++ {
		c := b[i]
		if c == '%' {
			if i+2 >= len(b) || Digit(b[i+1]) < 0 || Digit(b[i+2]) < 0 {
				return dst, false
			}
			c = byte(Digit(b[i+1])<<4 | Digit(b[i+2]))
			i += 2
		}
		dst = append(dst, c)
	}
	return dst, true
}

// Digit is the value of a hexadecimal digit, −1 for another byte.
func Digit(b byte) int {
	switch {
	case '0' <= b && b <= '9':
		return int(b - '0')
	case 'a' <= b && b <= 'f':
		return int(b-'a') + 10
	case 'A' <= b && b <= 'F':
		return int(b-'A') + 10
	}
	return -1
}
