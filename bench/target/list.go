package target

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// SyntaxError is a fault in a list of targets and where it is.
type SyntaxError struct {
	File         string
	Line, Column int // from 1; 0 where unknown
	Msg          string
}

func (e *SyntaxError) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Msg
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Msg)
}

func syntaxError(file string, t *token.Token, msg string) *SyntaxError {
	e := &SyntaxError{File: file, Msg: msg}
	if t != nil && t.Position != nil {
		e.Line, e.Column = t.Position.Line, t.Position.Column
	}
	return e
}

// ParseList decodes a YAML sequence of targets strictly and fills in the
// defaults. Name is for the error messages: an unknown key, a wrong type or a
// value that makes no sense is a *SyntaxError with line and column. Faults in
// values are reported all at once (joined), each as a *SyntaxError.
func ParseList(name string, data []byte) (list []Target, err error) {
	// goccy/go-yaml panics on some input that no one writes in earnest, such
	// as a tag before a scalar where a sequence is wanted (found by fuzzing).
	defer func() {
		if r := recover(); r != nil {
			list, err = nil, &SyntaxError{File: name, Msg: fmt.Sprintf("cannot be read as YAML: %v", r)}
		}
	}()
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, decodeError(name, nil, err)
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return nil, &SyntaxError{File: name, Line: 1, Column: 1, Msg: "holds no targets"}
	}
	if len(file.Docs) > 1 {
		return nil, syntaxError(name, file.Docs[1].Start, "a second document; one list is expected")
	}
	dec := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict())
	if err := dec.Decode(&list); err != nil && !errors.Is(err, io.EOF) {
		return nil, decodeError(name, file, err)
	}
	l := &listChecker{name: name, file: file}
	seen := map[string]int{}
	for i := range list {
		t := &list[i]
		l.check(i, t)
		if first, ok := seen[t.Name]; ok && t.Name != "" {
			l.fault(fmt.Sprintf("$[%d].name", i), "a target named %q is already in row %d", t.Name, first+1)
		} else {
			seen[t.Name] = i
		}
		t.setDefaults()
	}
	if len(l.faults) > 0 {
		return nil, errors.Join(l.faults...)
	}
	return list, nil
}

// decodeError gives the library's error a place. An error from a value's own
// parser (a duration) has no token: the place is then found by the text which
// the message quotes.
func decodeError(name string, file *ast.File, err error) error {
	// These two would talk of Go, and not of what is allowed.
	var wrong *yaml.TypeError
	if errors.As(err, &wrong) {
		want := wrong.DstType.Kind().String()
		if wrong.DstType == reflect.TypeFor[time.Duration]() {
			want = "duration such as 500ms or 5s"
		}
		return syntaxError(name, wrong.Token, fmt.Sprintf("%q is no %s", wrong.Token.Value, want))
	}
	var unknown *yaml.UnknownFieldError
	if errors.As(err, &unknown) {
		return syntaxError(name, unknown.Token, fmt.Sprintf("unknown key %q (known: %s)", unknown.Token.Value, knownKeys(file, unknown.Token)))
	}
	var e yaml.Error
	if errors.As(err, &e) {
		return syntaxError(name, e.GetToken(), e.GetMessage())
	}
	var found *token.Token
	if file != nil {
		ast.Walk(visitor(func(n ast.Node) {
			if t := n.GetToken(); found == nil && t.Value != "" && n.Type() == ast.StringType &&
				strings.Contains(err.Error(), fmt.Sprintf("%q", t.Value)) {
				found = t
			}
		}), file.Docs[0].Body)
	}
	return syntaxError(name, found, strings.TrimPrefix(err.Error(), "time: "))
}

// knownKeys lists the keys that are allowed beside the unknown one.
func knownKeys(file *ast.File, unknown *token.Token) string {
	typ := reflect.TypeFor[Target]()
	if file != nil {
		ast.Walk(visitor(func(n ast.Node) {
			t := n.GetToken()
			if t != nil && t.Position.Offset == unknown.Position.Offset && strings.Contains(n.GetPath(), ".requires") {
				typ = reflect.TypeFor[Requirement]()
			}
		}), file.Docs[0].Body)
	}
	var names []string
	for i := range typ.NumField() {
		names = append(names, typ.Field(i).Tag.Get("yaml"))
	}
	return strings.Join(names, ", ")
}

type visitor func(ast.Node)

func (v visitor) Visit(n ast.Node) ast.Visitor { v(n); return v }

// listChecker gathers faults with their places.
type listChecker struct {
	name   string
	file   *ast.File
	faults []error
}

// fault records a fault at the YAML path, or at the nearest parent which is
// there: a missing key is reported at the row that misses it.
func (l *listChecker) fault(path, format string, args ...any) {
	msg := fmt.Sprintf(format, args...)
	for p := path; ; p = p[:strings.LastIndexAny(p, ".[")] {
		if yp, err := yaml.PathString(p); err == nil {
			if n, err := yp.FilterFile(l.file); err == nil && n != nil {
				l.faults = append(l.faults, syntaxError(l.name, firstToken(n), msg))
				return
			}
		}
		if !strings.ContainsAny(p, ".[") {
			l.faults = append(l.faults, &SyntaxError{File: l.name, Msg: msg})
			return
		}
	}
}

// firstToken is where a reader would look for n. A mapping's own token is the
// colon of its first pair.
func firstToken(n ast.Node) *token.Token {
	switch n := n.(type) {
	case *ast.MappingNode:
		if len(n.Values) > 0 {
			return n.Values[0].Key.GetToken()
		}
	case *ast.MappingValueNode:
		return n.Key.GetToken()
	}
	return n.GetToken()
}

var nameRE = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)

func (l *listChecker) check(i int, t *Target) {
	at := func(format string, args ...any) string {
		return fmt.Sprintf("$[%d]", i) + fmt.Sprintf(format, args...)
	}
	switch {
	case t.Name == "":
		l.fault(at(".name"), "a target needs a name")
	case !nameRE.MatchString(t.Name):
		l.fault(at(".name"), "name %q: use lower-case letters, digits, '.', '_' and '-'", t.Name)
	}
	switch t.Kind {
	case Engine, Yardstick:
		if t.Spec == "" {
			l.fault(at(".spec"), "a target of kind %s needs a spec", t.Kind)
		}
	case Outside:
		if t.Spec != "" {
			l.fault(at(".spec"), "a target of kind outside has no spec")
		}
	default:
		l.fault(at(".kind"), "kind %q is none of %s, %s and %s", t.Kind, Engine, Yardstick, Outside)
	}
	if len(t.Command) == 0 || t.Command[0] == "" {
		l.fault(at(".command"), "a target needs a command: a list, the program first")
	}
	for j, arg := range t.Command {
		if err := checkTemplate(arg); err != nil {
			l.fault(at(".command[%d]", j), "%v", err)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(t.Env)) {
		if k == "" || strings.ContainsAny(k, "=\x00") {
			l.fault(at(".env"), "%q is no name for an environment variable", k)
		} else if err := checkTemplate(t.Env[k]); err != nil {
			l.fault(at(".env.'%s'", k), "%v", err)
		}
	}
	if t.Ready != "" && !strings.HasPrefix(t.Ready, "/") {
		l.fault(at(".ready"), "ready %q is no path: it starts with '/'", t.Ready)
	}
	if t.Drain < 0 {
		l.fault(at(".drain"), "drain %v is negative", t.Drain)
	}
	if _, ok := signals[t.Signal]; !ok && t.Signal != "" {
		l.fault(at(".signal"), "signal %q is none of TERM, INT and QUIT", t.Signal)
	}
	for j, r := range t.Requires {
		set := 0
		for _, s := range []string{r.Program, r.File, r.Glob} {
			if s != "" {
				set++
			}
			if err := checkTemplate(s); err != nil {
				l.fault(at(".requires[%d]", j), "%v", err)
			}
		}
		if set != 1 {
			l.fault(at(".requires[%d]", j), "a requirement has exactly one of program, file and glob")
		}
		if r.Install == "" {
			l.fault(at(".requires[%d]", j), "say how to get it: install")
		}
	}
}
