package template

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Data is a table of texts: what requests take their fields from, one row per
// request. It does not change and may be shared.
type Data struct {
	name   string
	digest string
	fields []string
	values []string // row by row
	lines  []int32  // in the file, by row
}

// A DataError is a fault in a data file.
type DataError struct {
	File string
	Line int // from 1; 0 where a fault has no place
	Msg  string
}

func (e *DataError) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Msg
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Msg)
}

// maxData bounds a file; it is held in memory.
const maxData = 1 << 30

// LoadData reads the file at path: see ReadData.
func LoadData(path string) (*Data, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("data file: %w", err)
	}
	defer f.Close()
	return ReadData(path, f)
}

// ReadData reads a table. The end of name says what it is: .csv with the names
// of the fields in its first line (RFC 4180), or .jsonl or .ndjson, a flat JSON
// object per line with the same fields in each, whose values are texts, numbers
// (taken as they are written) or true and false. Other errors than those of r
// are of type *DataError.
func ReadData(name string, r io.Reader) (*Data, error) {
	d := &Data{name: name}
	var parse func([]byte) error
	switch strings.ToLower(filepath.Ext(name)) {
	case ".csv":
		parse = d.csv
	case ".jsonl", ".ndjson":
		parse = d.jsonl
	default:
		return nil, d.bad(0, "what it holds shows in the end of its name: .csv, .jsonl or .ndjson")
	}
	text, err := io.ReadAll(io.LimitReader(r, maxData+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("data file: %w", err)
	case len(text) > maxData:
		return nil, d.bad(0, "more than %d MiB; dyno holds it in memory", maxData>>20)
	}
	sum := sha256.Sum256(text)
	d.digest = hex.EncodeToString(sum[:])
	if err := parse(bytes.TrimPrefix(text, []byte("\ufeff"))); err != nil {
		return nil, err
	}
	if len(d.lines) == 0 {
		return nil, d.bad(0, "no rows; at least one is needed")
	}
	return d, nil
}

// Name is the file's, as it was given.
func (d *Data) Name() string { return d.name }

// SHA256 is the file's digest, in lower-case hex.
func (d *Data) SHA256() string { return d.digest }

// Fields are the columns' names. The caller must not change them.
func (d *Data) Fields() []string { return d.fields }

// Rows is their number, at least 1.
func (d *Data) Rows() int { return len(d.lines) }

// Value is a field of a row, both counted from 0.
func (d *Data) Value(row, field int) string { return d.values[row*len(d.fields)+field] }

// check returns what is wrong with the first value of a column that test finds
// something to say about.
func (d *Data) check(field int, test func(value string) string) error {
	if d == nil { // Parser.AnyField
		return nil
	}
	for row := range d.lines {
		if msg := test(d.Value(row, field)); msg != "" {
			return d.bad(int(d.lines[row]), "the field %s %s", d.fields[field], msg)
		}
	}
	return nil
}

func (d *Data) bad(line int, format string, a ...any) error {
	return &DataError{File: d.name, Line: line, Msg: fmt.Sprintf(format, a...)}
}

// columns sets the fields' names.
func (d *Data) columns(line int, names []string) error {
	seen := map[string]bool{}
	for i, name := range names {
		if name == "" {
			return d.bad(line, "the name of field %d is empty", i+1)
		}
		if seen[name] {
			return d.bad(line, "two fields are named %q", name)
		}
		seen[name] = true
	}
	d.fields = names
	return nil
}

func (d *Data) row(line int, values []string) {
	d.values = append(d.values, values...)
	d.lines = append(d.lines, int32(line))
}
