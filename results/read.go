package results

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/dynobench/dyno/internal/file"
)

// Read returns the run stored in path, a run's folder or its run.json.
//
// It refuses what it would misread: another kind of document and a newer major
// version of the schema, by name. A malformed document is reported with file,
// line, column and offset.
func Read(path string) (*Run, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, RunFile)
	}
	b, err := readDocument(path)
	if err != nil {
		return nil, fmt.Errorf("read run: %w", err)
	}
	return parseRun(path, b)
}

// mostDocument is how many bytes a document may have: a hundred times those of
// the longest run that anybody has waited for.
const mostDocument = 1 << 30

func readDocument(path string) ([]byte, error) {
	return file.Read(path, mostDocument)
}

func parseRun(path string, b []byte) (*Run, error) {
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	var head struct {
		Schema string `json:"schema"`
	}
	if err := decode(path, b, &head); err != nil {
		return nil, err
	}
	if err := checkSchema(head.Schema, RunSchema); err != nil {
		return nil, fmt.Errorf("%s %w", path, err)
	}
	run := new(Run)
	if err := decode(path, b, run); err != nil {
		return nil, err
	}
	if err := check(run); err != nil {
		return nil, fmt.Errorf("%s: not a run of dyno: %w", path, err)
	}
	if err := run.Plan.check(); err != nil {
		return nil, fmt.Errorf("%s %w", path, err)
	}
	return run, nil
}

// decode is json.Unmarshal whose errors say where.
func decode(path string, b []byte, v any) error {
	err := json.Unmarshal(b, v)
	if err == nil {
		return nil
	}
	offset := int64(-1)
	var syntax *json.SyntaxError
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &wrongType):
		offset = wrongType.Offset
	}
	if offset < 0 {
		return fmt.Errorf("%s: not a run of dyno: %w", path, err)
	}
	before := b[:min(offset, int64(len(b)))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := max(1, len(before)-(bytes.LastIndexByte(before, '\n')+1)) // the offset counts the byte at fault
	return fmt.Errorf("%s:%d:%d: malformed at offset %d of %d: %w", path, line, column, offset, len(b), err)
}

// checkSchema reports why a document of the schema got is none that a reader
// of want understands, or nil.
func checkSchema(got, want string) error {
	name, version, _ := strings.Cut(got, "/")
	wantName, wantVersion, _ := strings.Cut(want, "/")
	major, err := strconv.Atoi(version)
	switch known, _ := strconv.Atoi(wantVersion); {
	case got == "":
		return fmt.Errorf("has no schema: it is not a run stored by dyno (%s)", want)
	case name != wantName || err != nil || major < 1:
		return fmt.Errorf("is %s: expected a stored run (%s)", got, want)
	case major > known:
		return fmt.Errorf("is %s; this dyno reads up to %s: upgrade dyno", got, want)
	}
	return nil
}
