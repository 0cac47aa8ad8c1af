package http1

import (
	"bytes"
	"slices"
	"testing"

	"github.com/dynobench/dyno/protocol"
)

// filled has n bytes, each of which is text, among them what is next to a
// control character.
func filled(n int) []byte { return bytes.Repeat([]byte("a\xff~\x80 \t!"), n/7+1)[:n] }

// firstControl is textLength in the plainest way.
func firstControl(b []byte) int {
	for i, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return i
		}
	}
	return len(b)
}

// Every byte at every place, among others and alone.
func TestValidBytes(t *testing.T) {
	for n := 1; n <= 35; n++ {
		for at := range n {
			for c := range 256 {
				b := bytes.Repeat([]byte("a!\xff"), n/3+1)[:n]
				b[at] = byte(c)
				want := c > ' ' && c != 0x7f && c != '#'
				if got := validTarget(b); got != want {
					t.Fatalf("target %q: %v, want %v", b, got, want)
				}
				b = filled(n)
				b[at] = byte(c)
				if got, want := textLength(b), firstControl(b); got != want {
					t.Fatalf("text %q: %v, want %v", b, got, want)
				}
				if got, want := tokenLength(b[at:at+1]) == 1, bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"+alphanumeric), byte(c)) >= 0; got != want {
					t.Fatalf("token %#x: %v, want %v", c, got, want)
				}
			}
		}
	}
}

// Two bytes that may hide or feign one another, at all pairs of places.
func TestTextLengthOfPairs(t *testing.T) {
	special := []byte("\x00\x08\t\n\r\x1f ~\x7f\x80\xfe\xff")
	for first := range 35 {
		for second := range first {
			for _, c := range special {
				for _, d := range special {
					b := filled(35)
					b[first], b[second] = c, d
					if got, want := textLength(b), firstControl(b); got != want {
						t.Fatalf("%q: %v, want %v", b, got, want)
					}
				}
			}
		}
	}
}

// A field's line that comes whole is read in another way than one in pieces:
// both must see the same, whatever byte is at whatever place.
func TestLineInPieces(t *testing.T) {
	const head, line, end = "GET / HTTP/1.1\r\nHost: a\r\n", "Accept-Language: \t en-GB,en;q=0.9 \t", "\r\nX: y\r\n\r\n"
	whole, pieces := new(conn), new(conn)
	var limits protocol.Limits
	for at := range line + end {
		for c := range 256 {
			data := []byte(head + line + end)
			data[len(head)+at] = byte(c)
			whole.Reset(&limits)
			pieces.Reset(&limits)
			got, err := whole.Parse(data)
			want, wantErr := pieces.Parse(data[:len(head)+1])
			if wantErr == nil {
				want, wantErr = pieces.Parse(data)
			}
			if got.State != want.State || got.Size != want.Size || err != wantErr || !slices.Equal(whole.fields, pieces.fields) {
				t.Fatalf("%q: %+v, %v, %v; in pieces %+v, %v, %v", data, got, err, whole.fields, want, wantErr, pieces.fields)
			}
		}
	}
}

func TestEqualFold(t *testing.T) {
	const lower = "a-z/0:9"
	for at := range lower {
		for c := range 256 {
			b := []byte(lower)
			b[at] = byte(c)
			want := b[at] == lower[at] || 'A' <= c && c <= 'Z' && b[at]+'a'-'A' == lower[at]
			if got := equalFold(b, lower); got != want {
				t.Errorf("%q is %q: %v, want %v", b, lower, got, want)
			}
		}
	}
}
