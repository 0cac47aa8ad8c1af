package netio

import "strconv"

// StatusRequestTimeout is what a server may say unasked before it closes a
// connection that idles (RFC 9110 section 15.5.9).
const StatusRequestTimeout = 408

// EmptyLines is how many bytes at the beginning of b are line ends. A server
// may send some behind an answer, and a client discards them (RFC 9112 section
// 9.2).
func EmptyLines(b []byte) int {
	n := 0
	for n < len(b) && (b[n] == '\r' || b[n] == '\n') {
		n++
	}
	return n
}

// IdleFarewell tells whether b, which came though nothing was asked, is what
// some servers say before they close an idle connection: a 408 (RFC 9110 section
// 15.5.9).
func IdleFarewell(b []byte) bool {
	const version = len("HTTP/1.1 ")
	return len(b) > version+2 && string(b[:version-2]) == "HTTP/1." && string(b[version:version+3]) == strconv.Itoa(StatusRequestTimeout)
}
