package protocol_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/fastcgi"
	"github.com/dynobench/dyno/protocol/http1"
	"github.com/dynobench/dyno/protocol/scgi"
	"github.com/dynobench/dyno/protocol/uwsgi"
)

// TestMemoryIsBounded sends without end and counts the bytes that a Session
// holds: what the limits allow, at most twice, whatever comes.
func TestMemoryIsBounded(t *testing.T) {
	const (
		kib    = 1 << 10
		header = 64 * kib // the default limit
		body   = 256 * kib
		head   = "POST / HTTP/1.1\r\nHost: a\r\n"
	)
	params := "\x01\x01\x00\x01\x00\x08\x00\x00\x00\x01\x01\x00\x00\x00\x00\x00" // FCGI_BEGIN_REQUEST
	for _, tt := range []struct {
		name  string
		codec protocol.Codec
		first string
		again string // without end
		most  int    // bytes held
		want  string // how the answer begins; "" if there is none
	}{
		{"a request line", http1.Codec{}, "GET /", "a", 32 * kib, "HTTP/1.1 414 "},
		{"a field", http1.Codec{}, head + "X: ", "a", 2*header + 16*kib, "HTTP/1.1 431 "},
		{"fields", http1.Codec{}, head, "X: aaaaaaaaaaaa\r\n", 2*header + 16*kib, "HTTP/1.1 431 "},
		{"empty lines", http1.Codec{}, "", "\r\n", 16 * kib, "HTTP/1.1 400 "},
		{"a body too large", http1.Codec{}, head + "Content-Length: 262145\r\n\r\n", "a", 16 * kib, "HTTP/1.1 413 "},
		{"a chunk too large", http1.Codec{}, head + "Transfer-Encoding: chunked\r\n\r\n40001\r\n", "a", 16 * kib, "HTTP/1.1 413 "},
		{"chunks", http1.Codec{}, head + "Transfer-Encoding: chunked\r\n\r\n", "10\r\n0123456789abcdef\r\n", 2*body + 16*kib, "HTTP/1.1 413 "},
		{"a chunk extension", http1.Codec{}, head + "Transfer-Encoding: chunked\r\n\r\n1;", "a", 16 * kib, "HTTP/1.1 400 "},
		{"chunk extensions", http1.Codec{}, head + "Transfer-Encoding: chunked\r\n\r\n", "1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n", 64 * kib, "HTTP/1.1 400 "},
		{"a trailer", http1.Codec{}, head + "Transfer-Encoding: chunked\r\n\r\n0\r\nX: ", "a", 2*header + 16*kib, "HTTP/1.1 431 "},
		{"trailers", http1.Codec{}, head + "Transfer-Encoding: chunked\r\n\r\n0\r\n", "X: aaaaaaaaaaaa\r\n", 2*header + 16*kib, "HTTP/1.1 431 "},
		{"pipelined requests", http1.Codec{}, "", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 160 * kib, "HTTP/1.1 200 "},
		{"pipelined bodies", http1.Codec{}, "", head + "Content-Length: 5\r\n\r\nhello", 160 * kib, "HTTP/1.1 200 "},
		{"no HTTP", http1.Codec{}, "", "\x16\x03\x01", 16 * kib, "HTTP/1.1 400 "},
		{"a packet", uwsgi.Codec{}, "\x00\xff\xff\x00", "a", 2*header + 16*kib, "HTTP/1.1 400 "},
		{"packets", uwsgi.Codec{}, "", "\x00\x00\x00\x00", 16 * kib, "HTTP/1.1 400 "},
		{"a length", scgi.Codec{}, "", "1", 16 * kib, "Status: 431 "},
		{"a netstring", scgi.Codec{}, "999999:CONTENT_LENGTH\x000\x00", "a", 16 * kib, "Status: 431 "},
		{"records of nobody", fastcgi.Codec{}, "", "\x01\x05\x00\x07\x00\x08\x00\x0001234567", 16 * kib, ""},
		{"padding", fastcgi.Codec{}, "", "\x01\x05\x00\x07\x00\x00\xff\x00" + strings.Repeat("\x00", 255), 16 * kib, ""},
		{"questions", fastcgi.Codec{}, "", "\x01\x09\x00\x00\x00\x00\x00\x00", 160 * kib, "\x01\x0a"},
		{"variables", fastcgi.Codec{}, params, "\x01\x04\x00\x01\x00\x08\x00\x00\x01\x05Xvalue", 2*header + 80*kib, "\x01"},
		{"a second request", fastcgi.Codec{}, params, "\x01\x01\x00\x02\x00\x08\x00\x00\x00\x01\x01\x00\x00\x00\x00\x00", 160 * kib, "\x01\x03"},
	} {
		for _, reads := range []bool{true, false} { // does the client?
			t.Run(fmt.Sprintf("%s %s, reads %v", tt.codec.Name(), tt.name, reads), func(t *testing.T) {
				svc := protocol.NewService(say("ok"), tt.codec)
				svc.Log = slog.New(slog.DiscardHandler)
				svc.Limits = protocol.Limits{Body: body}
				s := svc.NewSession(protocol.Peer{})
				defer s.Release()
				stream := tt.first + strings.Repeat(tt.again, 2<<20/len(tt.again))
				var out strings.Builder
				largest := 0
				for len(stream) > 0 && s.Next() == protocol.Read {
					stream = stream[s.Feed([]byte(stream[:min(100_000, len(stream))])):]
					for more := true; more; {
						largest = max(largest, s.Held())
						switch s.Next() {
						case protocol.Run:
							s.Run()
						case protocol.Write:
							if out.Len() < 4*kib {
								out.Write(s.Output())
							}
							if more = reads; reads {
								s.Sent(len(s.Output()))
							}
						default:
							more = false
						}
					}
				}
				if largest > tt.most {
					t.Errorf("%d bytes held, more than %d", largest, tt.most)
				}
				if got := out.String(); !strings.HasPrefix(got, tt.want) {
					t.Errorf("answered %.60q, want %q", got, tt.want)
				}
			})
		}
	}
}
