package results

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/internal/secret"
)

// Bounds of what a document holds. Somebody may have made it up, and whoever
// reads it adds up its figures and draws axes over them.
const (
	mostFigure  = 1e16    // in any unit; a counter of bytes or nanoseconds fits
	longestText = 1 << 20 // bytes; histograms have bounds of their own
	mostItems   = 2_000_000
)

// check holds every value of a document against these bounds. The error names
// the first that is beyond them by its path in the JSON.
func check(doc any) error { return checkValue("", reflect.ValueOf(doc)) }

func checkValue(path string, v reflect.Value) error {
	at := func() string { return strings.TrimPrefix(path, ".") }
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			return checkValue(path, v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !f.IsExported() {
				continue
			}
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			below := path + "." + name
			if f.Anonymous && name == "" {
				below = path
			}
			if name == "histogram" {
				if strings.Trim(v.Field(i).String(), base64Alphabet) != "" {
					return fmt.Errorf("%s: not base64", strings.TrimPrefix(below, "."))
				}
				continue // how long it may be is for DecodeHistogram to see
			}
			if err := checkValue(below, v.Field(i)); err != nil {
				return err
			}
		}
	case reflect.Slice:
		if v.Len() > mostItems {
			return fmt.Errorf("%s: %d items, more than dyno stores", at(), v.Len())
		}
		for i := range v.Len() {
			if err := checkValue(fmt.Sprintf("%s[%d]", path, i), v.Index(i)); err != nil {
				return err
			}
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			if err := checkValue(fmt.Sprintf("%s.%v", path, it.Key()), it.Value()); err != nil {
				return err
			}
		}
	case reflect.String:
		if v.Len() > longestText {
			return fmt.Errorf("%s: a text of %d bytes is longer than dyno stores", at(), v.Len())
		}
	case reflect.Float64:
		if x := v.Float(); !(x <= mostFigure && x >= leastFigure(path)) {
			return fmt.Errorf("%s: %v is beyond what dyno measures", at(), x)
		}
	case reflect.Int, reflect.Int64:
		if x := v.Int(); x > mostFigure || float64(x) < leastFigure(path) {
			return fmt.Errorf("%s: %d is beyond what dyno measures", at(), x)
		}
	}
	return nil
}

// leastFigure bounds the figure at path from below. Nearly all are counts, times
// or sizes; the others are what a warning measured, which may be a step of the
// clock, and differences of two clocks.
func leastFigure(path string) float64 {
	name := path[strings.LastIndexByte(path, '.')+1:]
	name, _, _ = strings.Cut(name, "[")
	switch name {
	case "value", "limit", "foreign_pct", "cpu_unseen_s":
		return -mostFigure
	case "slots", "busy", "queue", "backlog": // -1: not known
		return -1
	}
	return 0
}

const base64Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="

// Printable returns a copy of run, which may come from a stranger, whose texts
// are single lines with nothing in them that a terminal acts upon. Command lines
// stay as they are, for the shell's quoting to deal with.
func Printable(run *Run) *Run {
	return format.Lines(run, func(field string) bool { return strings.HasSuffix(field, "Command") })
}

// MaskSecrets masks values of variables and credentials in what the plan tells of
// commands and requests. A scenario that has some keeps no definition, which is
// its whole file.
func (p *Plan) MaskSecrets() {
	p.Command = secret.Words(p.Command)
	for i := range p.Scenarios {
		s := &p.Scenarios[i]
		masked := make([]string, len(s.Requests))
		for j, r := range s.Requests {
			masked[j] = secret.Text(r)
		}
		if secret.Masked(masked...) || secret.Text(s.Definition) != s.Definition {
			s.Definition = ""
		}
		s.Requests = masked[:len(masked):len(masked)]
		if len(masked) == 0 {
			s.Requests = nil
		}
	}
	for i := range p.Targets {
		t := &p.Targets[i]
		t.Command = secret.Words(t.Command)
		t.Summary = secret.Words([]string{t.Summary})[0]
	}
}
