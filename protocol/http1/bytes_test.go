package http1

import "testing"

// Every byte at every place, among others and alone.
func TestValidBytes(t *testing.T) {
	for n := 1; n <= 17; n++ {
		for at := range n {
			for c := range 256 {
				b := make([]byte, n)
				for i := range b {
					b[i] = "a!\xff"[i%3]
				}
				b[at] = byte(c)
				want := c > ' ' && c != 0x7f && c != '#'
				if got := validTarget(b); got != want {
					t.Fatalf("target %q: %v, want %v", b, got, want)
				}
				want = c >= ' ' && c != 0x7f || c == '\t'
				if got := validValue(b); got != want {
					t.Fatalf("value %q: %v, want %v", b, got, want)
				}
			}
		}
	}
}
