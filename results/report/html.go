package report

import (
	"bytes"
	_ "embed"
	"html/template"
	"io"
	"regexp"
	"strings"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/report/plot"
)

//go:embed page.html.tmpl
var pageSource string

//go:embed page.css
var pageCSS string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{"tight": tight, "lines": func(s string) []string { return strings.Split(s, "\n") }}).Parse(pageSource))

var (
	beforeUnit = regexp.MustCompile(`(\d) (%|[nµm]?s\b|MiB|requests/s)`)
	betweenTwo = regexp.MustCompile(`(\d)–(\d)`)
)

// tight keeps a number and its unit, and the ends of an interval, on one line.
func tight(s string) string {
	return betweenTwo.ReplaceAllString(beforeUnit.ReplaceAllString(s, "$1\u00a0$2"), "$1\u2060–\u2060$2")
}

// pageData is what the template sees.
type pageData struct {
	Title, Headline, Counted, Date, ID, Where string
	CSS                                       template.CSS
	Notices                                   []Notice
	Scenarios                                 []pageScenario
	Basis, Legend, Order                      string
	Environment, Plan                         []fact
	Commands                                  commands
	Limits, Method                            []string
}

type pageScenario struct {
	Anchor, Name, Summary, Terms, Shows string
	Verdicts                            []Verdict
	Table                               pageTable
	Groups                              []pageTable
	Footnotes                           []string
	Notices                             []Notice
	ProfilesNote                        string
	Profiles                            []link
	Small, Large                        []pageFigure
}

type pageTable struct {
	Label string
	Head  []string
	Lines []pageLine
}

type pageLine struct {
	Class  bool
	Swatch string // the target's colour
	Name   string
	Kind   string // of a target that is no engine
	Mark   string
	Some   bool // of the trials do not count
	Cells  []string
}

type pageFigure struct {
	Wide, Narrow template.HTML
}

// WriteHTML writes the report as one page that fetches nothing: style and
// figures are inside it.
func (r *Report) WriteHTML(w io.Writer) error {
	e := r.Run.Environment
	var where []string
	for _, s := range []string{e.CPUModel, format.Plural(e.CPUs, "CPU"), strings.TrimSpace(e.OS + " " + e.Kernel)} {
		if s != "" {
			where = append(where, s)
		}
	}
	d := pageData{
		Title: "dyno: " + r.headline(), Headline: r.headline(), Counted: r.counted(), Date: r.Run.Created.UTC().Format("2 January 2006, 15:04 UTC"),
		ID: r.Run.ID, Where: strings.Join(where, ", "),
		CSS:     template.CSS(strings.Replace(pageCSS, "/*figures*/", plot.DarkCSS(), 1)), //nolint:gosec // both are the program's own
		Notices: r.Notices, Basis: r.basis(), Legend: r.legend(), Order: order(r.Run),
		Environment: environment(r.Run), Plan: plan(r.Run), Commands: reproduce(r.Run), Limits: limits, Method: method,
	}
	for i := range r.Scenarios {
		s, err := r.Scenarios[i].onPage(r.Run)
		if err != nil {
			return err
		}
		d.Scenarios = append(d.Scenarios, s)
	}
	return pageTemplate.Execute(w, d)
}

func tableOnPage(label string, head []string, lines []line) pageTable {
	p := pageTable{Label: label, Head: head}
	for _, l := range lines {
		line := pageLine{Class: l.Class != "", Name: l.Class, Cells: l.Cells[1:]}
		if !line.Class {
			line.Name, line.Mark, line.Some = l.Row.name(), l.Row.mark(), len(l.Row.Valid) < len(l.Row.Trials) || l.Row.missing > 0
			line.Swatch = plot.StyleOf(line.Name).Hex()
		}
		p.Lines = append(p.Lines, line)
	}
	return p
}

func (s *Scenario) onPage(run *results.Run) (pageScenario, error) {
	p := pageScenario{
		Anchor: format.FileName(s.Plan.Name), Name: s.Plan.Name, Summary: sentence(s.Plan.Summary), Terms: sentence(s.terms()),
		Shows: strings.TrimSuffix(s.Plan.Shows, "."), Verdicts: s.Verdicts, Footnotes: s.footnotes(), Notices: s.Notices,
		ProfilesNote: s.profilesNote(run), Profiles: s.profiles(),
	}
	columns := s.page()
	p.Table = tableOnPage("Figures of "+s.Plan.Name, heads(columns), s.lines(columns))
	for _, t := range s.groupTables() {
		p.Groups = append(p.Groups, tableOnPage(t.Spec, t.Head, t.Lines))
	}
	for _, f := range s.figures() {
		narrow, err := inline(f, plot.Narrow)
		if err != nil {
			return p, err
		}
		if f.Small {
			p.Small = append(p.Small, pageFigure{Narrow: narrow})
			continue
		}
		wide, err := inline(f, plot.Wide)
		if err != nil {
			return p, err
		}
		p.Large = append(p.Large, pageFigure{wide, narrow})
	}
	return p, nil
}

func inline(f figure, width int) (template.HTML, error) {
	var b bytes.Buffer
	if err := f.SVG(&b, width, false); err != nil {
		return "", err
	}
	return template.HTML(b.String()), nil //nolint:gosec // plot escapes every text in it
}
