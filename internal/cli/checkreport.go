package cli

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/protocol/conformance"
)

// checkReport is what dyno check prints as JSON, dyno.check/1.
type checkReport struct {
	Schema   string      `json:"schema"`
	Subject  string      `json:"subject"` // the spec or the URL
	Protocol string      `json:"protocol"`
	Conforms bool        `json:"conforms"`
	Passed   int         `json:"passed"`
	Failed   int         `json:"failed"`
	Advised  int         `json:"advised"` // failed, but of level should
	Unjudged int         `json:"unjudged"`
	Rules    []checkRule `json:"rules"`

	results []conformance.Result
}

type checkRule struct {
	Rule    string `json:"rule"`
	Text    string `json:"text"`
	Ref     string `json:"reference"`
	Level   string `json:"level"`   // must or should
	Verdict string `json:"verdict"` // pass, fail or unjudged
	Detail  string `json:"detail,omitempty"`
}

// title names the subject for people; a URL says its protocol.
func (r *checkReport) title() string {
	if r.Protocol == "http" || remote(r.Subject) {
		return r.Subject
	}
	return r.Subject + " over " + r.Protocol
}

// fill derives all from the results.
func (r *checkReport) fill() {
	r.Conforms = conformance.Conforms(r.results) && conformance.Served(r.results)
	for _, one := range r.results {
		level := "must"
		if one.Rule.Should {
			level = "should"
		}
		r.Rules = append(r.Rules, checkRule{one.Rule.ID, one.Rule.Text, one.Rule.Ref, level, string(one.Verdict), one.Detail})
		switch {
		case one.Verdict == conformance.Pass:
			r.Passed++
		case one.Verdict == conformance.Unjudged:
			r.Unjudged++
		case one.Rule.Should:
			r.Advised++
		default:
			r.Failed++
		}
	}
}

func writeCheckJSON(w io.Writer, r *checkReport, _ int) error { return json.NewEncoder(w).Encode(r) }

// clean makes a detail fit for a terminal and a file: its words come from a server.
func clean(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' && c != '\n' || c >= 0x7f && c < 0xa0 {
			return '.'
		}
		return c
	}, strings.ToValidUTF8(s, "."))
}

// breakable cuts words that no line would hold.
func breakable(s string) string {
	const most = 40
	words := strings.Fields(s)
	for i, w := range words {
		var cut []string
		for r := []rune(w); len(r) > most; r = []rune(w) {
			cut, w = append(cut, string(r[:most])), string(r[most:])
		}
		words[i] = strings.Join(append(cut, w), " ")
	}
	return strings.Join(words, " ")
}

func writeCheckText(w io.Writer, r *checkReport, width int) error {
	var b strings.Builder
	b.WriteString(r.title() + "\n\n")
	column := 0
	for _, rule := range r.Rules {
		column = max(column, len("✓ ")+len(rule.Rule))
	}
	indent := strings.Repeat(" ", column)
	unjudged := map[string][]string{}
	var reasons []string
	for _, rule := range r.Rules {
		mark := "✓"
		switch {
		case rule.Verdict == "unjudged":
			if _, ok := unjudged[rule.Detail]; !ok {
				reasons = append(reasons, rule.Detail)
			}
			unjudged[rule.Detail] = append(unjudged[rule.Detail], rule.Rule)
			continue
		case rule.Verdict == "fail" && rule.Level == "should":
			mark = "!"
		case rule.Verdict == "fail":
			mark = "✗"
		}
		first := fmt.Sprintf("%s %-*s", mark, column-2, rule.Rule)
		b.WriteString(format.Wrap(rule.Text, width, first, indent))
		if rule.Verdict == "fail" {
			b.WriteString(format.Wrap(rule.Ref+": "+breakable(clean(rule.Detail)), width, indent+"→ ", indent+"  "))
		}
	}
	for _, why := range reasons {
		b.WriteString("\n" + format.Wrap("not judged, since "+breakable(clean(why))+": "+strings.Join(r.together(unjudged[why]), ", "), width, "– ", "  "))
	}
	summary := fmt.Sprintf("%s: %d of %d rules hold, %d are broken", r.title(), r.Passed, len(r.Rules), r.Failed)
	if r.Advised > 0 {
		summary += fmt.Sprintf(" (and %d that a server may break)", r.Advised)
	}
	if r.Unjudged > 0 {
		summary += fmt.Sprintf(", %d could not be judged", r.Unjudged)
	}
	b.WriteString("\n" + format.Wrap(summary+".", width, "", ""))
	_, err := io.WriteString(w, b.String())
	return err
}

// together writes ids with group.* for groups that are among them whole.
func (r *checkReport) together(ids []string) []string {
	group := func(id string) string { return strings.SplitN(id, ".", 2)[0] + ".*" }
	size, here := map[string]int{}, map[string]int{}
	for _, rule := range r.Rules {
		size[group(rule.Rule)]++
	}
	for _, id := range ids {
		here[group(id)]++
	}
	var short []string
	for _, id := range ids {
		g := group(id)
		switch {
		case here[g] < size[g]:
			short = append(short, id)
		case len(short) == 0 || short[len(short)-1] != g:
			short = append(short, g)
		}
	}
	return short
}

// junit is the part of the format that CI systems read.
type junitSuites struct {
	XMLName xml.Name   `xml:"testsuites"`
	Suite   junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Failure *junitMessage `xml:"failure"`
	Skipped *junitMessage `xml:"skipped"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

func writeCheckJUnit(w io.Writer, r *checkReport, _ int) error {
	suite := junitSuite{Name: "dyno check " + r.title(), Tests: len(r.Rules), Failures: r.Failed, Skipped: r.Unjudged + r.Advised}
	for _, rule := range r.Rules {
		c := junitCase{Class: "conformance." + strings.SplitN(rule.Rule, ".", 2)[0], Name: rule.Rule + ": " + rule.Text}
		m := &junitMessage{clean(rule.Detail), rule.Ref}
		switch {
		case rule.Verdict == "unjudged":
			c.Skipped = m
		case rule.Verdict == "fail" && rule.Level == "should": // CI must not fail where dyno does not
			m.Message = "broken, as a server may: " + m.Message
			c.Skipped = m
		case rule.Verdict == "fail":
			c.Failure = m
		}
		suite.Cases = append(suite.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(junitSuites{Suite: suite}); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
