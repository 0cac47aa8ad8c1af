package engines

import (
	"slices"
	"testing"
)

func TestTry(t *testing.T) {
	loops := Knob{Sweep: []string{"1", "cpus/2", "cpus", "cpus*2"}}
	for _, c := range []struct {
		knob    Knob
		current string
		cpus    int
		want    []string
	}{
		{loops, "cpus", 1, []string{"2"}},
		{loops, "cpus", 2, []string{"1", "4"}},
		{loops, "cpus", 8, []string{"1", "4", "16"}},
		{loops, "1", 8, []string{"4", "cpus", "16"}},
		{loops, "4", 8, []string{"1", "cpus", "16"}},
		{Knob{Sweep: []string{"gnet", "epoll"}}, "gnet", 2, []string{"epoll"}},
		{Knob{Fixed: "no speed"}, "0", 2, nil},
	} {
		if got := c.knob.Try(c.current, c.cpus); !slices.Equal(got, c.want) {
			t.Errorf("%v from %s on %d CPUs: %v, want %v", c.knob.Sweep, c.current, c.cpus, got, c.want)
		}
	}
}
