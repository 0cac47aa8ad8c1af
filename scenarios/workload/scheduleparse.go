package workload

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/dynobench/dyno/internal/number"
)

// Bounds of what can be written.
const (
	MaxRate     = 1e9              // one request per nanosecond
	minDuration = time.Millisecond // of a segment; what is shorter no generator keeps apart
	maxDuration = 1000 * time.Hour // of all segments
)

var ratePattern = regexp.MustCompile(`^[0-9]{1,10}(\.[0-9]{1,9})?k?$`)

// ScheduleError is a fault in the text of a Schedule.
type ScheduleError struct {
	Text    string // the whole
	Segment int    // from 1; 0 if the fault is in the whole
	Msg     string // what was found, what to write
}

func (e *ScheduleError) Error() string {
	parts := strings.Split(e.Text, ",")
	if e.Segment == 0 || len(parts) == 1 {
		return fmt.Sprintf("rate %q: %s", e.Text, e.Msg)
	}
	return fmt.Sprintf("rate %q: segment %d, %q: %s", e.Text, e.Segment, parts[e.Segment-1], e.Msg)
}

// ParseSchedule reads a Schedule: segments RATE[..RATE][@DURATION], separated by commas.
// A rate is in requests per second and may end in k; only a single segment may
// do without a duration. The error is an *ScheduleError.
func ParseSchedule(text string) (Schedule, error) {
	var p Schedule
	parts := strings.Split(text, ",")
	total, peak := time.Duration(0), 0.0
	for i, part := range parts {
		s, msg := parseSegment(part)
		total += s.Duration
		peak = max(peak, s.From, s.To)
		switch {
		case msg != "":
		case s.Duration == 0 && len(parts) > 1:
			msg = fmt.Sprintf("for how long? Write %s@5s; only a single segment may leave that out", part)
		case total > maxDuration:
			msg = fmt.Sprintf("the segments last longer than %.0f hours; write shorter ones, they repeat", maxDuration.Hours())
		}
		if msg != "" {
			return nil, &ScheduleError{Text: text, Segment: i + 1, Msg: msg}
		}
		p = append(p, s)
	}
	if peak == 0 {
		return nil, &ScheduleError{Text: text, Msg: "nothing is ever due; write a rate above 0"}
	}
	return p, nil
}

// parseSegment returns what is wrong with part, or "".
func parseSegment(part string) (s Segment, msg string) {
	if part == "" {
		return s, "nothing there; write RATE, RATE..RATE or either with @DURATION, as 2000, 100..5000 or 500@2s"
	}
	rates, duration, timed := strings.Cut(part, "@")
	from, to, ramp := strings.Cut(rates, "..")
	if s.From, msg = parseRate(from); msg != "" {
		return s, msg
	}
	s.To = s.From
	if ramp {
		if s.To, msg = parseRate(to); msg != "" {
			return s, msg
		}
	}
	if !timed {
		return s, ""
	}
	d, err := number.Duration(duration)
	switch {
	case err != nil:
		return s, fmt.Sprintf("duration %q; write one with its unit and without a sign, as 5s or 100ms", duration)
	case d < minDuration:
		return s, fmt.Sprintf("duration %q; write %v or more", duration, minDuration)
	}
	s.Duration = d
	return s, ""
}

func parseRate(text string) (rate float64, msg string) {
	if !ratePattern.MatchString(text) {
		return 0, fmt.Sprintf("%q is no rate; write requests per second without a sign, as 2000, 0.5 or 10k", text)
	}
	digits, thousands := strings.CutSuffix(text, "k")
	rate, err := strconv.ParseFloat(digits, 64)
	if thousands {
		rate *= 1000
	}
	if err != nil || rate > MaxRate {
		return 0, fmt.Sprintf("%q is more than one request per nanosecond; write at most %.0f", text, MaxRate)
	}
	return rate, ""
}
