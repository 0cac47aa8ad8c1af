package workload

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/dynobench/dyno/internal/file"
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

// LoadData reads the file at path: see ParseData.
func LoadData(path string) (*Data, error) {
	text, err := file.Read(path, maxData)
	if err != nil {
		return nil, fmt.Errorf("data file: %w", err)
	}
	return ParseData(path, text)
}

// ParseData reads a table, in UTF-8. The end of name says what it is: .csv with the names
// of the fields in its first line (RFC 4180), or .jsonl or .ndjson, a flat JSON
// object per line with the same fields in each, whose values are texts, numbers
// (taken as they are written) or true and false. An error is of type *DataError.
func ParseData(name string, text []byte) (*Data, error) {
	d := &Data{name: name}
	var parse func([]byte) error
	switch strings.ToLower(filepath.Ext(name)) {
	case ".csv":
		parse = d.csv
	case ".jsonl", ".ndjson":
		parse = d.jsonl
	default:
		return nil, d.bad(0, "the file name must end in .csv, .jsonl or .ndjson")
	}
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		return nil, d.bad(0, "is in UTF-16; save it as UTF-8")
	}
	if at := invalidUTF8(text); at >= 0 {
		return nil, d.bad(1+bytes.Count(text[:at], []byte("\n")), "the byte %#02x is not UTF-8; save the file as UTF-8", text[at])
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

// invalidUTF8 is the index of the first byte that is not UTF-8, -1 if none.
func invalidUTF8(text []byte) int {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
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
