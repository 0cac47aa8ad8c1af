package uwsgi

import (
	"encoding/binary"
	"fmt"

	"github.com/dynobench/dyno/protocol/cgi"
)

// A ResponseParser reads the answer on a client's connection.
type ResponseParser = cgi.ResponseParser

// maxBlock is how large the variables of a packet can be.
const maxBlock = 1<<16 - 1

// ErrTooLarge is in the error of AppendRequest for a request that does not fit
// into a packet.
var ErrTooLarge = fmt.Errorf("uwsgi: the variables take more than the %d bytes that a packet holds", maxBlock)

// AppendRequest appends r as a client sends it: a packet for WSGI, the body
// behind it. The connection is for this request only. On error dst is returned
// as it was.
//
// uWSGI refuses packets above its --buffer-size, 4096 bytes by default.
func AppendRequest(dst []byte, r *cgi.ClientRequest) ([]byte, error) {
	from := len(dst)
	dst = append(dst, wsgi, 0, 0, 0)
	dst = r.AppendVariables(dst, appendPair)
	n := len(dst) - from - headSize
	if n > maxBlock {
		return dst[:from], ErrTooLarge
	}
	binary.LittleEndian.PutUint16(dst[from+1:], uint16(n))
	return append(dst, r.Body...), nil
}

// appendPair appends a variable. Where its lengths do not fit, the packet does
// not either, and nobody sees them.
func appendPair(dst []byte, prefix, name, value string) []byte {
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(prefix)+len(name)))
	dst = cgi.AppendName(dst, prefix, name)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(value)))
	return append(dst, value...)
}
