package scgi

import (
	"strconv"

	"github.com/dynobench/dyno/protocol/cgi"
)

// A ResponseParser reads the answer on a client's connection.
type ResponseParser = cgi.ResponseParser

// AppendRequest appends r as a client sends it: a netstring of the variables,
// the body behind it. The connection is for this request only.
func AppendRequest(dst []byte, r *cgi.ClientRequest) []byte {
	// The length is known when the variables are there, and stands before them:
	// they make room for its digits.
	from := len(dst)
	dst = appendPair(r.AppendVariables(dst, appendPair), "", "SCGI", "1")
	n := len(dst) - from
	var digits [20]byte
	size := append(strconv.AppendInt(digits[:0], int64(n), 10), ':')
	dst = append(dst, size...)
	copy(dst[from+len(size):], dst[from:from+n])
	copy(dst[from:], size)
	return append(append(dst, ','), r.Body...)
}

func appendPair(dst []byte, prefix, name, value string) []byte {
	dst = append(cgi.AppendName(dst, prefix, name), 0)
	return append(append(dst, value...), 0)
}
