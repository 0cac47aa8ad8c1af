package bench

import (
	"slices"
	"strings"
	"testing"

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
		{"", []string{results.CodeSteal}, false, []string{results.CodeSteal}},
		{"steal", []string{results.CodeSteal}, true, nil},
		{"steal", []string{results.CodeSteal, results.CodeForeignLoad}, false, []string{results.CodeForeignLoad}},
		{"steal, foreign-load", []string{results.CodeSteal, results.CodeForeignLoad}, true, nil},
		{"host", []string{results.CodeSteal, results.CodeForeignLoad, results.CodeRunDelay, results.CodeThrottled, results.CodeMeterLate, results.CodeSendLag, results.CodeRateMissed, results.CodeClockStepped}, true, nil},
		{"host", []string{results.CodeSteal, results.CodeServerDied}, false, []string{results.CodeServerDied}},
		{"host", []string{results.CodeStalled}, false, []string{results.CodeStalled}},
		{"host", []string{results.CodeStalled, results.CodeRunDelay}, true, nil},
		{"steal", []string{results.CodeStalled, results.CodeRunDelay}, false, []string{results.CodeStalled, results.CodeRunDelay}},
		{"host", []string{results.CodeErrors}, false, []string{results.CodeErrors}},
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
	for _, code := range []string{results.CodeErrors, results.CodeServerDied, "stael", ""} {
		if err := CheckTolerated([]string{code}); err == nil || !strings.Contains(err.Error(), results.CodeForeignLoad) {
			t.Errorf("%q: %v; want an error that lists the codes", code, err)
		}
	}
}
