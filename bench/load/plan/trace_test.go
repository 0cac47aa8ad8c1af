package plan

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestReadTrace(t *testing.T) {
	trace, err := ReadTrace("t", strings.NewReader("# recorded at the door\r\n0\n\n 0.0012 \n0.5,fast\n0.5\tslow\n0.5 , /a, b\n# the end\n{\"t\": 0.75, \"class\": \"fast\"}\n{\"t\":1}"))
	if err != nil {
		t.Fatal(err)
	}
	if want := []int64{0, 1200000, 5e8, 5e8, 5e8, 75e7, 1e9}; !slices.Equal(trace.due, want) {
		t.Errorf("due at %v, expected %v", trace.due, want)
	}
	if !slices.Equal(trace.names, []string{"fast", "slow", "/a, b"}) || !slices.Equal(trace.lines, []int{5, 6, 7}) {
		t.Errorf("classes %q, first in lines %v", trace.names, trace.lines)
	}
	if want := []int32{-1, -1, 0, 1, 2, 0, -1}; !slices.Equal(trace.class, want) {
		t.Errorf("of class %v, expected %v", trace.class, want)
	}
	if plain, err := ReadTrace("t", strings.NewReader("1\n2\n")); err != nil || plain.class != nil {
		t.Errorf("%v, classes %v", err, plain.class)
	}
}

func TestBadTraces(t *testing.T) {
	const text = "; " + traceText
	const inJSON = "; " + traceJSON
	for content, want := range map[string]string{
		"":                      "a.txt:1: the trace is empty" + text,
		"# nothing\n\n":         "a.txt:3: the trace is empty" + text,
		"0\nx":                  `a.txt:2: "x" is no number of seconds` + text,
		"0\n\n1s":               `a.txt:3: "1s" is no number of seconds` + text,
		",fast":                 `a.txt:1: "" is no number of seconds` + text,
		"1,":                    "a.txt:1: no class behind the comma" + text,
		"NaN":                   "a.txt:1: NaN s: an arrival is not before the start; write seconds from 0 on",
		"-0.5":                  "a.txt:1: -0.5 s: an arrival is not before the start; write seconds from 0 on",
		"Inf":                   "a.txt:1: +Inf s: a trace lasts 1000 hours at most; write seconds since its start, not since 1970",
		"1700000000.5":          "a.txt:1: 1.7000000005e+09 s: a trace lasts 1000 hours at most; write seconds since its start, not since 1970",
		"1\n2\n1.5":             "a.txt:3: 1.5 s after 2 s: arrivals have to ascend; sort the file",
		`{"t": 1`:               "a.txt:1: unexpected EOF" + inJSON,
		`{"t": 1} {"t": 2}`:     "a.txt:1: more than one object in the line" + inJSON,
		`{"class": "fast"}`:     "a.txt:1: no t" + inJSON,
		`{"t": 1, "class": ""}`: "a.txt:1: an empty class; leave it out, or " + traceJSON,
		`{"t": 1, "k": ""}`:     `a.txt:1: json: unknown field "k"` + inJSON,
		"1\n" + strings.Repeat("x", maxTraceLine+1): fmt.Sprintf("a.txt:2: longer than %d bytes: %s", maxTraceLine, traceText),
	} {
		_, err := ReadTrace("a.txt", strings.NewReader(content))
		var at *TraceError
		if !errors.As(err, &at) || err.Error() != want {
			t.Errorf("%.40q:\ngot  %v\nwant %s", content, err, want)
		}
	}
	if _, err := ReadTrace("a.txt", io.MultiReader(strings.NewReader("1\n"), errorReader{})); !errors.Is(err, io.ErrClosedPipe) || !strings.HasPrefix(err.Error(), "a.txt: ") {
		t.Error(err)
	}
}

type errorReader struct{}

func (errorReader) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestTraceLength(t *testing.T) {
	for _, test := range []struct {
		due   []int64
		speed float64
		want  time.Duration
	}{
		{[]int64{0, 1e9, 2e9, 3e9}, 1, 4 * time.Second},
		{[]int64{0, 1e9, 2e9, 3e9}, 2, 2 * time.Second},
		{[]int64{10e9, 11e9}, 1, 12 * time.Second},
		{[]int64{3e9}, 1, 3 * time.Second},
		{[]int64{0}, 1, shortTrace},
		{[]int64{0, 0, 0}, 1, shortTrace},
	} {
		if got := (&Trace{due: test.due}).Length(test.speed); got != test.want {
			t.Errorf("%v at speed %v: %v, expected %v", test.due, test.speed, got, test.want)
		}
	}
}

// An arrival with a class is a request of that class, one without any of all;
// after the last nothing is due.
func TestRecordedClasses(t *testing.T) {
	trace, err := ReadTrace("t", strings.NewReader(strings.Repeat("0 slow\n0\n0 fast\n", 1000)))
	if err != nil {
		t.Fatal(err)
	}
	c := Config{URL: "http://127.0.0.1:1/", Model: Open, Arrivals: Recorded, Trace: trace, Requests: []Request{
		{Path: "/a", Class: "fast", Weight: 3}, {Path: "/b", Class: "slow"}, {Path: "/c", Class: "fast"}, {Path: "/d", Class: "other"},
	}}
	if c, err = c.WithDefaults(); err != nil {
		t.Fatal(err)
	}
	var drawn [3][4]int
	s := NewTimetable(&c, 0, 0, 1)
	for k := range 3000 {
		due, class := s.Due()
		if due != 0 {
			t.Fatalf("arrival %d is due at %d", k, due)
		}
		drawn[k%3][class]++
		s.Next()
	}
	if drawn[0] != [4]int{0, 1000, 0, 0} || drawn[2][1]+drawn[2][3] != 0 || drawn[2][0] < 3*drawn[2][2]/2 || slices.Min(drawn[1][:]) == 0 {
		t.Errorf("slow, any and fast arrivals were of class %v", drawn)
	}
	if due, _ := s.Due(); due != exhausted {
		t.Errorf("after the last another is due at %d", due)
	}
}

func FuzzReadTrace(f *testing.F) {
	for _, seed := range []string{"0\n1\n", "# c\n\n0.5,fast\n0.5 slow\n", "{\"t\": 1, \"class\": \"a\"}\n{\"t\":2}", "NaN", "1e300", "-0", "0x1p-2,\x00", "1,"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content string) {
		trace, err := ReadTrace("f", strings.NewReader(content))
		if err != nil {
			var at *TraceError
			if !errors.As(err, &at) || at.Line < 1 || at.Line > strings.Count(content, "\n")+2 {
				t.Fatalf("%q: %v", content, err)
			}
			return
		}
		if len(trace.due) == 0 || !slices.IsSorted(trace.due) || trace.due[0] < 0 || trace.Length(1) < shortTrace || trace.Length(1) > 2*maxTrace {
			t.Fatalf("%q: due at %v for %v", content, trace.due, trace.Length(1))
		}
		if trace.class != nil && len(trace.class) != len(trace.due) {
			t.Fatalf("%q: %d arrivals, %d classes", content, len(trace.due), len(trace.class))
		}
	})
}
