package suggest

import "testing"

func TestNearest(t *testing.T) {
	engines := []string{"eventloop", "goroutine", "pool", "prefork", "sync", "threads"}
	tests := []struct{ name, want string }{
		{"gorutine", "goroutine"},
		{"Goroutine", "goroutine"},
		{"event-loop", "eventloop"},
		{"thread", "threads"},
		{"snyc", "sync"}, // swapped
		{"preform", "prefork"},
		{"poll", "pool"},
		{"spool", "pool"},
		{"apache", ""},
		{"", ""},
		{"x", ""},
	}
	for _, tt := range tests {
		if got := Nearest(tt.name, engines); got != tt.want {
			t.Errorf("Nearest(%q) = %q, want %q", tt.name, got, tt.want)
		}
	}
	if got := Nearest("ab", []string{"ac", "ad"}); got != "ac" {
		t.Errorf("of two equally near: %q, want the first", got)
	}
}

func TestDistance(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0},
		{"kitten", "sitting", 3}, {"ca", "ac", 1}, {"é", "e", 1},
	}
	for _, tt := range tests {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestUnknown(t *testing.T) {
	known := []string{"sync", "goroutine", "pool"}
	tests := []struct {
		name  string
		known []string
		want  string
	}{
		{"gorutine", known, `unknown engine "gorutine": did you mean "goroutine"? Known: goroutine, pool, sync`},
		{"apache", known, `unknown engine "apache"; known: goroutine, pool, sync`},
		{"apache", nil, `unknown engine "apache": there are none`},
	}
	for _, tt := range tests {
		if got := Unknown("engine", tt.name, tt.known).Error(); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}
