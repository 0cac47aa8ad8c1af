package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/resultstest"
)

func TestScreen(t *testing.T) {
	for _, c := range []struct {
		plain, json bool
		text, want  string
	}{
		{false, false, "1.5 µs – ±2 %\tx\n", "1.5 µs – ±2 %\tx\n"},
		{true, false, "1.5 µs – ±2 % → 3 ≥ 2 …\n", "1.5 us - +-2 % -> 3 >= 2 ~\n"},
		{false, false, "a\x1b[2Jb\rc\x07\u009b\u202ed\x7f\x00", `a\u001b[2Jb\u000dc\u0007\u009b\u202ed\u007f\u0000`},
		{false, false, "\xff日本é", `\ufffd日本é`},
		{true, false, "日é😀", `\u65e5\u00e9\ud83d\ude00`},
		{true, true, `"µ😀"`, `"\u00b5\ud83d\ude00"`},
		{false, true, "\"\u009bµ\"", `"\u009bµ"`},
	} {
		for _, size := range []int{1, 2, 3, 1000} { // however it is written
			var b bytes.Buffer
			s := &screen{raw: &b, plain: c.plain, json: func() bool { return c.json }}
			for rest := []byte(c.text); len(rest) > 0; rest = rest[min(size, len(rest)):] {
				if n, err := s.Write(rest[:min(size, len(rest))]); err != nil || n != min(size, len(rest)) {
					t.Fatal(n, err)
				}
			}
			if b.String() != c.want {
				t.Errorf("%q in pieces of %d is %q, want %q", c.text, size, b.String(), c.want)
			}
		}
	}
	s := &screen{raw: failing{}, json: func() bool { return false }}
	if _, err := s.Write([]byte("x")); err == nil {
		t.Error("an error is swallowed")
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("full") }

// outputs are commands of every verb that says something without a server.
func outputs(t *testing.T) [][]string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "runs")
	few := resultstest.Options{Scenarios: []string{"hello", "mixed"}, Targets: []string{"eventloop", "pool", "uwsgi-gevent"}}
	slower := few
	slower.Slower, slower.Seed = map[string]float64{"pool": 1.5}, 3
	store := func(run *results.Run) string {
		run.ID = ""
		s, err := results.Create(dir, run)
		if err != nil {
			t.Fatal(err)
		}
		return s.Dir()
	}
	before, after := store(resultstest.Run(few)), store(resultstest.Run(slower))
	all := [][]string{
		{"compare", before, after}, {"report", before}, {"list"},
		{"run", "hello", "--targets", "goroutine", "--plan"}, {"tune", "goroutine", "--plan"},
		{"run", "nö-such→scenario"}, {"load", "http://127.0.0.1:1/ü"}, {"serve", "--engine", "gö"}, {"doctor", "--server-cpus", "µ"},
	}
	for _, verb := range []string{"run", "tune", "serve", "load", "compare", "report", "list", "doctor", "check"} {
		all = append(all, []string{verb, "-h"})
	}
	return append(all, []string{"-h"})
}

// TestEveryVerbKeepsToASCII: where the locale has no more.
func TestEveryVerbKeepsToASCII(t *testing.T) {
	t.Setenv("LC_ALL", "C")
	for _, args := range outputs(t) {
		for _, flags := range [][]string{nil, {"--json"}} {
			var out, log bytes.Buffer
			run(context.Background(), nil, append(args, flags...), &out, &log)
			for name, text := range map[string]string{"output": out.String(), "log": log.String()} {
				for line := range strings.Lines(text) {
					if strings.ContainsFunc(line, func(r rune) bool { return r >= utf8.RuneSelf }) {
						t.Errorf("dyno %s: %s: %s", strings.Join(args, " "), name, line)
						break
					}
				}
			}
			if flags != nil && out.Len() > 0 && json.Unmarshal(out.Bytes(), new(any)) != nil && !strings.Contains(strings.Join(args, " "), "-h") {
				t.Errorf("dyno %s --json is no JSON", strings.Join(args, " "))
			}
		}
	}
}

// TestEveryVerbKeepsToTheWidth: down to 40 columns.
func TestEveryVerbKeepsToTheWidth(t *testing.T) {
	commands := outputs(t)
	for _, c := range []struct {
		locale, columns string
		most            int
	}{{"C", "40", 40}, {"C.UTF-8", "40", 40}, {"C.UTF-8", "80", 80}} {
		t.Setenv("LC_ALL", c.locale)
		t.Setenv("COLUMNS", c.columns)
		for _, args := range commands {
			if args[len(args)-1] == "--plan" || args[0] == "compare" && c.most != 40 {
				continue // command lines are copied, not read; a comparison takes its time
			}
			var out bytes.Buffer
			run(context.Background(), nil, args, &out, io.Discard)
			for line := range strings.Lines(out.String()) {
				line = strings.TrimRight(line, "\n")
				if n := format.Width(line); n > c.most && strings.ContainsRune(strings.TrimLeft(line, " "), ' ') {
					t.Errorf("dyno %s in %d columns has %d (%s): %s", strings.Join(args, " "), c.most, n, c.locale, line)
				}
			}
		}
	}
}
