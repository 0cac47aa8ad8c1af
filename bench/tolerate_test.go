package bench

import (
	"slices"
	"strings"
	"testing"

	"github.com/dynobench/dyno/bench/load"
	"github.com/dynobench/dyno/results"
)

// What is tolerated counts, stays visible, and excuses nothing else.
func TestTolerate(t *testing.T) {
	for _, test := range []struct {
		codes string // tolerated
		found []string
		valid bool
		left  []string // still in the way
	}{
		{"", []string{CodeSteal}, false, []string{CodeSteal}},
		{"steal", []string{CodeSteal}, true, nil},
		{"steal", []string{CodeSteal, CodeForeignLoad}, false, []string{CodeForeignLoad}},
		{"steal, foreign-load", []string{CodeSteal, CodeForeignLoad}, true, nil},
		{"host", []string{CodeSteal, CodeForeignLoad, CodeRunDelay, CodeThrottled, CodeMeterLate, load.CodeSendLag, load.CodeRateMissed, load.CodeClockStepped}, true, nil},
		{"host", []string{CodeSteal, CodeServerDied}, false, []string{CodeServerDied}},
		{"host", []string{load.CodeStalled}, false, []string{load.CodeStalled}},
		{"host", []string{load.CodeStalled, CodeRunDelay}, true, nil},
		{"steal", []string{load.CodeStalled, CodeRunDelay}, false, []string{load.CodeStalled, CodeRunDelay}},
		{"host", []string{load.CodeErrors}, false, []string{load.CodeErrors}},
	} {
		l := results.Load{Valid: true}
		for _, code := range test.found {
			l.Warn(results.Warning{Code: code, Message: "seen", Invalid: true})
		}
		codes := strings.Split(test.codes, ",")
		if test.codes == "" {
			codes = nil
		}
		if err := CheckTolerated(codes); err != nil {
			t.Errorf("%q: %v", test.codes, err)
		}
		Tolerate(&l, codes)
		var left []string
		for _, w := range l.Warnings {
			if w.Invalid {
				left = append(left, w.Code)
			}
			if w.Invalid == w.Tolerated {
				t.Errorf("%q: %+v: a warning is either in the way or tolerated", test.codes, w)
			}
		}
		if l.Valid != test.valid || !slices.Equal(left, test.left) || len(l.Warnings) != len(test.found) {
			t.Errorf("%q of %v: valid %v, %v in the way; want %v, %v", test.codes, test.found, l.Valid, left, test.valid, test.left)
		}
	}
	for _, code := range []string{load.CodeErrors, CodeServerDied, "stael", ""} {
		if err := CheckTolerated([]string{code}); err == nil || !strings.Contains(err.Error(), CodeForeignLoad) {
			t.Errorf("%q: %v; want an error that lists the codes", code, err)
		}
	}
}
