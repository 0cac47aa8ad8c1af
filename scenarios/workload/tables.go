package workload

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
)

func (d *Data) csv(text []byte) error {
	r := csv.NewReader(bytes.NewReader(text))
	for {
		record, err := r.Read()
		if err == io.EOF {
			return nil
		}
		var at *csv.ParseError
		if errors.Is(err, csv.ErrFieldCount) && errors.As(err, &at) {
			return d.bad(at.StartLine, "%d fields, the first line names %d", len(record), len(d.fields))
		} else if errors.As(err, &at) {
			return d.bad(at.Line, "column %d: %v", at.Column, at.Err)
		} else if err != nil {
			return d.bad(0, "%v", err)
		}
		line, _ := r.FieldPos(0)
		if d.fields != nil {
			d.row(line, record)
		} else if err := d.columns(line, record); err != nil {
			return err
		}
	}
}

func (d *Data) jsonl(text []byte) error {
	line := 0
	for object := range bytes.Lines(text) {
		line++
		if object = bytes.TrimSpace(object); len(object) == 0 {
			continue
		}
		names, values, msg := flat(object)
		if msg != "" {
			return d.bad(line, "%s", msg)
		}
		if d.fields == nil {
			if err := d.columns(line, names); err != nil {
				return err
			}
			d.row(line, values)
			continue
		}
		row := make([]string, len(d.fields))
		for i, field := range d.fields { // usually in the same order
			at := i
			if at >= len(names) || names[at] != field {
				at = slices.Index(names, field)
			}
			if at < 0 {
				return d.bad(line, "the field %q is missing; every line needs the fields of the first", field)
			}
			row[i] = values[at]
		}
		if err := d.others(line, names); err != nil {
			return err
		}
		d.row(line, row)
	}
	return nil
}

// others looks for names that are no fields, or there twice.
func (d *Data) others(line int, names []string) error {
	if len(names) == len(d.fields) {
		return nil // all fields are there, so nothing else is
	}
	for i, name := range names {
		if !slices.Contains(d.fields, name) {
			return d.bad(line, "the field %q is not in the first line, which has %s", name, strings.Join(d.fields, ", "))
		}
		if slices.Contains(names[:i], name) {
			return d.bad(line, "two fields are named %q", name)
		}
	}
	return nil
}

// flat reads one JSON object of texts, numbers and truth values, or says what
// it has found instead.
func flat(object []byte) (names, values []string, msg string) {
	const want = "expected one flat object on the line, as {\"name\": \"value\"}"
	r := json.NewDecoder(bytes.NewReader(object))
	r.UseNumber()
	if t, err := r.Token(); err != nil || t != json.Delim('{') {
		return nil, nil, want
	}
	for r.More() {
		key, err := r.Token()
		if err != nil {
			return nil, nil, "not JSON: " + err.Error()
		}
		name := key.(string) // the decoder takes nothing else for a key
		value, err := r.Token()
		if err != nil {
			return nil, nil, "not JSON: " + err.Error()
		}
		switch v := value.(type) {
		case string:
			values = append(values, v)
		case json.Number:
			values = append(values, v.String())
		case bool:
			values = append(values, map[bool]string{true: "true", false: "false"}[v])
		default:
			return nil, nil, "the field \"" + name + "\" is null, a list or an object; expected a text, a number, true or false"
		}
		names = append(names, name)
	}
	if _, err := r.Token(); err != nil {
		return nil, nil, "not JSON: " + err.Error()
	}
	if _, err := r.Token(); err != io.EOF {
		return nil, nil, "more than one value; " + want
	}
	if len(names) == 0 {
		return nil, nil, "the object has no fields"
	}
	return names, values, ""
}
