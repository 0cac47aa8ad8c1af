package plan

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/dynobench/dyno/bench/load/record"
)

// Trace is a row of arrivals that were recorded somewhere, to be offered
// again: Config.Trace. It does not change and may be shared.
type Trace struct {
	name  string  // of the file, for errors
	due   []int64 // ns from the start, ascending
	class []int32 // of each arrival: an index of names, or −1; nil if none has a class
	names []string
	lines []int // where each name is first
}

// TraceError is a fault in a trace: what is wrong, where, and what to do.
type TraceError struct {
	File string
	Line int // from 1
	Msg  string
}

func (e *TraceError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Msg) }

// Bounds of a trace.
const (
	maxTrace     = 1000 * time.Hour
	maxTraceLine = 64 << 10                         // bytes
	shortTrace   = time.Duration(record.SeriesStep) // and none counts as shorter
)

const (
	traceText = "write seconds since the start and optionally a class, as 0.0012 or 0.0012,fast"
	traceJSON = `write {"t": 0.0012} or {"t": 0.0012, "class": "fast"}`
)

// ReadTrace reads a trace, name being the file in its errors: an arrival a
// line, as seconds since the start, in ascending order, with the class of
// request behind a comma or a blank, or both in JSON. Blank lines, and those
// that begin with #, do not count. A fault is a *TraceError.
func ReadTrace(name string, r io.Reader) (*Trace, error) {
	t := &Trace{name: name}
	known := map[string]int32{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxTraceLine)
	n, last := 0, 0.0
	fault := func(format string, a ...any) error {
		return &TraceError{File: name, Line: n, Msg: fmt.Sprintf(format, a...)}
	}
	for lines.Scan() {
		n++
		line := lines.Bytes()
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		read := readTraceText
		if line[0] == '{' {
			read = readTraceJSON
		}
		at, class, err := read(line)
		switch {
		case err != nil:
			return nil, fault("%v", err)
		case !(at >= 0): // nor NaN
			return nil, fault("%v s: an arrival cannot precede the start; write seconds from 0 on", at)
		case at > maxTrace.Seconds():
			return nil, fault("%v s: a trace lasts %.0f hours at most; write seconds since its start, not since 1970", at, maxTrace.Hours())
		case at < last:
			return nil, fault("%v s after %v s: arrivals must be in ascending order; sort the file", at, last)
		}
		last = at
		t.due = append(t.due, int64(math.Round(at*1e9)))
		id := int32(-1)
		if class != "" {
			var ok bool
			if id, ok = known[class]; !ok {
				id = int32(len(t.names))
				known[class] = id
				t.names, t.lines = append(t.names, class), append(t.lines, n)
			}
		}
		t.addClass(id)
	}
	n++
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fault("longer than %d bytes: %s", maxTraceLine, traceText)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	case len(t.due) == 0:
		return nil, fault("the trace is empty; %s", traceText)
	}
	t.due, t.class = slices.Clip(t.due), slices.Clip(t.class)
	return t, nil
}

// addClass keeps no classes until there is one.
func (t *Trace) addClass(id int32) {
	if t.class == nil {
		if id < 0 {
			return
		}
		for range len(t.due) - 1 {
			t.class = append(t.class, -1)
		}
	}
	t.class = append(t.class, id)
}

func readTraceText(line []byte) (at float64, class string, err error) {
	text := string(line)
	end := strings.IndexAny(text, ", \t")
	if end >= 0 {
		rest := strings.TrimLeft(text[end:], " \t")
		rest, comma := strings.CutPrefix(rest, ",")
		class = strings.TrimSpace(rest)
		if text = text[:end]; comma && class == "" {
			return 0, "", fmt.Errorf("no class behind the comma; %s", traceText)
		}
	}
	at, err = strconv.ParseFloat(text, 64)
	if err != nil || strings.ContainsAny(text, "xX_pP") { // an exponent is what programs write
		return 0, "", fmt.Errorf("%.80q is no number of seconds; %s", text, traceText)
	}
	return at, class, nil
}

func readTraceJSON(line []byte) (at float64, class string, err error) {
	var v struct {
		T     *float64 `json:"t"`
		Class *string  `json:"class"`
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		return 0, "", fmt.Errorf("%v; %s", err, traceJSON)
	}
	if _, err := d.Token(); err != io.EOF {
		return 0, "", fmt.Errorf("more than one object in the line; %s", traceJSON)
	}
	if v.T == nil {
		return 0, "", fmt.Errorf("no t; %s", traceJSON)
	}
	if v.Class != nil {
		if class = *v.Class; class == "" {
			return 0, "", fmt.Errorf("an empty class; leave it out, or %s", traceJSON)
		}
	}
	return *v.T, class, nil
}

// exhausted is when nothing is due any more: beyond all windows, also with the
// start of one added.
const exhausted = math.MaxInt64 / 2

// at is when arrival k is due at so many times the speed, in ns.
func (t *Trace) at(k int64, speed float64) int64 {
	if k >= int64(len(t.due)) {
		return exhausted
	}
	return int64(float64(t.due[k]) / speed)
}

// classOf is the class of arrival k, or −1 where it has none.
func (t *Trace) classOf(k int64) int32 {
	if k >= int64(len(t.class)) {
		return -1
	}
	return t.class[k]
}

// before is the number of arrivals before ns.
func (t *Trace) before(ns int64, speed float64) int {
	return sort.Search(len(t.due), func(k int) bool { return t.at(int64(k), speed) >= ns })
}

// Length is how long t plays at so many times its speed: until one mean gap
// after its last arrival, so that the arrivals over the length are their rate,
// and a step of the series at least.
func (t *Trace) Length(speed float64) time.Duration {
	last := len(t.due) - 1
	length := float64(t.due[last])
	if last > 0 {
		length += (length - float64(t.due[0])) / float64(last)
	}
	return max(time.Duration(length/speed), shortTrace)
}

// among returns for each class of t the bounds of a mix that draws only
// requests of that class.
func (t *Trace) among(requests []Request) ([][]uint64, error) {
	var all [][]uint64
	for i, name := range t.names {
		if !slices.ContainsFunc(requests, func(r Request) bool { return r.Class == name }) {
			var known []string
			for _, r := range requests {
				known = append(known, r.Class)
			}
			slices.Sort(known)
			return nil, &TraceError{File: t.name, Line: t.lines[i],
				Msg: fmt.Sprintf("no request has the class %.80q; known: %s", name, strings.Join(slices.Compact(known), ", "))}
		}
		all = append(all, bounds(requests, func(r *Request) bool { return r.Class == name }))
	}
	return all, nil
}
