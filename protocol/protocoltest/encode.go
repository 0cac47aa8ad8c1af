package protocoltest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The clients' halves of the gateway protocols, as simple as they can be.

// EncodeUWSGI is a request in the uwsgi protocol.
func EncodeUWSGI(r Request) []byte { return AppendUWSGI(0, Variables(r), r.Body) }

// AppendUWSGI is a packet with these variables, and what follows it.
func AppendUWSGI(modifier1 byte, vars [][2]string, body string) []byte {
	var block []byte
	for _, v := range vars {
		for _, s := range v {
			block = binary.LittleEndian.AppendUint16(block, uint16(len(s)))
			block = append(block, s...)
		}
	}
	packet := append(binary.LittleEndian.AppendUint16([]byte{modifier1}, uint16(len(block))), 0)
	return append(append(packet, block...), body...)
}

// EncodeSCGI is a request in SCGI.
func EncodeSCGI(r Request) []byte {
	var block []byte
	for _, v := range Variables(r) {
		for _, s := range v {
			block = append(append(block, s...), 0)
		}
	}
	return fmt.Appendf(nil, "%d:%s,%s", len(block), block, r.Body)
}

// EncodeFastCGI is a request in FastCGI, with id 1 and FCGI_KEEP_CONN, in
// records of odd sizes with padding.
func EncodeFastCGI(r Request) []byte {
	var block []byte
	for _, v := range Variables(r) {
		for _, s := range v {
			if len(s) < 0x80 {
				block = append(block, byte(len(s)))
			} else {
				block = binary.BigEndian.AppendUint32(block, uint32(len(s))|1<<31)
			}
		}
		block = append(block, v[0]+v[1]...)
	}
	stream := FastCGIRecord(1, 1, "\x00\x01\x01\x00\x00\x00\x00\x00")
	for _, s := range []struct {
		kind byte
		text string
	}{{4, string(block)}, {5, r.Body}} {
		for len(s.text) > 0 {
			n := min(len(s.text), 9999)
			stream = append(stream, FastCGIRecord(s.kind, 1, s.text[:n])...)
			s.text = s.text[n:]
		}
		stream = append(stream, FastCGIRecord(s.kind, 1, "")...)
	}
	return stream
}

// FastCGIRecord is a record, padded to a multiple of eight bytes.
func FastCGIRecord(kind byte, id uint16, content string) []byte {
	padding := -len(content) & 7
	b := []byte{1, kind, byte(id >> 8), byte(id), byte(len(content) >> 8), byte(len(content)), byte(padding), 0}
	return append(append(b, content...), make([]byte, padding)...)
}

// DecodeFastCGI is a Client's Decode for FastCGI.
func DecodeFastCGI(method string, b []byte, _ bool) (Response, []byte, error) {
	var out []byte
	for len(b) >= 8 {
		n := 8 + int(b[4])<<8 + int(b[5])
		if b[0] != 1 || n+int(b[6]) > len(b) {
			break
		}
		kind, content := b[1], b[8:n]
		b = b[n+int(b[6]):]
		switch {
		case kind == 6:
			out = append(out, content...)
		case kind == 3 && string(content) == "\x00\x00\x00\x00\x00\x00\x00\x00":
			r, _, err := DecodeCGI(method, out, true)
			return r, b, err
		case kind == 3:
			return Response{}, b, fmt.Errorf("FCGI_END_REQUEST says %x", content)
		default:
			return Response{}, b, fmt.Errorf("a record of type %d", kind)
		}
	}
	if len(b) > 0 {
		return Response{}, b, errors.New("half a record, or none")
	}
	return Response{}, b, io.ErrUnexpectedEOF
}
