package workload

import (
	"strings"
	"testing"
)

func TestFraming(t *testing.T) {
	const hello = "5\r\nhello\r\n0\r\n\r\n"
	for _, tt := range []struct {
		before, name, value, body, want string // want is in the error
	}{
		{name: "X-Length", value: "7", body: "hello"},
		{name: "Content-Length", value: "5", body: "hello"},
		{name: "content-length", value: "0"},
		{name: "Content-Length", value: "5", body: "hell", want: "has 4 bytes"},
		{name: "Content-Length", value: "4", body: "hello", want: "has 5 bytes"},
		{name: "Content-Length", value: "0", body: "GET / HTTP/1.1\r\n\r\n", want: "has 18 bytes"},
		{name: "Content-Length", value: "+5", body: "hello", want: `"+5"`},
		{name: "Content-Length", value: "5, 5", body: "hello", want: `"5, 5"`},
		{name: "Content-Length", value: "", want: "has 0 bytes"},
		{name: "Content-Length", value: "${seq}", body: "h", want: "placeholders"},
		{name: "Content-Length", value: "1", body: "${seq}", want: "placeholders"},
		{before: "Content-Length", name: "Content-Length", value: "5", body: "hello", want: "beside"},
		{before: "Content-Length", name: "Transfer-Encoding", value: "chunked", body: hello, want: "beside Content-Length"},
		{name: "Transfer-Encoding", value: "chunked", body: hello},
		{name: "transfer-encoding", value: "Chunked", body: "2;a=b\r\nhe\r\n00003 \r\nllo\r\n0\r\nX: y\r\n\r\n"},
		{name: "Transfer-Encoding", value: "chunked", body: "0\r\n\r\n"},
		{name: "Transfer-Encoding", value: "chunked", want: "no size"},
		{name: "Transfer-Encoding", value: "chunked", body: "hello", want: "no size"},
		{name: "Transfer-Encoding", value: "chunked", body: "5\nhello\n0\n\n", want: "no size"},
		{name: "Transfer-Encoding", value: "chunked", body: "-5\r\nhello\r\n0\r\n\r\n", want: "no size"},
		{name: "Transfer-Encoding", value: "chunked", body: "7fffffff\r\nhello\r\n0\r\n\r\n", want: "does not end"},
		{name: "Transfer-Encoding", value: "chunked", body: "4\r\nhello\r\n0\r\n\r\n", want: "does not end after its 4"},
		{name: "Transfer-Encoding", value: "chunked", body: "5\r\nhello\r\n", want: "no size of a chunk at byte 10"},
		{name: "Transfer-Encoding", value: "chunked", body: "0\r\n", want: "no empty line"},
		{name: "Transfer-Encoding", value: "chunked", body: hello + "GET", want: "3 bytes of body behind"},
		{name: "Transfer-Encoding", value: "gzip, chunked", body: hello, want: "is not chunked"},
		{name: "Transfer-Encoding", value: "chunked", body: "${seq}\r\n", want: "placeholders"},
	} {
		var p Parser
		value, err := p.Header(tt.value)
		if err != nil {
			t.Fatal(err)
		}
		body, err := p.Text(tt.body)
		if err != nil {
			t.Fatal(err)
		}
		err = Framing(tt.before, tt.name, value, body)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %s and %q: %v, want %q", tt.name, tt.value, tt.body, err, tt.want)
		}
	}
	if got, err := Chunks("chunked", hello); got != "hello" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
