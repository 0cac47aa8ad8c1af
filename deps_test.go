// The house's import rules, checked (the idea is go/build's deps_test.go).
package dyno_test

import (
	"os/exec"
	"path"
	"slices"
	"sort"
	"strings"
	"testing"
)

const module = "github.com/dynobench/dyno/"

// mayImport says which of our packages each may import. A pattern ending in
// /... covers the folder and all below it. What is not listed may import
// nothing of ours. A package's own tests may import what it may, and what
// testsMayImport adds; external tests (package x_test) are free.
//
// Read from the bottom up it is the architecture: a contract, protocols,
// engines on one side; a generator and a harness on the other, which know each
// other only as processes; results between them and the reader.
var mayImport = map[string][]string{
	"protocol/gateway":  {},
	"internal/suggest":  {},
	"internal/shell":    {},
	"internal/format":   {},
	"internal/cgroup":   {},
	"internal/file":     {},
	"internal/secret":   {},
	"internal/peer":     {},
	"internal/testkit":  {},
	"internal/systemd":  {},
	"internal/number":   {},
	"internal/percent":  {},
	"internal/settings": {},
	"internal/yamlfile": {"internal/file", "internal/number", "internal/suggest"},
	// The kernel's interface, which the generator and the server that does
	// nothing are built on.
	"internal/iouring": {},

	"protocol/conformance": {"protocol/gateway"},
	"protocol/proxyproto":  {},

	"protocol":              {"protocol/gateway", "protocol/proxyproto"},
	"protocol/http1":        {"protocol", "protocol/gateway", "internal/percent"},
	"protocol/cgi":          {"protocol", "protocol/gateway", "protocol/http1", "internal/percent"}, // an answer's head is read as HTTP's
	"protocol/uwsgi":        {"protocol", "protocol/cgi", "protocol/gateway"},
	"protocol/scgi":         {"protocol", "protocol/cgi", "protocol/gateway"},
	"protocol/fastcgi":      {"protocol", "protocol/cgi", "protocol/gateway", "protocol/http1"},
	"protocol/client":       {"protocol/cgi", "protocol/http1", "protocol/uwsgi", "protocol/scgi", "protocol/fastcgi", "internal/percent"},
	"protocol/protocoltest": {"protocol", "protocol/gateway"},

	// What a server asks of Linux and net does not offer; a leaf.
	"engines/kernel":     {"protocol/gateway"},
	"engines":            {"engines/kernel", "protocol", "protocol/gateway", "internal/number", "internal/suggest", "internal/settings"},
	"engines/blocking":   {"engines", "engines/kernel", "protocol", "protocol/gateway"},
	"engines/sync":       {"engines", "engines/kernel", "engines/blocking", "protocol", "protocol/gateway"},
	"engines/threads":    {"engines", "engines/kernel", "engines/blocking", "protocol", "protocol/gateway"},
	"engines/pool":       {"engines", "engines/kernel", "engines/blocking", "protocol", "protocol/gateway"},
	"engines/goroutine":  {"engines", "engines/kernel", "engines/blocking", "protocol", "protocol/gateway"},
	"engines/eventloop":  {"engines", "engines/kernel", "protocol", "protocol/gateway", "internal/iouring"},
	"engines/gnet":       {"engines", "engines/kernel", "protocol", "protocol/gateway"},
	"engines/supervise":  {"engines", "engines/kernel", "protocol", "protocol/gateway", "internal/systemd"},
	"engines/nethttp":    {"engines", "engines/kernel", "engines/yardstick", "protocol", "protocol/gateway"},
	"engines/fasthttp":   {"engines", "engines/kernel", "engines/yardstick", "protocol", "protocol/gateway"},
	"engines/yardstick":  {"engines", "engines/kernel", "protocol", "protocol/gateway"},
	"engines/null":       {"engines", "engines/kernel", "protocol", "internal/iouring"},
	"engines/observe":    {"engines", "engines/kernel", "engines/supervise", "protocol"},
	"engines/profile":    {},
	"engines/memory":     {},
	"engines/catalog":    {"engines/...", "internal/suggest"},
	"engines/enginetest": {"engines/...", "protocol/...", "scenarios/apps", "internal/testkit"},

	// The language of load: scenarios are written in it, the generator speaks it.
	"scenarios/workload": {"internal/file", "internal/number", "internal/suggest", "internal/percent", "internal/settings"},
	"scenarios":          {"internal/suggest", "internal/secret", "internal/yamlfile", "internal/number", "scenarios/workload"},
	"scenarios/apps":     {"protocol/gateway", "protocol/conformance", "internal/suggest"},

	"results":             {"internal/secret", "internal/file", "internal/format"},
	"results/stats":       {},
	"results/compare":     {"results", "results/stats", "internal/format"},
	"bench/tune":          {"internal/file", "results", "results/stats", "results/compare", "internal/format", "internal/shell"},
	"results/report":      {"internal/file", "results", "results/stats", "results/compare", "results/report/plot", "internal/format", "internal/shell"},
	"results/report/plot": {"results/stats", "internal/format"},
	"results/resultstest": {"results"},

	"bench/target": {"internal/cgroup", "internal/shell", "internal/format", "internal/suggest", "internal/yamlfile"},
	"bench/meter":  {"internal/cgroup"},
	// The generator writes the result's own types, so that the schema stands
	// in one place, and reads answers with the codec that the servers use.
	"bench/load":          {"bench/load/...", "internal/secret", "results", "scenarios/workload"},
	"bench/load/record":   {"results", "scenarios/workload"},
	"bench/load/plan":     {"bench/load/record", "internal/file", "internal/secret", "protocol/client", "protocol/http1", "scenarios/workload"},
	"bench/load/netio":    {"bench/load/plan", "bench/load/record"},
	"bench/load/phases":   {"bench/load/netio", "bench/load/plan", "bench/load/record"},
	"bench/load/crowd":    {"bench/load/netio", "bench/load/plan", "bench/load/record", "protocol/http1", "scenarios/workload"},
	"bench/load/native":   {"bench/load/crowd", "bench/load/netio", "bench/load/phases", "bench/load/plan", "bench/load/record", "internal/iouring", "protocol/client", "protocol/http1", "scenarios/workload"},
	"bench/load/vegeta":   {"bench/load/netio", "bench/load/phases", "bench/load/plan", "bench/load/record", "protocol/client", "protocol/http1", "scenarios/workload"},
	"bench/load/loadtest": {"bench/load/plan", "internal/peer"},
	// A search offers nothing itself: the command line hands it the generator.
	"bench/capacity": {"internal/number", "internal/suggest", "results", "bench/load", "bench/load/plan"},
	"bench/gauge":    {},
	"bench/measure":  {"bench/load/phases", "bench/load/plan", "bench/target", "bench/meter", "results", "internal/format"},
	"bench/doctor":   {"bench/measure", "bench/load/plan", "bench/target", "bench/meter", "results", "internal/format", "internal/iouring"},
	"bench":          {"internal/secret", "bench/measure", "bench/gauge", "bench/load", "bench/load/plan", "protocol/client", "scenarios/workload", "bench/target", "bench/meter", "scenarios", "results", "internal/format", "internal/suggest"},

	"internal/cli":    {"..."},
	"cmd/dyno":        {"internal/cli"},
	"":                {"internal/cli", "protocol/gateway"}, // package dyno, for users' programs
	"scripts/figures": {"..."},
	"scripts/tuning":  {"engines", "engines/catalog", "bench/target", "results", "results/compare", "bench/tune", "internal/format", "internal/shell"},
}

// testsMayImport is what a package's own tests may import beside.
var testsMayImport = map[string][]string{
	"": {"internal/peer", "internal/testkit"}, // every package's

	"bench/capacity":        {"results/stats"},
	"bench/load":            {"engines", "engines/null", "protocol", "protocol/http1"}, // a server in another process
	"bench/load/native":     {"bench/load/loadtest"},
	"bench/load/netio":      {"bench/load/loadtest"},
	"engines/blocking":      {"protocol/http1"},
	"engines/enginetest":    {"internal/iouring"},
	"protocol/protocoltest": {"protocol/http1"},
	"results/report":        {"results/resultstest"},
}

func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}} -test {{join .TestImports " "}}`, "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		words := strings.Fields(line)
		pkg := strings.TrimPrefix(words[0]+"/", module)
		pkg = strings.TrimSuffix(pkg, "/")
		seen[pkg] = true
		allowed, listed := mayImport[pkg]
		for _, imported := range words[1:] {
			if imported == "-test" {
				allowed = slices.Concat(allowed, testsMayImport[""], testsMayImport[pkg])
			}
			if name, ours := strings.CutPrefix(imported, module); ours && !matches(allowed, name) {
				t.Errorf("%s imports %s; it may import %s (see mayImport)", pkg, name, describe(allowed, listed))
			}
		}
	}
	for pkg := range mayImport {
		if !seen[pkg] {
			t.Errorf("mayImport lists %s, which is not there", pkg)
		}
	}
}

// TestGatewayIsStandardLibraryOnly keeps the contract free of dependencies, so
// that an app's module gets none by using it.
func TestGatewayIsStandardLibraryOnly(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", `{{if not .Standard}}{{.ImportPath}}{{end}}`, "./protocol/gateway").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for _, pkg := range strings.Fields(string(out)) {
		if pkg != module+"protocol/gateway" {
			t.Errorf("protocol/gateway depends on %s; it may use the standard library only", pkg)
		}
	}
}

func matches(allowed []string, name string) bool {
	for _, pattern := range allowed {
		folder, below := strings.CutSuffix(pattern, "...")
		if pattern == name || below && (folder == "" || name == path.Clean(folder) || strings.HasPrefix(name, folder)) {
			return true
		}
	}
	return false
}

func describe(allowed []string, listed bool) string {
	switch {
	case !listed:
		return "nothing of ours, as it is not listed"
	case len(allowed) == 0:
		return "nothing of ours"
	}
	sorted := append([]string(nil), allowed...)
	sort.Strings(sorted)
	return strings.Join(sorted, ", ")
}
