// Package number reads numbers and durations as people write them, alike
// wherever they are given: on the command line, in the environment, in a file,
// in an engine's settings.
//
// A number is decimal: digits, and a fraction where the place allows one.
// Leading zeros change nothing, 010 is ten. There are no signs, exponents,
// underscores and prefixes such as 0x, no infinity and no NaN: what a shell, C
// and YAML each read in a way of their own is refused. A duration has a unit,
// as 1.5s, 500ms or 1h30m; 0 needs none.
package number

import (
	"errors"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var (
	wholePattern    = regexp.MustCompile(`^[0-9]+$`)
	decimalPattern  = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?$`)
	durationPattern = regexp.MustCompile(`^([0-9]+(\.[0-9]+)?(ns|us|µs|μs|ms|s|m|h))+$`)
)

// What is wrong with a text. The caller says where, and quotes it.
var (
	errWhole    = errors.New("not a whole number: write decimal digits, as 1000")
	errDecimal  = errors.New("not a number: write decimal digits, as 1000 or 0.5")
	errDuration = errors.New("not a duration: write a number with its unit, as 1.5s or 500ms")
	errNegative = errors.New("negative: write 0 or more")
	errLarge    = errors.New("too large")
	errEmpty    = errors.New("empty: write a value, or leave it out")
)

// Whole reads a whole number.
func Whole(text string) (uint64, error) {
	if err := check(text, wholePattern, errWhole); err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, errLarge
	}
	return n, nil
}

// Decimal reads a number that may have a fraction.
func Decimal(text string) (float64, error) {
	if err := check(text, decimalPattern, errDecimal); err != nil {
		return 0, err
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(v, 0) {
		return 0, errLarge
	}
	return v, nil
}

// Duration reads a duration.
func Duration(text string) (time.Duration, error) {
	if wholePattern.MatchString(text) && strings.Trim(text, "0") == "" {
		return 0, nil
	}
	if err := check(text, durationPattern, errDuration); err != nil {
		return 0, err
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, errLarge
	}
	return d, nil
}

func check(text string, pattern *regexp.Regexp, otherwise error) error {
	switch {
	case text == "":
		return errEmpty
	case pattern.MatchString(text):
		return nil
	case text[0] == '-' && pattern.MatchString(text[1:]):
		return errNegative
	}
	return otherwise
}
