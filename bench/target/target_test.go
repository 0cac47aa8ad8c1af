package target

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const goodList = `
- name: eventloop
  summary: gnet, inline
  kind: engine
  spec: eventloop
  command: ["{dyno}", serve, --engine, eventloop, --listen, "{addr}", --app, "{app}"]
- name: uwsgi-threads
  kind: outside
  command: [uwsgi, --http, "{addr}", --threads, "{cpus}", --pythonpath, "{dir}/wsgi"]
  env: {PYTHONPATH: "{dir}/wsgi", PORT: "{port}"}
  ready: /json
  drain: 2s
  signal: INT
  requires:
    - {program: uwsgi, install: pip install uwsgi}
    - {glob: "{dir}/wsgi/*.py", install: make peers}
`

func TestParseList(t *testing.T) {
	got, err := ParseList("targets.yaml", []byte(goodList))
	if err != nil {
		t.Fatal(err)
	}
	want := []Target{{
		Name: "eventloop", Summary: "gnet, inline", Kind: Engine, Spec: "eventloop",
		Command:  []string{"{dyno}", "serve", "--engine", "eventloop", "--listen", "{addr}", "--app", "{app}"},
		Protocol: "http", Ready: "/hello", Drain: 5 * time.Second, Signal: "TERM",
	}, {
		Name: "uwsgi-threads", Kind: Outside,
		Command:  []string{"uwsgi", "--http", "{addr}", "--threads", "{cpus}", "--pythonpath", "{dir}/wsgi"},
		Env:      map[string]string{"PYTHONPATH": "{dir}/wsgi", "PORT": "{port}"},
		Protocol: "http", Ready: "/json", Drain: 2 * time.Second, Signal: "INT",
		Requires: []Requirement{{Program: "uwsgi", Install: "pip install uwsgi"}, {Glob: "{dir}/wsgi/*.py", Install: "make peers"}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseListFaults(t *testing.T) {
	row := "- name: a\n  kind: outside\n  command: [a, '{addr}']\n"
	for _, c := range []struct{ name, yaml, want string }{
		{"unknown key", row + "  flavour: x\n", `f.yaml:4:3: unknown key "flavour"; known: command, drain, env, kind, name, protocol, ready, requires, signal, spec, summary`},
		{"unknown key within", row + "  requires:\n  - {programm: a}\n", `f.yaml:5:6: unknown key "programm": did you mean "program"? Known: file, glob, install, program`},
		{"no duration", row + "  drain: 5\n", `f.yaml:4:10: targets[0].drain: 5; write a duration`},
		{"library panic", "! 00", "f.yaml:1:1: tag !; write the value without it"},
		{"wrong type", row + "  env: [a]\n", "f.yaml:4:"},
		{"no list", "name: a\n", "f.yaml:1:"},
		{"syntax", "- name: [a\n", "f.yaml:1:"},
		{"empty", "# nothing\n", "f.yaml:1:1: holds no targets"},
		{"two documents", row + "---\n" + row, "f.yaml:5:1: a second document"},
		{"bad duration", row + "  drain: soon\n", `f.yaml:4:10: targets[0].drain: "soon"; write a duration`},
		{"negative duration", row + "  drain: -2s\n", `f.yaml:4:10: targets[0].drain: "-2s"; write a duration`},
		{"duplicate key", row + "  kind: outside\n", "f.yaml:4:3: "},
		{"same name", row + row, `f.yaml:4:9: a target named "a" is already in row 1`},
		{"no name", "- kind: outside\n  command: [a, '{addr}']\n", "f.yaml:1:3: a target: name is missing"},
		{"bad name", "- kind: outside\n  name: A b\n  command: [a, '{addr}']\n", `f.yaml:2:9: name "A b"`},
		{"bad kind", "- name: a\n  kind: other\n  command: [a, '{addr}']\n", `f.yaml:2:9: kind "other" is none of engine, yardstick and outside`},
		{"engine without spec", "- name: a\n  kind: engine\n  command: [a, '{addr}']\n", "f.yaml:1:3: a target of kind engine needs a spec"},
		{"outside with spec", row + "  spec: x\n", "f.yaml:4:9: "},
		{"no command", "- name: a\n  kind: outside\n", "f.yaml:1:3: a target: command is missing"},
		{"placeholder", "- name: a\n  kind: outside\n  command: ['{addr}', '{adr}']\n",
			"f.yaml:3:23: unknown placeholder {adr} (known: {dyno} {addr} {port} {app} {dir} {cpus} {protocol} {stats} {pprof})"},
		{"placeholder in env", row + "  env:\n    A_B: '{x}'\n", "f.yaml:5:5: unknown placeholder {x}"},
		{"ready", row + "  ready: hello\n", "f.yaml:4:10: ready"},
		{"no address", "- name: a\n  kind: outside\n  command: [a]\n", "f.yaml:3:12: the command has no {addr}"},
		{"no value", row + "  ready:\n", "f.yaml:4:10: targets[0].ready: no value; write text"},
		{"empty value", row + "  ready: ''\n", "f.yaml:4:10: targets[0].ready is empty"},
		{"no protocol", row + "  protocol: htp\n", `f.yaml:4:13: unknown protocol "htp": did you mean "http"?`},
		{"signal", row + "  signal: KILL\n", "f.yaml:4:11: signal"},
		{"two requirements in one", row + "  requires:\n  - {program: a, file: b, install: c}\n", "f.yaml:5:5: a requirement has exactly one"},
		{"no install", row + "  requires:\n  - {program: a}\n", "f.yaml:5:5: say how to get it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseList("f.yaml", []byte(c.yaml))
			var se *SyntaxError
			if !errors.As(err, &se) || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s…", err, c.want)
			}
		})
	}
}

func TestParseListReportsAll(t *testing.T) {
	_, err := ParseList("f.yaml", []byte("- name: a\n- name: b\n"))
	if n := strings.Count(err.Error(), "\n") + 1; n != 4 {
		t.Errorf("%d faults, want 4:\n%v", n, err)
	}
}

func FuzzParseList(f *testing.F) {
	f.Add([]byte(goodList))
	f.Add([]byte("- name: a\n  drain: soon\n"))
	f.Add([]byte("- {env: {'a.b[0]': '{x}'}}\n"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _ = ParseList("f.yaml", data) // must not panic
	})
}

func TestExpand(t *testing.T) {
	list, err := ParseList("targets.yaml", []byte(goodList))
	if err != nil {
		t.Fatal(err)
	}
	got, err := list[1].Expand(Vars{Dyno: "/bin/dyno", Addr: "127.0.0.1:4711", App: "bench", Dir: "/tmp/apps", CPUs: []int{0, 1}})
	if err != nil {
		t.Fatal(err)
	}
	want := Command{
		Name: "uwsgi-threads",
		Argv: []string{"uwsgi", "--http", "127.0.0.1:4711", "--threads", "2", "--pythonpath", "/tmp/apps/wsgi"},
		Env:  map[string]string{"PYTHONPATH": "/tmp/apps/wsgi", "PORT": "4711"},
		CPUs: []int{0, 1}, Signal: syscall.SIGINT, Drain: 2 * time.Second,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	line := "taskset -c 0-1 env PORT=4711 PYTHONPATH=/tmp/apps/wsgi uwsgi --http 127.0.0.1:4711 --threads 2 --pythonpath /tmp/apps/wsgi"
	if got.String() != line {
		t.Errorf("got  %s\nwant %s", got, line)
	}
	// Braces that are no placeholder stay, in any place.
	c, err := Target{Name: "a", Command: []string{"ruby", "-e", `run { |env| [200, {}, ["{A}"]] }`}}.Expand(Vars{})
	if err != nil || c.Argv[2] != `run { |env| [200, {}, ["{A}"]] }` {
		t.Errorf("got %q, %v", c.Argv, err)
	}
	if _, err := (Target{Name: "a", Command: []string{"{what}"}}).Expand(Vars{}); err == nil || !strings.Contains(err.Error(), "target a: command: unknown placeholder {what}") {
		t.Errorf("got %v", err)
	}
}

func TestMissing(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "app.py"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	target := Target{Requires: []Requirement{
		{Program: "sh"}, {Program: "no-such-program", Install: "get it"},
		{File: "{dir}/app.py"}, {File: "{dir}/app.pl"},
		{Glob: "{dir}/*.py"}, {Glob: "{dir}/*.rb"},
	}}
	got, err := target.Missing(Vars{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	want := []Requirement{{Program: "no-such-program", Install: "get it"}, {File: dir + "/app.pl"}, {Glob: dir + "/*.rb"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got[0].String() != "program no-such-program" {
		t.Errorf("got %s", got[0])
	}
	if _, err := (Target{Requires: []Requirement{{Glob: "[a"}}}).Missing(Vars{}); err == nil {
		t.Error("a bad pattern was taken")
	}
}

func TestCommandString(t *testing.T) {
	for _, c := range []struct {
		command Command
		want    string
	}{
		{Command{Argv: []string{"dyno", "serve", "--engine", "prefork:goroutine,processes=4"}}, "dyno serve --engine prefork:goroutine,processes=4"},
		{Command{Argv: []string{"a", "", "~x", "a~b", "it's", "a b", "A=1", "$x", "*", "#a"}}, `a '' '~x' a~b 'it'\''s' 'a b' A=1 '$x' '*' '#a'`},
		{Command{Argv: []string{"a"}, Dir: "/x y", CPUs: []int{3, 0, 1, 2, 8}, Env: map[string]string{"B": "2 3", "A": ""}},
			"cd '/x y' && taskset -c 0-3,8 env A= 'B=2 3' a"},
	} {
		if got := c.command.String(); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestTail(t *testing.T) {
	var tl tail
	line := strings.Repeat("x", 99) + "\n"
	for range 10_000 {
		_, _ = tl.Write([]byte(line))
	}
	_, _ = tl.Write([]byte("the end"))
	got := tl.String()
	if len(got) > tailBytes || len(got) < tailBytes-len(line) {
		t.Errorf("%d bytes are kept", len(got))
	}
	if !strings.HasPrefix(got, line) || !strings.HasSuffix(got, "\nthe end") {
		t.Errorf("it begins %.20q and ends %q", got, got[len(got)-10:])
	}
	if cap(tl.buf) > 4*tailBytes {
		t.Errorf("the buffer grew to %d", cap(tl.buf))
	}
	_, _ = tl.Write([]byte(strings.Repeat("y", 3*tailBytes)))
	if got := tl.String(); got != strings.Repeat("y", tailBytes) {
		t.Errorf("one large write left %d bytes", len(got))
	}
}

// TestZeroAndNothing gives every key of a target 0, what is negative and what is
// empty.
func TestZeroAndNothing(t *testing.T) {
	takes := map[string][]string{
		"drain":    {"0", "0s"}, // killed as soon as it has been asked to end
		"env":      {"{}"},
		"requires": {"[]"},
		// Words that mean themselves.
		"name": {"0s"}, "summary": {"0s", "-1s"},
	}
	rest := map[string]string{"name": "a", "kind": "outside", "command": "[a, '{addr}']"}
	for _, key := range []string{"name", "summary", "kind", "spec", "command", "env", "protocol", "ready", "drain", "signal", "requires"} {
		for _, v := range []string{"0", "0s", "-1", "-1s", "-0", "", "~", `""`, "[]", "{}"} {
			text := "- " + key + ": " + v + "\n"
			for k, w := range rest {
				if k != key {
					text += "  " + k + ": " + w + "\n"
				}
			}
			if _, err := ParseList("f.yaml", []byte(text)); (err == nil) != slices.Contains(takes[key], v) {
				t.Errorf("%s: %s: %v", key, v, err)
			}
		}
	}
}
