package http1_test

import (
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var (
	tableRow = regexp.MustCompile(`(?m)^\| .* \| (\d{3}) \| RFC .* \| (.*) \|$`)
	inTicks  = regexp.MustCompile("`([^`]+)`")
)

// TestHardeningTable keeps docs/hardening.md true: each case that must be
// refused is in one row, whose status is its own.
func TestHardeningTable(t *testing.T) {
	text, err := os.ReadFile("../../docs/hardening.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	statuses := map[string]int{}
	for _, c := range corpus(t) {
		if name, ok := strings.CutPrefix(c.Name, "invalid/"); ok {
			rows[name], statuses[name] = nil, c.Status
		}
	}
	for _, row := range tableRow.FindAllStringSubmatch(string(text), -1) {
		want, _ := strconv.Atoi(row[1])
		for _, m := range inTicks.FindAllStringSubmatch(row[2], -1) {
			met := false
			for name := range rows {
				if ok, _ := path.Match(m[1], name); !ok {
					continue
				}
				met = true
				rows[name] = append(rows[name], m[1])
				if statuses[name] != want {
					t.Errorf("%s is answered %d; the table says %d", name, statuses[name], want)
				}
			}
			if !met {
				t.Errorf("the table names %s, which is no case", m[1])
			}
		}
	}
	for name, in := range rows {
		if len(in) != 1 {
			t.Errorf("%s must be in one row of the table, and is in %d: %v", name, len(in), in)
		}
	}
}
