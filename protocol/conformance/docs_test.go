package conformance_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/dynobench/dyno/internal/testkit"
	"github.com/dynobench/dyno/protocol/conformance"
)

const page = "../../docs/rules.md"

// table is the rules as the page has them.
func table() string {
	var b strings.Builder
	b.WriteString("| rule | what must hold | where it stands | judged on |\n|---|---|---|---|\n")
	for _, r := range conformance.Rules() {
		on := "any server"
		switch {
		case r.Needs&conformance.HTTP == 0:
			on = "engines, every protocol"
		case r.Needs&conformance.App != 0:
			on = "engines, http"
		}
		text := r.Text
		if r.Should {
			text += " (should)"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.ID, text, r.Ref, on)
	}
	return b.String()
}

// The page has each rule, as it is in the code, and no other.
func TestTable(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), "<!-- rules -->\n")
	old, after, ended := strings.Cut(rest, "<!-- end of rules -->\n")
	if !ok || !ended {
		t.Fatalf("%s: the marks around the table are missing", page)
	}
	if old == table() {
		return
	}
	if !*testkit.Update {
		t.Fatalf("%s: the table of rules is not that of the code; go test ./protocol/conformance -update writes it", page)
	}
	if err := os.WriteFile(page, []byte(before+"<!-- rules -->\n"+table()+"<!-- end of rules -->\n"+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// The page's table of PEP 3333 names rules and tests that there are.
func TestProofs(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, r := range conformance.Rules() {
		if ids[r.ID] {
			t.Errorf("two rules are called %s", r.ID)
		}
		ids[r.ID] = true
	}
	sources := allTests(t)
	_, rows, _ := strings.Cut(string(text), "## PEP 3333, requirement by requirement")
	rows, _, _ = strings.Cut(rows, "\n## ")
	named := map[string]bool{}
	for _, word := range regexp.MustCompile("`([a-z]+\\.[a-z0-9-]+|Test[A-Za-z0-9]+)`").FindAllStringSubmatch(rows, -1) {
		name := word[1]
		named[name] = true
		if strings.HasPrefix(name, "Test") && !bytes.Contains(sources, []byte("\nfunc "+name+"(t *testing.T)")) {
			t.Errorf("%s names %s, which is no test in protocol or engines", page, name)
		}
		if !strings.HasPrefix(name, "Test") && !strings.HasPrefix(name, "wsgi.") && !ids[name] {
			t.Errorf("%s names %s, which is no rule", page, name)
		}
	}
	for _, r := range conformance.Rules() {
		if strings.HasPrefix(r.Ref, "PEP 3333") && !named[r.ID] {
			t.Errorf("%s: the table of PEP 3333 does not name %s", page, r.ID)
		}
	}
	if len(named) == 0 {
		t.Errorf("%s has no table of PEP 3333", page)
	}
}

// allTests is the text of all tests beside this one's.
func allTests(t *testing.T) []byte {
	t.Helper()
	var all []byte
	for _, pattern := range []string{"../*_test.go", "../*/*_test.go", "../../engines/*_test.go", "../../engines/*/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, b...)
		}
	}
	return all
}
