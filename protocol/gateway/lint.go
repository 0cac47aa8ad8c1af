package gateway

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Lint is a Middleware that watches over the contract between the engine and
// app, and fails loudly when either side breaks it: the violation is written
// to env.Errors, and the answer is broken off (500 if nothing has left). It is
// stricter than the contract has to be in service, copies every chunk, and is
// meant for tests. What only a client can see, package conformance judges.
//
// Of the app it demands:
//
//   - start before the first non-empty chunk and before the end, once unless with a cause, not after Close;
//   - a status from 200 to 999, a header that start takes, values without
//     control characters or blanks around them;
//   - a body exactly as long as Content-Length says, and as its Size says; none with 204 and 304;
//   - a chunk, once given, left alone until the next call.
//
// Of the engine:
//
//   - an Environ that is filled: Method a token, Path beginning with "/" (or
//     "*" for OPTIONS, or empty below a ScriptName), Scheme http or https, Proto,
//     ServerName and ServerPort, no header field with a name or value that
//     cannot have come by a request, no variable beside the field that is its
//     own, nothing nil, and an Input that gives ContentLength bytes, no more
//     and no less;
//   - Next by one goroutine at a time, not after the end and not after Close;
//   - Close exactly once, and not before the end while the request's Context
//     is alive, unless the answer has no body;
//   - chunks and header not written to, and chunks not used after the next
//     call: their memory is overwritten then.
//
// A Body never closed is noticed when the garbage collector comes by it.
func Lint(app App) App { return LintWith(nil)(app) }

// LintWith is Lint with a callback: report, if not nil, gets each violation as
// a *Violation, from any goroutine.
func LintWith(report func(error)) Middleware {
	return func(app App) App {
		return func(env *Environ, start StartResponse) Body {
			l := &lint{env: env, errors: env.Errors, report: report, size: -1}
			if broken := l.checkEnviron(); broken != nil {
				return Fail(broken)
			}
			l.input = &lintInput{l: l, from: env.Input, left: env.ContentLength}
			env.Input = l.input
			l.realStart = start
			l.body = app(env, l.start)
			if s, ok := l.body.(Sized); ok {
				l.size = s.Size()
				b := &lintSized{lintBody{l}}
				runtime.AddCleanup(b, (*lint).forgotten, l)
				return b
			}
			b := &lintBody{l}
			runtime.AddCleanup(b, (*lint).forgotten, l)
			return b
		}
	}
}

// Violation is a broken rule of the contract.
type Violation struct {
	By     string // "app" or "engine"
	Rule   string // short and stable, as "closed twice"
	Detail string // may be empty
}

func (v *Violation) Error() string {
	msg := "gateway: lint: the " + v.By + " broke the contract: " + v.Rule
	if v.Detail != "" {
		msg += ": " + v.Detail
	}
	return msg
}

// lint is the state of one request.
type lint struct {
	env       *Environ
	errors    io.Writer
	report    func(error)
	realStart StartResponse
	body      Body
	input     *lintInput
	busy      atomic.Bool // somebody is in Next or Close
	closed    atomic.Bool

	mu    sync.Mutex // guards fault: violations come from any goroutine
	fault error      // the first one, which breaks the answer off

	status   int // 0 before start
	header   []Field
	copied   []Field // of header, when it was given
	declared int64   // Content-Length, else −1
	size     int64   // of a Sized, else −1
	given    int64
	left     bool
	ended    bool
	cut      bool // the app has asked for it

	chunk []byte // the app's last one
	was   []byte // its bytes then
	lent  []byte // the copy that the engine has
}

func (l *lint) violation(by, rule, format string, args ...any) error {
	v := &Violation{By: by, Rule: rule, Detail: fmt.Sprintf(format, args...)}
	l.mu.Lock()
	if l.fault == nil {
		l.fault = v
	}
	l.mu.Unlock()
	if l.errors != nil {
		fmt.Fprintln(l.errors, v)
	}
	if l.report != nil {
		l.report(v)
	}
	return v
}

func (l *lint) broken() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fault
}

func (l *lint) checkEnviron() error {
	e := l.env
	bad := func(format string, args ...any) { l.violation("engine", "environ misfilled", format, args...) }
	for _, missing := range []struct {
		name string
		is   bool
	}{
		{"Input", e.Input == nil}, {"Errors", e.Errors == nil}, {"Context", e.Context == nil}, {"Wait", e.Wait == nil},
		{"Proto", e.Proto == ""}, {"ServerName", e.ServerName == ""}, {"ServerPort", e.ServerPort == ""},
	} {
		if missing.is {
			bad("%s is missing", missing.name)
		}
	}
	if !isToken(e.Method) {
		bad("Method %q", e.Method)
	}
	rooted := strings.HasPrefix(e.Path, "/") || e.Path == "" && e.ScriptName != "" || e.Path == "*" && e.Method == http.MethodOptions
	if !rooted {
		bad("Path %q does not begin with /", e.Path)
	}
	if e.ScriptName != "" && !strings.HasPrefix(e.ScriptName, "/") {
		bad("ScriptName %q does not begin with /", e.ScriptName)
	}
	if e.Scheme != "http" && e.Scheme != "https" {
		bad("Scheme %q", e.Scheme)
	}
	if e.ContentLength < 0 {
		bad("ContentLength %d", e.ContentLength)
	}
	for _, v := range e.Vars {
		if v.Name == "" || slices.Contains(cgiKeys, v.Name) || withheld(v.Name) {
			bad("variable %q, which is not Vars' to hold", v.Name)
		}
	}
	for _, f := range e.Header {
		if !isToken(f.Name) || !isValue(f.Value) {
			bad("header field %q: %q", f.Name, f.Value)
		}
	}
	return l.broken()
}

// start is what the app gets in place of the engine's.
func (l *lint) start(status int, header []Field, cause error) error {
	if l.closed.Load() {
		return l.violation("app", "start after Close", "")
	}
	if l.status != 0 && cause == nil {
		return l.violation("app", "second start without a cause", "status %d, then %d", l.status, status)
	}
	var head Head
	err := checkHead(&head, status, header)
	if err != nil {
		return l.violation("app", "head refused", "%v", err)
	}
	for _, f := range header {
		if strings.TrimSpace(f.Value) != f.Value || strings.ContainsFunc(f.Value, isControl) {
			return l.violation("app", "head refused", "control characters, or blanks around the value, in %s: %q", f.Name, f.Value)
		}
	}
	if l.left {
		l.cut = true
	} else {
		if cause != nil {
			l.size = -1 // it was that of the answer which this one replaces
		}
		l.status, l.header, l.copied, l.declared = status, header, slices.Clone(header), head.Length
	}
	return l.realStart(status, header, cause)
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// enter keeps two calls of the engine from overlapping.
func (l *lint) enter(call string) error {
	if !l.busy.CompareAndSwap(false, true) {
		return l.violation("engine", "concurrent calls", "%s during another call", call)
	}
	return nil
}

func (l *lint) next() ([]byte, error) {
	if err := l.enter("Next"); err != nil {
		return nil, err
	}
	defer l.busy.Store(false)
	switch {
	case l.closed.Load():
		return nil, l.violation("engine", "Next after Close", "")
	case l.ended:
		return nil, l.violation("engine", "Next after the end", "")
	}
	l.ended = true // unless all goes well
	l.takeBack()
	if err := l.broken(); err != nil {
		return nil, err
	}
	var chunk []byte
	err := io.EOF
	if l.body != nil {
		chunk, err = l.body.Next()
	}
	if broken := l.broken(); broken != nil { // by start, from within Next
		return nil, broken
	}
	if err != nil && err != io.EOF {
		return nil, err
	}
	if broken := l.checkChunk(chunk, err); broken != nil {
		return nil, broken
	}
	l.given += int64(len(chunk))
	l.left = l.left || len(chunk) > 0
	l.ended = err != nil
	l.chunk, l.was, l.lent = chunk, bytes.Clone(chunk), bytes.Clone(chunk)
	return l.lent, err
}

func (l *lint) checkChunk(chunk []byte, err error) error {
	given := l.given + int64(len(chunk))
	head := l.env.Method == http.MethodHead
	switch {
	case l.status == 0 && len(chunk) > 0:
		return l.violation("app", "chunk before start", "%d bytes", len(chunk))
	case l.status == 0 && err == io.EOF:
		return l.violation("app", "no start", "the body has ended")
	case bodiless(l.status) && given > 0:
		return l.violation("app", "body without leave", "%d bytes with status %d", given, l.status)
	}
	for _, stated := range []struct {
		n    int64
		name string
	}{{l.declared, "Content-Length"}, {l.size, "Size"}} {
		switch {
		case l.status == 0 || stated.n < 0 || bodiless(l.status):
		case given > stated.n:
			return l.violation("app", "body too long", "%d bytes, but %s is %d", given, stated.name, stated.n)
		case err == io.EOF && given < stated.n && !head: // for HEAD an app may leave the body out
			return l.violation("app", "body too short", "%d bytes, but %s is %d", given, stated.name, stated.n)
		}
	}
	return nil
}

// takeBack ends the engine's use of the last chunk.
func (l *lint) takeBack() {
	if !bytes.Equal(l.lent, l.was) {
		l.violation("engine", "chunk written to", "")
	}
	if !bytes.Equal(l.chunk, l.was) {
		l.violation("app", "chunk changed", "before the next call")
	}
	for i := range l.lent {
		l.lent[i] = '!' // whoever still sends from here sends that
	}
	l.chunk, l.was, l.lent = nil, nil, nil
}

func (l *lint) close() error {
	if err := l.enter("Close"); err != nil {
		return err
	}
	defer l.busy.Store(false)
	if l.closed.Swap(true) {
		return l.violation("engine", "closed twice", "")
	}
	l.takeBack()
	if !slices.Equal(l.header, l.copied) {
		l.violation("app", "header changed", "between start and Close, by the app or by the engine")
	}
	bodyless := l.env.Method == http.MethodHead || bodiless(l.status)
	if !l.ended && !l.cut && !bodyless && l.broken() == nil && l.env.Context.Err() == nil {
		l.violation("engine", "closed before the end", "with the request's Context alive")
	}
	if l.env.Input == io.Reader(l.input) {
		l.env.Input = l.input.from
	}
	if l.body == nil {
		return nil
	}
	return l.body.Close()
}

// forgotten runs when the Body has become garbage.
func (l *lint) forgotten() {
	if !l.closed.Load() {
		l.errors = nil // it was the request's
		l.violation("engine", "never closed", "")
	}
}

// lintBody is what the engine gets. It is apart from lint, so that it can
// become garbage while lint waits for that.
type lintBody struct{ l *lint }

func (b *lintBody) Next() ([]byte, error) { return b.l.next() }
func (b *lintBody) Close() error          { return b.l.close() }

type lintSized struct{ lintBody }

var _ Sized = (*lintSized)(nil)

func (b *lintSized) Size() int64 { return b.l.size }

// lintInput holds Input against ContentLength.
type lintInput struct {
	l    *lint
	from io.Reader
	left int64
}

func (in *lintInput) Read(p []byte) (int, error) {
	n, err := in.from.Read(p)
	in.left -= int64(n)
	switch {
	case in.left < 0:
		return n, in.l.violation("engine", "environ misfilled", "Input gives more than ContentLength")
	case err == io.EOF && in.left > 0:
		return n, in.l.violation("engine", "environ misfilled", "Input ends %d bytes before ContentLength", in.left)
	}
	return n, err
}
