package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"golang.org/x/net/html"

	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/compare"
	"github.com/dynobench/dyno/results/report/plot"
	"github.com/dynobench/dyno/results/resultstest"
)

// texts calls f with every text of v, however deep, so that it can be set.
func texts(path string, v reflect.Value, f func(path string, s reflect.Value)) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		texts(path, v.Elem(), f)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; v.Type().Field(i).IsExported() {
				texts(path+"."+name, v.Field(i), f)
			}
		}
	case reflect.Slice:
		if v.Len() == 0 && v.Type().Elem().Kind() != reflect.Uint8 { // an empty one has fields to try, too
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		}
		for i := range v.Len() {
			texts(path, v.Index(i), f)
		}
	case reflect.String:
		f(path, v)
	}
}

// kept are what the program decides by: another value is no run, or hides what
// is to be tested.
var kept = regexp.MustCompile(`Histogram$|Schema$|\.Model$|\.Kind$|\.Generator$|\.Unit$`)

// hostile is a run whose every text is made of payload; what ties trials to
// their plan stays alike.
func hostile(payload string) *results.Run {
	run := resultstest.Run(resultstest.Options{Trials: 2, Scenarios: []string{"mixed", "hello"}, Targets: []string{"eventloop", "pool"}})
	same := map[string]string{}
	n := 0
	texts("", reflect.ValueOf(run).Elem(), func(path string, s reflect.Value) {
		if kept.MatchString(path) {
			return
		}
		key := s.String()
		if same[key] == "" || key == "" {
			n++
			same[key] = fmt.Sprintf("%s %d", payload, n)
		}
		s.SetString(same[key])
	})
	return run
}

var payloads = map[string]string{
	"HTML":            `<script>alert(1)</script><img src=x onerror="alert(2)">&lt;b&gt;' onload='x`,
	"a heading":       "x\n\n# FORGED\n\nFORGED\n===\n",
	"first a heading": "# FORGED",
	"a link":          "[click](javascript:alert(1)) ![i](http://evil.example/x.png) <http://evil.example> http://evil.example",
	"code":            "x` `` ``` ~~~\n```\n\n# FORGED\n```sh",
	"a table":         "a | b\n|--|--|\n| # FORGED | x |",
	"escapes":         "\x1b[2J\x1b]0;title\x07\x9b31m\u009b31m\u202eabc\x00\x7f\r\b",
	"a formula":       "=cmd|' /C calc'!A0",
	"another formula": "@SUM(1+9)*cmd",
	"template":        "{{.CSS}} ]]> --> </style></svg></title>",
	"a path":          "../../etc/passwd",
	"javascript":      "javascript:alert(1)",
	"not UTF-8":       "a\xff\xfeb",
	"beyond ASCII":    "日本 größe – ±",
}

// TestHostileTexts puts into every text of a run what each format could be
// forged with, and looks at what each format then says.
func TestHostileTexts(t *testing.T) {
	for name, payload := range payloads {
		t.Run(name, func(t *testing.T) {
			run := hostile(payload)
			get := func(write func(io.Writer) error) string {
				var b bytes.Buffer
				if err := write(&b); err != nil {
					t.Error(err)
				}
				return b.String()
			}
			r := Build(run)
			markdown := get(r.WriteMarkdown)
			page := get(r.WriteHTML)
			terminal := get(func(w io.Writer) error { return r.WriteTerminal(w, 80) })
			table := get(func(w io.Writer) error { return results.WriteCSV(w, run) })
			bench := get(func(w io.Writer) error { return results.WriteBenchmark(w, run) })
			log := get(func(w io.Writer) error { return results.WriteTrialLog(w, run, "") })
			change := get(func(w io.Writer) error {
				c, err := compare.Compare(run, hostile(payload), compare.Defaults())
				if err != nil {
					return err
				}
				return c.WriteText(w, 80)
			})
			for format, text := range map[string]string{"Markdown": markdown, "HTML": page, "terminal": terminal, "CSV": table, "benchmark": bench, "hlog": log, "compare": change} {
				for _, r := range text {
					if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == unicode.ReplacementChar) {
						at := strings.IndexRune(text, r)
						t.Errorf("%s has %q in it: %q", format, r, text[max(0, at-80):at+20])
						break
					}
				}
				for line := range strings.Lines(text) {
					anywhere := format == "HTML" || format == "CSV" || format == "terminal" || format == "compare" // breaks lines where it likes
					if !anywhere && (strings.HasPrefix(strings.TrimLeft(line, " >-*|"), "# FORGED") || strings.HasPrefix(line, "FORGED")) {
						t.Errorf("%s has a line of its own: %s", format, line)
					}
				}
			}
			checkMarkdown(t, markdown)
			checkPage(t, page)
			for cell := range strings.SplitSeq(table, ",") {
				if first := strings.Trim(strings.TrimSpace(cell), `"`); strings.HasPrefix(first, "=") || strings.HasPrefix(first, "@") {
					t.Errorf("CSV has a formula: %s", cell)
				}
			}
			for i := range r.Scenarios {
				for _, f := range r.Scenarios[i].figures() {
					checkXML(t, get(func(w io.Writer) error { return f.SVG(w, plot.Wide, true) }))
					if f.Name != filepath.Base(f.Name) {
						t.Errorf("a figure is named %q", f.Name)
					}
				}
			}
		})
	}
}

// checkMarkdown finds what a reader of Markdown would act upon. Blocks of
// commands and spans of code are cut out first, as a reader does.
func checkMarkdown(t *testing.T, text string) {
	t.Helper()
	fence := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		ticks := line[:len(line)-len(strings.TrimLeft(line, "`"))]
		switch {
		case fence != "":
			if line == fence {
				fence = ""
			}
			continue
		case len(ticks) >= 3:
			fence = ticks
			continue
		}
		line = regexp.MustCompile("(`+)[^`].*?[^`](`+)").ReplaceAllString(line, "")
		line = regexp.MustCompile(`\\[[:punct:]]`).ReplaceAllString(line, "")
		for _, wrong := range []string{"<script", "<img", "<b", "](javascript:", "](http", "<http", "http://", "](../"} {
			if strings.Contains(line, wrong) {
				t.Errorf("Markdown has %s: %s", wrong, line)
			}
		}
	}
	if fence != "" {
		t.Error("a block of commands has no end")
	}
}

// checkPage parses the page as a browser does: there is no script, no handler
// and no link but to what is in it or beside it.
func checkPage(t *testing.T, text string) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(text))
	if err != nil {
		t.Error(err)
		return
	}
	for n := range root.Descendants() {
		if n.Data == "script" || n.Data == "img" || n.Data == "iframe" {
			t.Errorf("the page has <%s>", n.Data)
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || (a.Key == "href" || a.Key == "src") && (strings.Contains(a.Val, ":") || strings.Contains(a.Val, "..")) {
				t.Errorf("the page has %s=%q", a.Key, a.Val)
			}
		}
	}
}

func checkXML(t *testing.T, text string) {
	t.Helper()
	for d := xml.NewDecoder(strings.NewReader(text)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Errorf("an SVG is no XML: %v", err)
			return
		}
		if e, ok := token.(xml.StartElement); ok && (e.Name.Local == "script" || e.Name.Local == "foreignObject") {
			t.Errorf("an SVG has <%s>", e.Name.Local)
		}
	}
}

// TestHostileFolder: nothing is written or removed through a link.
func TestHostileFolder(t *testing.T) {
	run := resultstest.Run(resultstest.Options{Trials: 1, Scenarios: []string{"hello"}, Targets: []string{"pool", "sync"}})
	away := t.TempDir()
	precious := filepath.Join(away, "precious-cpu.svg")
	if err := os.WriteFile(precious, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{MarkdownFile, HTMLFile, VerdictFile, PlotsDir, PlotsDir + "/hello-cpu.svg"} {
		dir := t.TempDir()
		target := precious
		if name == PlotsDir {
			target = away
		} else if strings.Contains(name, "/") {
			os.Mkdir(filepath.Join(dir, PlotsDir), 0o777) //nolint:errcheck // seen at once
			if figures := Build(run).Scenarios[0].figures(); len(figures) > 0 {
				name = PlotsDir + "/" + figures[0].Name + ".svg"
			}
		}
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if err := Write(run, dir); err == nil || !strings.Contains(err.Error(), "link") {
			t.Errorf("%s is a link: %v", name, err)
		}
		if b, err := os.ReadFile(precious); err != nil || string(b) != "mine" {
			t.Fatalf("%s is a link: what it points to is %q, %v", name, b, err)
		}
	}
	if entries, _ := os.ReadDir(away); len(entries) != 1 {
		t.Errorf("the other folder has %d files", len(entries))
	}
}
