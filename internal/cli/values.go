package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dynobench/dyno/internal/number"
)

// zeroMeans says what 0 does to the flags that take it. To all others it is
// refused, as a negative value is to every flag: 0 never stands for the default,
// which leaving the flag out does.
var zeroMeans = map[string]string{
	"cheaper":             "no worker is ended for want of work",
	"drain":               "requests in flight are cut",
	"floor":               "every change matters",
	"generator-cpus":      "CPU 0",
	"harakiri":            "no limit",
	"max-requests":        "no limit",
	"max-requests-jitter": "none",
	"max-rss":             "no limit",
	"server-cpus":         "CPU 0",
	"spin":                "none",
	"warmup":              "none",
}

// emptyMeans are the flags that take an empty text, and what it does to them.
var emptyMeans = map[string]string{
	"body": "no body",
}

// strict makes every flag of root and its verbs read numbers, durations and
// texts by the rules that files are read by: see package number.
func strict(root *cobra.Command) {
	wrap := func(f *pflag.Flag) {
		switch f.Value.(type) {
		case *value, sliceValue: // done: a verb's flags have the root's among them
			return
		}
		if f.Value.Type() == "bool" {
			return
		}
		if f.DefValue == "0s" || f.DefValue == "[]" { // pflag leaves these out of the usage by the type of the Value
			f.DefValue = ""
		}
		v := &value{Value: f.Value, name: f.Name}
		f.Value = v
		if list, ok := v.Value.(pflag.SliceValue); ok {
			f.Value = sliceValue{v, list}
		}
	}
	for _, cmd := range append(root.Commands(), root) {
		cmd.Flags().VisitAll(wrap)
		cmd.PersistentFlags().VisitAll(wrap)
	}
}

// value is a flag's, read by the rules.
type value struct {
	pflag.Value
	name string
}

// sliceValue is that of a flag which may be repeated.
type sliceValue struct {
	*value
	pflag.SliceValue
}

func (v *value) Set(text string) error {
	if text == "" && emptyMeans[v.name] == "" {
		return fmt.Errorf("empty: write a value, or leave --%s out", v.name)
	}
	var zero bool
	var err error
	switch v.Type() {
	case "int", "int64", "uint64", "uint":
		var n uint64
		n, err = number.Whole(text)
		zero, text = n == 0, strconv.FormatUint(n, 10)
	case "float64":
		var x float64
		x, err = number.Decimal(text)
		zero, text = x == 0, strconv.FormatFloat(x, 'g', -1, 64)
	case "share":
		var x float64
		x, err = parseShare(text)
		zero = x == 0
	case "intSlice":
		for part := range strings.SplitSeq(text, ",") {
			if _, err := number.Whole(part); err != nil {
				return fmt.Errorf("%q: %w", part, err)
			}
		}
	case "duration":
		d, e := number.Duration(text)
		zero, text, err = d == 0, d.String(), e
	}
	if err != nil {
		return err
	}
	if zero && zeroMeans[v.name] == "" {
		return fmt.Errorf("must be positive; leave --%s out for the default", v.name)
	}
	return v.Value.Set(text)
}

// whole reads a whole number that is part of a flag's text.
func whole(text string) (int, error) {
	n, err := number.Whole(text)
	if err == nil && n > math.MaxInt32 {
		err = fmt.Errorf("%s: too large", text)
	}
	return int(n), err
}
