package workload

import (
	"math"
	"slices"
	"testing"
)

func deal(s Source, class, n int) []Draw {
	var all []Draw
	for range n {
		all = append(all, s.Next(class))
	}
	return all
}

// What is dealt is a function of seed, class and number; how many threads deal
// changes nothing of it.
func TestSourceIsShared(t *testing.T) {
	data := rows(t, "d.csv", "a\n1\n2\n3\n")
	for _, order := range []Order{Sequence, Random} {
		source := func(seed uint64, i, n int) Source {
			s := NewSource(seed, data, order, 2, i, n)
			s.Window()
			return s
		}
		whole := deal(source(1, 0, 1), 1, 300)
		for i, d := range whole {
			if d.Number != int64(i) || order == Sequence && d.Row != i%3 {
				t.Fatalf("%s: draw %d is %+v", order, i, d)
			}
		}
		for threads := 2; threads <= 3; threads++ {
			var parts []Draw
			for i := range threads {
				parts = append(parts, deal(source(1, i, threads), 1, 300/threads)...)
			}
			slices.SortFunc(parts, func(a, b Draw) int { return int(a.Number - b.Number) })
			if !slices.Equal(whole, parts) {
				t.Errorf("%s: %d threads deal otherwise than one", order, threads)
			}
		}
		bits := func(draws []Draw) (all []uint64) {
			for _, d := range draws {
				all = append(all, d.Bits)
			}
			return all
		}
		seen := map[uint64]bool{}
		warmup := NewSource(1, data, order, 2, 0, 1)
		for _, draws := range [][]Draw{whole, deal(source(2, 0, 1), 1, 300), deal(source(1, 0, 1), 0, 300), deal(warmup, 1, 300)} {
			for _, b := range bits(draws) {
				if seen[b] {
					t.Errorf("%s: the same bits for two of seeds, classes, warm-up, window or numbers", order)
				}
				seen[b] = true
			}
		}
	}
}

// The window has the same random bits however long the warm-up was, and numbers
// that go on.
func TestWindowForgetsTheWarmup(t *testing.T) {
	long, short := NewSource(1, nil, Sequence, 1, 0, 1), NewSource(1, nil, Sequence, 1, 0, 1)
	for range 3 {
		short.Next(0)
	}
	for range 10 {
		long.Next(0)
	}
	long.Window()
	short.Window()
	a, b := long.Next(0), short.Next(0)
	if a.Bits != b.Bits || a.Number != b.Number+7 {
		t.Errorf("%+v after ten, %+v after three", a, b)
	}
}

// Numbers, rows and words are drawn evenly: chi-squared stays below its 0.1 %
// bound. The seed is fixed, so the test cannot fail by chance.
func TestDrawsAreEven(t *testing.T) {
	const cells, n = 10, 100000
	text := "i\n0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n"
	p := Parser{Data: rows(t, "d.csv", text)}
	s := NewSource(3, p.Data, Random, 1, 0, 1)
	var templates []Template
	for _, text := range []string{"${rand:0-9}", "${rand:0-9}", "${pick:0|1|2|3|4|5|6|7|8|9}", "${data.i}"} {
		templates = append(templates, must(p.Text(text)))
	}
	seen := make([][cells]float64, len(templates))
	var buf []byte
	for range n {
		d := s.Next(0)
		for i, u := range templates {
			buf = u.Append(buf[:0], d)
			seen[i][buf[0]-'0']++
		}
	}
	for i := range seen {
		x := 0.0
		for _, count := range seen[i] {
			x += math.Pow(count-n/cells, 2) / (n / cells)
		}
		if x > 27.88 { // 9 degrees of freedom
			t.Errorf("text %d: %v, chi-squared %.1f", i, seen[i], x)
		}
	}
}
