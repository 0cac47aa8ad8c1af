package gateway

import (
	"fmt"
	"math"
	"net/http"
	"strings"
)

// This file is what an app's fields are held against.

// checkHead makes head the one of status and header, or returns why they make none.
func checkHead(head *Head, status int, header []Field) error {
	*head = Head{Status: status, Header: header, Length: -1}
	if status < 200 || status > 999 {
		return fmt.Errorf("%w: %d is not between 200 and 999", ErrStatus, status)
	}
	for i := range header {
		name, value := header[i].Name, header[i].Value
		switch {
		case !isToken(name) || HopByHop(name) || !isValue(value):
			return checkField(&header[i])
		case len(name) != len("Content-Length") || !strings.EqualFold(name, "content-length"):
		case head.Declared:
			return fmt.Errorf("%w: Content-Length given twice", ErrHeader)
		case status == http.StatusNoContent: // RFC 9110 section 8.6
			return fmt.Errorf("%w: Content-Length with status 204", ErrHeader)
		default:
			n, ok := parseLength(value)
			if !ok {
				return fmt.Errorf("%w: Content-Length %q is not a number of bytes", ErrHeader, value)
			}
			head.Length, head.Declared = n, true
		}
	}
	return nil
}

// checkField returns why f is no field that an app may send.
func checkField(f *Field) error {
	switch {
	case !isToken(f.Name):
		return fmt.Errorf("%w: %q is not a field name", ErrHeader, f.Name)
	case HopByHop(f.Name):
		return fmt.Errorf("%w: %s belongs to the server (hop-by-hop)", ErrHeader, f.Name)
	case !isValue(f.Value):
		return fmt.Errorf("%w: CR, LF or NUL in the value of %s", ErrHeader, f.Name)
	}
	return nil
}

// bodiless tells whether answers with status never have a body. A Length would
// be wrong for both: 204 must not state one, and 304 would state that of the
// answer left out, which only the app can know.
func bodiless(status int) bool {
	return status == http.StatusNoContent || status == http.StatusNotModified
}

// HopByHop tells whether a field belongs to the connection rather than to the
// answer, so that an app must not set it (PEP 3333, RFC 2616 section 13.5.1,
// RFC 9110 section 7.6.1).
func HopByHop(name string) bool {
	switch len(name) { // cheap: nearly no field of an answer has one of these lengths
	case 2:
		return strings.EqualFold(name, "te")
	case 7:
		return strings.EqualFold(name, "upgrade") || strings.EqualFold(name, "trailer")
	case 8:
		return strings.EqualFold(name, "trailers")
	case 10:
		return strings.EqualFold(name, "connection") || strings.EqualFold(name, "keep-alive")
	case 16:
		return strings.EqualFold(name, "proxy-connection")
	case 17:
		return strings.EqualFold(name, "transfer-encoding")
	case 18:
		return strings.EqualFold(name, "proxy-authenticate")
	case 19:
		return strings.EqualFold(name, "proxy-authorization")
	}
	return false
}

// tokenChars are the bytes of an RFC 9110 token.
var tokenChars = func() (set [256]bool) {
	const chars = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for i := range len(chars) {
		set[chars[i]] = true
	}
	return set
}()

func isToken(s string) bool {
	for i := range len(s) {
		if !tokenChars[s[i]] {
			return false
		}
	}
	return s != ""
}

func isValue(s string) bool {
	return strings.IndexByte(s, '\r') < 0 && strings.IndexByte(s, '\n') < 0 && strings.IndexByte(s, 0) < 0
}

// parseLength reads a Content-Length: digits only, no sign, no blanks, no overflow.
func parseLength(s string) (n int64, ok bool) {
	for i := range len(s) {
		d := int64(s[i]) - '0'
		if d < 0 || d > 9 || n > (math.MaxInt64-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, s != ""
}

// TrailerName tells whether a field of that name may be a trailer: a token, and
// nothing by which an answer is framed, routed, controlled, authenticated or
// understood (RFC 9110, section 6.5.1).
func TrailerName(name string) bool {
	return isToken(name) && !HopByHop(name) && !untrailed[strings.ToLower(name)] &&
		(len(name) < 3 || !strings.EqualFold(name[:3], "if-"))
}

// untrailed are the names, beside those that are hop-by-hop, that no trailer may have.
var untrailed = map[string]bool{
	"authorization": true, "cache-control": true, "content-encoding": true, "content-length": true,
	"content-range": true, "content-type": true, "expect": true, "host": true, "max-forwards": true,
	"pragma": true, "range": true, "realm": true, "www-authenticate": true,
	// RFC 9110 section 6.5.1 of answers' control data, which net/http lets pass.
	"age": true, "date": true, "expires": true, "location": true, "retry-after": true, "set-cookie": true, "vary": true,
}
