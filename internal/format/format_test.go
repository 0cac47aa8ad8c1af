package format

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestFigures(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Significant(98234, 3), "98,200"}, {Significant(1234567, 3), "1,230,000"}, {Significant(845.4, 3), "845"},
		{Significant(8.414, 3), "8.41"}, {Significant(9.996, 3), "10.0"}, {Significant(99.96, 3), "100"}, {Significant(0.05234, 2), "0.052"},
		{Significant(0, 3), "0"}, {Significant(-1234, 3), "-1,230"}, {Significant(math.NaN(), 3), "–"}, {Significant(math.Inf(1), 3), "–"},
		{Duration(0.85), "850 ns"}, {Duration(8.414), "8.41 µs"}, {Duration(999.4), "999 µs"}, {Duration(999.6), "1.00 ms"},
		{Duration(12345), "12.3 ms"}, {Duration(1.2e6), "1.20 s"}, {Duration(math.NaN()), "–"},
		{Bytes(14889779), "14.2 MiB"}, {Bytes(512), "512 B"}, {Bytes(1 << 30), "1.00 GiB"}, {Bytes(3 << 40), "3.00 TiB"},
		{Change(1.123), "+12 %"}, {Change(0.969), "−3.1 %"}, {Change(1), "+0.0 %"}, {Change(20), "+1,900 %"}, {Change(math.NaN()), "–"},
		{Count(1234567), "1,234,567"}, {Count(-12), "-12"},
		{Fit("eventloop-pool", 8), "eventlo…"}, {Fit("sync", 8), "sync"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestWrapKeepsEveryWordWithinTheWidth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOf(rapid.StringMatching(`[a-zµ]{1,12}`)).Draw(t, "words")
		width := rapid.IntRange(20, 60).Draw(t, "width")
		out := Wrap(strings.Join(words, " "), width, "- ", "  ")
		if got := strings.Join(strings.Fields(strings.TrimPrefix(out, "- ")), " "); got != strings.Join(words, " ") {
			t.Fatalf("words changed: %q", got)
		}
		for line := range strings.Lines(out) {
			if Width(strings.TrimRight(line, "\n")) > width {
				t.Fatalf("%q is wider than %d", line, width)
			}
		}
	})
}

func TestTableLinesUp(t *testing.T) {
	table := Table{Head: []string{"target", "p50"}, Left: []bool{true}}
	table.Add("sync", "8.41 µs")
	table.Add("日本", "12 ms")
	want := "  target      p50\n  sync    8.41 µs\n  日本      12 ms\n"
	if got := table.Text(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestLastLines(t *testing.T) {
	for text, want := range map[string]string{"a\nb\nc\n": "b\nc", "a": "a", "": ""} {
		if got := LastLines(text, 2); got != want {
			t.Errorf("the last two of %q are %q, want %q", text, got, want)
		}
	}
}

// What a process wrote is told without being obeyed, and not at any length.
func TestLastLinesForTerminals(t *testing.T) {
	for text, want := range map[string]string{
		"\x1b[31mred\x1b[0m":   `\x1b[31mred\x1b[0m`,
		"a\rb\r\nc\x00\td\r\n": "a\\rb\nc\\x00\td",
		"\u009b2J\xff\u202e":   `\u009b2J\xff\u202e`,
		"wörter ✓":             "wörter ✓",
	} {
		if got := LastLines(text, 2); got != want {
			t.Errorf("%q is told as %q, want %q", text, got, want)
		}
	}
	long := strings.Repeat("ö", 5000) + "\n" + strings.Repeat("y", 400)
	got := LastLines(long, 2)
	if first, second, _ := strings.Cut(got, "\n"); !strings.HasSuffix(first, "ö… (10000 bytes)") || len(first) > 450 || len(second) != 400 {
		t.Errorf("a line of 10000 bytes is told as %q", got)
	}
}

func TestFileName(t *testing.T) {
	for name, want := range map[string]string{"hello-rate_2": "hello-rate_2", "../a b": "___a_b", "threads,threads=4": "threads_threads_4", "wörter\n": "w_rter_"} {
		if got := FileName(name); got != want {
			t.Errorf("%q becomes %q, want %q", name, got, want)
		}
	}
}
