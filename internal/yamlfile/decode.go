package yamlfile

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dynobench/dyno/internal/number"
	"github.com/dynobench/dyno/internal/suggest"
)

// Decoder fills in a program's own types from Nodes. It gathers faults, so
// that all that can be seen at once are told at once.
type Decoder struct {
	name   string
	faults []*Error
	places map[string]*Node // of each value, by its path, as requests[0].weight
}

// NewDecoder returns a decoder for the file name.
func NewDecoder(name string) *Decoder { return &Decoder{name: name, places: map[string]*Node{}} }

// Set decodes one value, whose path is given.
type Set func(path string, n *Node)

// Fault records what is wrong with n.
func (d *Decoder) Fault(n *Node, format string, args ...any) {
	e := &Error{File: d.name, Msg: fmt.Sprintf(format, args...)}
	if n != nil {
		e.Line, e.Column = n.Line, n.Column
	}
	d.faults = append(d.faults, e)
}

// FaultAt records what is wrong with the value at path, or with what it would
// stand in if it is absent.
func (d *Decoder) FaultAt(path, format string, args ...any) {
	d.Fault(d.place(path), format, args...)
}

func (d *Decoder) place(path string) *Node {
	for {
		if at, ok := d.places[path]; ok {
			return at
		}
		cut := strings.LastIndexAny(path, ".[")
		if cut < 0 {
			return d.places[""]
		}
		path = path[:cut]
	}
}

// Given tells whether the file has a value at path.
func (d *Decoder) Given(path string) bool { return d.places[path] != nil }

// Faulty tells whether there was a fault.
func (d *Decoder) Faulty() bool { return len(d.faults) > 0 }

// Err returns the faults in the order of their lines: an *Error, or several
// joined, or nil.
func (d *Decoder) Err() error {
	slices.SortStableFunc(d.faults, func(a, b *Error) int { return a.Line - b.Line })
	all := make([]error, len(d.faults))
	for i, fault := range d.faults {
		all[i] = fault
	}
	if len(all) == 1 {
		return all[0]
	}
	return errors.Join(all...)
}

// Object decodes a mapping with the keys of sets, the required ones among them.
func (d *Decoder) Object(path string, n *Node, what string, sets map[string]Set, required ...string) {
	d.places[path] = n
	if n.Kind != Map {
		d.Fault(n, "%s: %s; write key: value pairs (%s)", what, n, strings.Join(slices.Sorted(maps.Keys(sets)), ", "))
		return
	}
	for _, p := range n.Pairs {
		do, known := sets[p.Key.Text]
		if !known {
			d.Fault(p.Key, "%v", suggest.Unknown("key", p.Key.Text, slices.Collect(maps.Keys(sets))))
			continue
		}
		at := p.Key.Text
		if path != "" {
			at = path + "." + at
		}
		d.places[at] = p.Value
		do(at, p.Value)
	}
	for _, key := range required {
		if n.Get(key) == nil {
			d.Fault(n, "%s: %s is missing; add it", what, key)
		}
	}
}

// Each decodes a list of what it says.
func (d *Decoder) Each(of string, item Set) Set {
	return func(path string, n *Node) {
		if n.Kind != List {
			d.Fault(n, "%s: %s; write a list of %s", path, n, of)
			return
		}
		for i, v := range n.Items {
			at := fmt.Sprintf("%s[%d]", path, i)
			d.places[at] = v
			item(at, v)
		}
	}
}

// Text decodes text that says something: what is empty is left out.
func (d *Decoder) Text(into *string) Set {
	return func(path string, n *Node) {
		if n.Kind == Text && n.Text == "" {
			d.Fault(n, "%s is empty; write a value, or leave it out", path)
			return
		}
		d.Any(into)(path, n)
	}
}

// Any decodes text that may be empty.
func (d *Decoder) Any(into *string) Set {
	return func(path string, n *Node) {
		if n.Kind != Text {
			d.Fault(n, "%s: %s; write text, in quotes where YAML reads it as something else", path, n)
			return
		}
		*into = n.Text
	}
}

// Word decodes text that need not be in quotes where YAML reads it as a number
// or a truth value: a word of a command line is what is written, and may be empty.
func (d *Decoder) Word(into *string) Set {
	return func(path string, n *Node) {
		if n.Kind != Number && n.Kind != Bool {
			d.Any(into)(path, n)
			return
		}
		*into = n.Text
	}
}

// Words decodes a list of words.
func (d *Decoder) Words(into *[]string) Set {
	return d.Each("words", func(path string, n *Node) {
		var s string
		d.Word(&s)(path, n)
		*into = append(*into, s)
	})
}

// Named decodes pairs of a name and a value, with the Set that decode makes.
func (d *Decoder) Named(into *map[string]string, decode func(*string) Set) Set {
	return func(path string, n *Node) {
		d.places[path] = n
		if n.Kind != Map {
			d.Fault(n, "%s: %s; write Name: value pairs", path, n)
			return
		}
		*into = map[string]string{}
		for _, p := range n.Pairs {
			at := path + "." + p.Key.Text
			d.places[at] = p.Key
			var s string
			decode(&s)(at, p.Value)
			(*into)[p.Key.Text] = s
		}
	}
}

// Whole decodes a whole number below 2^53, which JSON can hold as well.
func (d *Decoder) Whole(into *int64) Set {
	return func(path string, n *Node) {
		v, err := uint64(0), errors.New("write a whole number")
		if n.Kind == Number {
			v, err = number.Whole(n.Text)
		}
		if err != nil || v > 1<<53 {
			d.Fault(n, "%s: %s; write a whole number in decimal digits", path, n)
			return
		}
		*into = int64(v)
	}
}

// Integer decodes a whole number.
func (d *Decoder) Integer(into *int) Set {
	return func(path string, n *Node) {
		v := int64(*into)
		d.Whole(&v)(path, n)
		*into = int(v)
	}
}

// Decimal decodes a number that may have a fraction.
func (d *Decoder) Decimal(into *float64) Set {
	return func(path string, n *Node) {
		if n.Kind == Number {
			if v, err := number.Decimal(n.Text); err == nil {
				*into = v
				return
			}
		}
		d.Fault(n, "%s: %s; write a number in decimal digits", path, n)
	}
}

// Bool decodes true or false.
func (d *Decoder) Bool(into *bool) Set {
	return func(path string, n *Node) {
		if n.Kind != Bool {
			d.Fault(n, "%s: %s; write true or false", path, n)
			return
		}
		*into = strings.EqualFold(n.Text, "true")
	}
}

// Duration decodes a duration.
func (d *Decoder) Duration(into *time.Duration) Set {
	return func(path string, n *Node) {
		if n.Kind == Text || n.Kind == Number {
			if v, err := number.Duration(n.Text); err == nil {
				*into = v
				return
			}
		}
		d.Fault(n, "%s: %s; write a duration with its unit and without a sign, as 2s or 500ms", path, n)
	}
}
