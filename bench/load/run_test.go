package load

import (
	"testing"

	"github.com/dynobench/dyno/results"
)

var generators = []string{"native", "vegeta"}

// eachGenerator runs f as a subtest per generator.
func eachGenerator(t *testing.T, f func(t *testing.T, generator string)) {
	for _, g := range generators {
		t.Run(g, func(t *testing.T) { f(t, g) })
	}
}

func mustRun(t *testing.T, c Config) *results.Load {
	t.Helper()
	l, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestClosed(t *testing.T) {
	eachGenerator(t, func(t *testing.T, generator string) {
		r := respond(t, "tcp", nil)
		c := short(r)
		c.Generator = generator
		l := mustRun(t, c)
		t.Logf("%+v", l)
		if l.Errors.Total() != 0 || l.Requests == 0 || l.Requests > r.requests.Load() {
			t.Errorf("%d answers of %d requests, errors %+v", l.Requests, r.requests.Load(), l.Errors)
		}
	})
}
