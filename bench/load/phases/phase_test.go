package phases

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/dynobench/dyno/bench/load/plan"
)

func TestPhases(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	// A descriptor of its own, since OpenPhaseFD's is the child's for good.
	fd, err := syscall.Dup(int(w.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	t.Setenv(PhaseFD, strconv.Itoa(fd))
	announce, err := OpenPhaseFD()
	if err != nil {
		t.Fatal(err)
	}
	announce(plan.MeasureStart)
	announce(plan.MeasureEnd)
	var marks []PhaseMark
	for m, err := range ReadPhases(r) {
		if err != nil {
			t.Fatal(err)
		}
		if marks = append(marks, m); len(marks) == 2 {
			break
		}
	}
	if len(marks) != 2 || marks[0].Phase != plan.MeasureStart || marks[1].Phase != plan.MeasureEnd || marks[0].MonotonicNS > marks[1].MonotonicNS {
		t.Errorf("%+v", marks)
	}
}

func TestPhaseFDIsChecked(t *testing.T) {
	t.Setenv(PhaseFD, "")
	if f, err := OpenPhaseFD(); f != nil || err != nil {
		t.Error("without the variable there is nothing to announce", err)
	}
	for _, v := range []string{"x", "-1", "987654"} {
		t.Setenv(PhaseFD, v)
		if _, err := OpenPhaseFD(); err == nil || !strings.Contains(err.Error(), PhaseFD) {
			t.Errorf("%s=%s: %v", PhaseFD, v, err)
		}
	}
}

func TestReadPhasesGoesOn(t *testing.T) {
	marks, errs := 0, 0
	for _, err := range ReadPhases(strings.NewReader("measure-start 5\nnonsense\nmeasure-start x\nmeasure-end 7\n")) {
		if err != nil {
			errs++
		} else {
			marks++
		}
	}
	if marks != 2 || errs != 2 {
		t.Errorf("%d marks, %d errors", marks, errs)
	}
}
