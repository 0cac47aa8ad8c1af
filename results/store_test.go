package results_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/resultstest"
)

func sampleRun() *results.Run {
	return resultstest.Run(resultstest.Options{Scenarios: []string{"hello", "wait"}, Targets: []string{"eventloop", "sync", "uwsgi-gevent"}})
}

// create stores a run without trials and hands out the trials it could have.
func create(t *testing.T, dir string) (*results.Store, []results.Trial) {
	t.Helper()
	run := sampleRun()
	trials := run.Trials
	run.Trials, run.ID = nil, ""
	s, err := results.Create(dir, run)
	if err != nil {
		t.Fatal(err)
	}
	return s, trials
}

func TestStoreKeepsEveryTrialAsItEnds(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "some", "runs")
	s, trials := create(t, dir)
	if !strings.HasPrefix(s.Run().ID, "20260302-101500-") || filepath.Base(s.Dir()) != s.Run().ID {
		t.Errorf("id %q in %s", s.Run().ID, s.Dir())
	}
	for i := -1; i < len(trials); i++ {
		if i >= 0 {
			if err := s.Append(trials[i]); err != nil {
				t.Fatal(err)
			}
		}
		got, err := results.Read(s.Dir())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(s.Run().Trials, got.Trials); d != "" || len(got.Trials) != i+1 {
			t.Fatalf("after trial %d: %d stored\n%s", i, len(got.Trials), d)
		}
	}
	if err := s.Update(func(r *results.Run) { r.Interrupted = true }); err != nil {
		t.Fatal(err)
	}
	if got, err := results.Read(s.Path()); err != nil || !got.Interrupted {
		t.Errorf("%+v, %v", got, err)
	}
	entries, err := os.ReadDir(s.Dir())
	if err != nil || len(entries) != 1 {
		t.Errorf("left beside the document: %v, %v", entries, err)
	}
}

func TestTwoRunsInOneSecondDoNotMeet(t *testing.T) {
	dir := t.TempDir()
	for range 20 {
		if _, err := results.Create(dir, &results.Run{Created: time.Unix(0, 0)}); err != nil {
			t.Fatal(err)
		}
	}
	if ids, err := results.List(dir); err != nil || len(ids) != 20 {
		t.Errorf("%d runs, %v", len(ids), err)
	}
	run := sampleRun()
	for _, want := range []error{nil, fs.ErrExist} {
		if _, err := results.Create(dir, run); !errors.Is(err, want) {
			t.Errorf("a chosen id: %v, want %v", err, want)
		}
	}
}

func TestCreateSaysWhatToDo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{"below a file": filepath.Join(file, "runs"), "no write permission": readOnly(t)} {
		_, err := results.Create(dir, sampleRun())
		if err == nil {
			t.Fatalf("%s: no error", name)
		}
		if !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "choose another folder") {
			t.Errorf("%s: says not where or what to do: %v", name, err)
		}
	}
}

// readOnly returns a folder in which nobody can make another, not even root.
func readOnly(t *testing.T) string {
	if os.Geteuid() != 0 {
		dir := t.TempDir()
		if err := os.Chmod(dir, 0o500); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, "runs")
	}
	return "/proc/dyno/runs"
}

func TestReadRefusesWhatItWouldMisread(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	s, trials := create(t, dir)
	if err := s.Append(trials[0]); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(s.Path())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, content, want string }{
		{"newer", `{"schema":"dyno.run/2","trials":{"by":"target"}}`, "newer is dyno.run/2; this dyno reads up to dyno.run/1: upgrade dyno"},
		{"load", `{"schema":"dyno.load/1"}`, "load is dyno.load/1: expected a stored run (dyno.run/1)"},
		{"odd", `{"schema":"dyno.run/x"}`, "odd is dyno.run/x: expected a stored run"},
		{"none", `{"a":1}`, "none has no schema"},
		{"cut", string(whole[:len(whole)/2]), "malformed at offset"},
		{"empty", ``, "empty:1:1: malformed at offset 0 of 0"},
		{"comma", "{\n \"schema\": \"dyno.run/1\",\n \"id\": ,\n}", "comma:3:8: malformed at offset 35"},
		{"type", "{\"schema\": \"dyno.run/1\",\n \"trials\": \"none\"}", "type:2:17: malformed at offset"},
	} {
		_, err := results.Read(write(c.name, c.content))
		if err == nil || !strings.Contains(err.Error(), filepath.Join(dir, c.name)) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got  %v\nwant … %s", c.name, err, c.want)
		}
	}
	if _, err := results.Read(filepath.Join(dir, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
	if _, err := results.Read(write("minor", `{"schema":"dyno.run/1","later":[1]}`)); err != nil {
		t.Errorf("a field that a later minor version added: %v", err)
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	if _, err := results.Find(dir, results.Latest); err == nil || !strings.Contains(err.Error(), "no runs yet") {
		t.Errorf("no runs: %v", err)
	}
	for i, id := range []string{"20260302-101500-aaaa", "20260302-101500-bbbb", "20260401-090000-cccc"} {
		if _, err := results.Create(dir, &results.Run{ID: id, Created: time.Unix(int64(i), 0)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "99999999-not-a-run"), 0o700); err != nil {
		t.Fatal(err)
	}
	last := filepath.Join(dir, "20260401-090000-cccc")
	for name, want := range map[string]string{
		"latest": last, "20260401": last, "20260401-090000-cccc": last, last: last,
		filepath.Join(last, "run.json"): filepath.Join(last, "run.json"),
		"20260302-101500-a":             filepath.Join(dir, "20260302-101500-aaaa"),
	} {
		if got, err := results.Find(dir, name); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, want)
		}
	}
	for name, want := range map[string]string{
		"2026": "any of 3 runs", "20260302": "any of 2 runs", "x": "the newest there: 20260401-090000-cccc, 2026", "": "no run named", "a/b": "no run at a/b",
	} {
		if got, err := results.Find(dir, name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %s, %v; want %s", name, got, err, want)
		}
	}
}

func TestPercentileNeedsSamplesBeyondIt(t *testing.T) {
	for _, c := range []struct {
		n  int64
		p  float64
		ok bool
	}{{99, 90, false}, {100, 90, true}, {999, 99, false}, {1000, 99, true}, {9999, 99.9, false}, {10000, 99.9, true}, {0, 50, false}, {20, 50, true}} {
		h := results.NewHistogram()
		for i := range c.n {
			results.RecordNS(h, (i+1)*1000)
		}
		if us, ok := results.Percentile(h, c.p); ok != c.ok || ok && us < float64(c.n)*c.p/100-1 {
			t.Errorf("p%v of %d: %v, %v", c.p, c.n, us, ok)
		}
	}
}

func TestCSV(t *testing.T) {
	run := sampleRun()
	var b bytes.Buffer
	if err := results.WriteCSV(&b, run); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil || len(rows) != len(run.Trials)+1 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	at := func(row int, column string) string {
		for i, name := range rows[0] {
			if name == column {
				return rows[row][i]
			}
		}
		t.Fatalf("no column %s in %v", column, rows[0])
		return ""
	}
	blank, invalid := 0, 0
	for i := range run.Trials {
		if at(i+1, "target") != run.Trials[i].Target || at(i+1, "latency_p50_us") == "" {
			t.Errorf("row %d: %v", i+1, rows[i+1])
		}
		if at(i+1, "latency_p99_9_us") == "" {
			blank++
		}
		if at(i+1, "valid") == "false" && at(i+1, "warnings") == "errors" && at(i+1, "errors") == "243" {
			invalid++
		}
	}
	if blank == 0 || invalid != 3 {
		t.Errorf("%d percentiles without samples, %d invalid trials", blank, invalid)
	}
	if err := results.WriteCSV(fullWriter{}, run); !errors.Is(err, errFull) {
		t.Errorf("a full disk: %v", err)
	}
}

func TestBenchmarkFormat(t *testing.T) {
	run := sampleRun()
	run.Trials[0].Target = "my server/2" // and so one of uwsgi-gevent's is missing
	var b bytes.Buffer
	if err := results.WriteBenchmark(&b, run); err != nil {
		t.Fatal(err)
	}
	lines, comments := 0, 0
	for line := range strings.Lines(b.String()) {
		fields := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "Benchmark"):
			lines++
			if len(fields) < 6 || len(fields)%2 != 0 || fields[3] != "req/s" || !strings.HasSuffix(fields[0], "-1") || strings.Count(fields[0], "/") != 2 {
				t.Errorf("not a benchmark line: %q", line)
			}
		case strings.HasPrefix(line, "#"):
			comments++
		}
	}
	if lines != 15 || comments != 3+1+3+1 {
		t.Errorf("%d lines and %d comments:\n%s", lines, comments, b.String())
	}
	for _, want := range []string{"goos: linux\n", "cpu: AMD EPYC 7763 64-Core Processor\n", "Unit req/s better=higher\n", "target=my_server_2-1 "} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if err := results.WriteBenchmark(fullWriter{}, run); !errors.Is(err, errFull) {
		t.Errorf("a full disk: %v", err)
	}
}

var errFull = errors.New("no space left")

type fullWriter struct{}

func (fullWriter) Write([]byte) (int, error) { return 0, errFull }

// The newest run is the one made last, whatever its folder is called, and never
// what it is compared with.
func TestLatestIsTheNewestOther(t *testing.T) {
	dir := t.TempDir()
	make := func(folder, id string, at int64) string {
		s, err := results.Create(dir, &results.Run{ID: id, Created: time.Unix(at, 0)})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(s.Dir(), filepath.Join(dir, folder)); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, folder)
	}
	copied := func(from, to string) string {
		b, err := os.ReadFile(filepath.Join(from, results.RunFile))
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Ext(to) == "" {
			if err := os.Mkdir(to, 0o700); err != nil {
				t.Fatal(err)
			}
			to = filepath.Join(to, results.RunFile)
		}
		if err := os.WriteFile(to, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return to
	}
	oldest := make("zzz-baseline", "20260101-000000-aaaa", 1000)
	if _, _, err := results.FindPair(dir, results.Latest, results.Latest); err == nil || !strings.Contains(err.Error(), "no run other than") || !strings.Contains(err.Error(), "zzz-baseline") {
		t.Errorf("one run beside itself: %v", err)
	}
	newest := make("a-try", "20260103-000000-bbbb", 3000)
	middle := make("mmm", "20260102-000000-cccc", 2000)
	torn := make("zzzz-torn", "20260104-000000-dddd", 4000)
	if err := os.WriteFile(filepath.Join(torn, results.RunFile), []byte(`{"schema":"dyno.run/1","id":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := results.Find(dir, results.Latest); err != nil || got != newest {
		t.Errorf("latest is %s, %v", got, err)
	}
	if ids, err := results.List(dir); err != nil || strings.Join(ids, " ") != "a-try mmm zzz-baseline zzzz-torn" {
		t.Errorf("%v, %v", ids, err)
	}
	file := copied(newest, filepath.Join(t.TempDir(), "base.json"))
	copied(newest, filepath.Join(dir, "zz-copy"))
	if got, err := results.Find(dir, results.Latest); err != nil || filepath.Base(got) != "zz-copy" && got != newest {
		t.Errorf("latest is %s, %v", got, err)
	}
	for _, c := range [][4]string{
		{"latest", "latest", middle, filepath.Join(dir, "zz-copy")}, // of one run and its copy the later name
		{"a-try", "latest", newest, middle}, {"latest", "a-try", middle, newest},
		{file, "latest", file, middle}, {"mmm", "latest", middle, filepath.Join(dir, "zz-copy")},
		{newest, "latest", newest, middle}, {filepath.Join(newest, "run.json"), "latest", filepath.Join(newest, "run.json"), middle},
		{"zzz", "mmm", "", ""}, {"zzz-baseline", "mmm", oldest, middle},
	} {
		old, new, err := results.FindPair(dir, c[0], c[1])
		if c[2] == "" {
			if err == nil {
				t.Errorf("%v: %s, %s", c, old, new)
			}
			continue
		}
		if err != nil || old != c[2] || new != c[3] {
			t.Errorf("%v: %s, %s, %v", c, old, new, err)
		}
	}
}
