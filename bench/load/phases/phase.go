// Package phases leads a running load through its phases: the warm-up, until the
// rate is steady and the queue has settled, the measured window, and its end,
// which it announces to whoever meters the server.
package phases

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/bench/load/plan"
)

// PhaseFD is the environment variable by which a parent process gives the
// generator a descriptor to announce phases on: one line each, the phase and
// CLOCK_MONOTONIC in nanoseconds, separated by a space.
const PhaseFD = "DYNO_LOAD_PHASE_FD"

// OpenPhaseFD returns what announces phases on the descriptor that PhaseFD
// names, for Config.Phase. It returns nil where PhaseFD is not set. A parent
// that does not listen any more is nobody's trouble but its own: failed writes
// are dropped.
func OpenPhaseFD() (func(plan.Phase), error) {
	v := os.Getenv(PhaseFD)
	if v == "" {
		return nil, nil
	}
	fd, err := strconv.ParseUint(v, 10, 31)
	if err != nil {
		return nil, fmt.Errorf("%s=%q: expected the number of an open descriptor", PhaseFD, v)
	}
	f := os.NewFile(uintptr(fd), PhaseFD)
	if f == nil {
		return nil, fmt.Errorf("%s=%d: no such descriptor", PhaseFD, fd)
	}
	if _, err := f.Stat(); err != nil {
		return nil, fmt.Errorf("%s=%d is not open: %w", PhaseFD, fd, err)
	}
	return func(p plan.Phase) { writePhase(f, p) }, nil
}

func writePhase(w io.Writer, p plan.Phase) {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) == nil {
		fmt.Fprintf(w, "%s %d\n", p, ts.Nano())
	}
}

// A PhaseMark is one line that a generator wrote to its PhaseFD.
type PhaseMark struct {
	Phase       plan.Phase
	MonotonicNS int64 // CLOCK_MONOTONIC at the moment, shared by all processes of a host
}

// ReadPhases yields the marks from r, the other end of a PhaseFD, as they come,
// until the generator has closed its end. A line that is not a mark is yielded
// as an error and does not stop the reading; an error of r does.
func ReadPhases(r io.Reader) iter.Seq2[PhaseMark, error] {
	return func(yield func(PhaseMark, error) bool) {
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			name, at, _ := strings.Cut(lines.Text(), " ")
			ns, err := strconv.ParseInt(at, 10, 64)
			if p := plan.Phase(name); err != nil || p != plan.MeasureStart && p != plan.MeasureEnd {
				if !yield(PhaseMark{}, fmt.Errorf("phase line %.80q: expected %s or %s and nanoseconds", lines.Text(), plan.MeasureStart, plan.MeasureEnd)) {
					return
				}
				continue
			}
			if !yield(PhaseMark{Phase: plan.Phase(name), MonotonicNS: ns}, nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(PhaseMark{}, fmt.Errorf("read phases: %w", err))
		}
	}
}
