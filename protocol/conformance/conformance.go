// Package conformance holds the rules that a server has to keep: PEP 3333 as
// package gateway tells it in Go, and what HTTP/1.1 demands of any server. There
// is one list, Rules; the engines' test suite, dyno check and the table in
// docs/rules.md are all made from it.
//
// A rule is judged from the outside, by requests and answers. Those of the
// gateway need App at the other end, which does to the server what apps may do
// to it and tells what it has seen; the rest can be held against any server. It
// needs only the standard library and gateway.
package conformance

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Rule is one thing that a server must do.
type Rule struct {
	ID   string // stable: its group, a dot, its name
	Text string // what must hold, as a sentence
	Ref  string // where it stands
	// Should marks what a server may have reasons not to do: a breach is
	// told, but the server conforms.
	Should bool
	Needs  Needs
	check  func(*probe) error
}

// Needs is what a rule takes to be judged.
type Needs uint8

const (
	App  Needs = 1 << iota // the probe app has to be served
	HTTP                   // it is about the bytes of HTTP, so other protocols have nothing like it
)

// Verdict says how a server stands to a rule.
type Verdict string

// The verdicts. Unjudged is not a pass: nothing is known.
const (
	Pass     Verdict = "pass"
	Fail     Verdict = "fail"
	Unjudged Verdict = "unjudged"
)

// Result is the verdict on one rule.
type Result struct {
	Rule    Rule
	Verdict Verdict
	Detail  string // what was seen, or why there is no verdict; "" for a pass
}

// Server is what is judged.
type Server struct {
	// Dial connects to a server that speaks HTTP/1.1; nil: it speaks another
	// protocol and Transport asks it.
	Dial func(context.Context) (net.Conn, error)
	// Transport asks one request at a time. Default: HTTP over Dial, on one
	// connection as long as the server keeps it. It must not ask again by
	// itself, and must not hide an answer that broke off.
	Transport http.RoundTripper
	// Scheme of the URLs that Transport is asked; default http. With https Dial
	// gives connections whose TLS has been agreed.
	Scheme string
	App    bool   // the server runs App
	Host   string // default "dyno.test"
	Path   string // of a resource that GET finds, for rules that need no App; default "/"
	// Patience is how long anything may take that a server does at once;
	// default 3 s.
	Patience time.Duration
}

// Rules lists all rules in the order in which they are judged.
func Rules() []Rule {
	var all []Rule
	for _, group := range [][]Rule{environRules, startRules, bodyRules, closeRules, gatewayHTTPRules, extraRules, wireRules, refusalRules} {
		all = append(all, group...)
	}
	return all
}

// Run judges s by each rule in turn, with one connection at a time, and hands
// every result to each, which may be nil. Once ctx has ended the rules that are
// left are Unjudged.
func Run(ctx context.Context, s Server, each func(Result)) []Result {
	if s.Scheme == "" {
		s.Scheme = "http"
	}
	if s.Host == "" {
		s.Host = "dyno.test"
	}
	if s.Path == "" {
		s.Path = "/"
	}
	if s.App {
		s.Path = "/hello"
	}
	if s.Patience <= 0 {
		s.Patience = 3 * time.Second
	}
	var all []Result
	for _, rule := range Rules() {
		r := judge(ctx, s, rule)
		all = append(all, r)
		if each != nil {
			each(r)
		}
	}
	return all
}

// Conforms tells whether no rule is broken but for those that are a Should.
func Conforms(results []Result) bool {
	for _, r := range results {
		if r.Verdict == Fail && !r.Rule.Should {
			return false
		}
	}
	return true
}

// Served tells whether the rules of HTTP, if any has been judged, have judged more
// than a server's error page: an ordinary request was answered otherwise.
func Served(results []Result) bool {
	judged, answered := false, true
	for _, r := range results {
		switch {
		case r.Rule.ID == "wire.answer":
			answered = r.Verdict != Unjudged
		case r.Rule.Needs&HTTP != 0 && r.Verdict != Unjudged:
			judged = true
		}
	}
	return answered || !judged
}

// unjudged is the error of a check that cannot tell.
type unjudged struct{ why string }

func (u unjudged) Error() string { return u.why }

func cannotTell(format string, a ...any) error { return unjudged{fmt.Sprintf(format, a...)} }

func judge(ctx context.Context, s Server, rule Rule) Result {
	r := Result{Rule: rule, Verdict: Unjudged}
	switch {
	case ctx.Err() != nil:
		r.Detail = "the time was up before"
		return r
	case rule.Needs&App != 0 && !s.App:
		r.Detail = "only an app of dyno's behind the server can tell"
		return r
	case rule.Needs&HTTP != 0 && s.Dial == nil:
		r.Detail = "it is about HTTP, and the server speaks another protocol"
		return r
	}
	p := &probe{ctx: ctx, Server: s}
	err := rule.check(p)
	p.close()
	var u unjudged
	switch {
	case err == nil:
		r.Verdict = Pass
	case errors.As(err, &u):
		r.Detail = u.why
	case ctx.Err() != nil: // whatever it saw, it was cut short
		r.Detail = "the time was up meanwhile"
	case p.turnedAway != 0: // which it may do with any request
		r.Detail = fmt.Sprintf("the server turns requests away (%d): %v", p.turnedAway, err)
	default:
		r.Verdict, r.Detail = Fail, err.Error()
	}
	return r
}
