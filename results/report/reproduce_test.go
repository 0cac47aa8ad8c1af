package report

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynobench/dyno/results"
)

// All servers of a page listen where all its loads ask.
func TestCommandsFitEachOther(t *testing.T) {
	trial := func(scenario, target, at, scheme, server string) results.Trial {
		return results.Trial{Scenario: scenario, Target: target, ServerCommand: strings.Fields(server),
			LoadCommand: []string{"taskset", "-c", "1", "dyno", "load", scheme + "://" + at, "--scenario", scenario}}
	}
	run := &results.Run{
		Environment: results.Environment{Variables: []string{"GOGC=50"}},
		Plan: results.Plan{Command: []string{"dyno", "run", "hello"}, Targets: []results.PlanTarget{
			{Name: "b", Command: []string{"dyno", "serve", "--listen", "{addr}", "--stats={stats}", "--app", "{app}"}},
			{Name: "a", Command: []string{"sh", "-c", "exec srv -p {port} -h {addr}"}},
		}},
		Trials: []results.Trial{
			trial("hello", "a", "127.0.0.1:41001", "http", "x"),
			trial("hello", "b", "127.0.0.1:41002", "http", "taskset -c 0 env AT=127.0.0.1:41002 dyno serve --listen 127.0.0.1:41002 --stats=127.0.0.1:41003 --app one"),
			trial("wait", "b", "127.0.0.1:41004", "http", "taskset -c 0 env AT=127.0.0.1:41004 dyno serve --listen 127.0.0.1:41004 --stats=127.0.0.1:41005 --app one"),
			trial("shop", "b", "127.0.0.1:41006", "http", "taskset -c 0 env AT=127.0.0.1:41006 dyno serve --listen 127.0.0.1:41006 --stats=127.0.0.1:41007 --app two"),
			trial("hello", "old", "127.0.0.1:41008", "uwsgi", "srv --socket=127.0.0.1:41008"),
			{Scenario: "hello", Target: "mute", ServerCommand: []string{}, LoadCommand: []string{}},
		},
	}
	run.Trials[0].ServerCommand = []string{"taskset", "-c", "0", "sh", "-c", "exec srv -p 41001 -h 127.0.0.1:41001"}
	want := commands{
		Again: "env GOGC=50 dyno run hello",
		Servers: []fact{
			{"old", "env GOGC=50 srv --socket=127.0.0.1:8000"},
			{"b", "env GOGC=50 taskset -c 0 env AT=127.0.0.1:8000 dyno serve --listen 127.0.0.1:8000 --stats=127.0.0.1:8001 --app one"},
			{"b, for shop", "env GOGC=50 taskset -c 0 env AT=127.0.0.1:8000 dyno serve --listen 127.0.0.1:8000 --stats=127.0.0.1:8001 --app two"},
			{"a", "env GOGC=50 taskset -c 0 sh -c 'exec srv -p 8000 -h 127.0.0.1:8000'"},
		},
		Loads: []fact{
			{"hello", "env GOGC=50 taskset -c 1 dyno load http://127.0.0.1:8000 --scenario hello"},
			{"wait", "env GOGC=50 taskset -c 1 dyno load http://127.0.0.1:8000 --scenario wait"},
			{"shop", "env GOGC=50 taskset -c 1 dyno load http://127.0.0.1:8000 --scenario shop"},
			{"hello, over uwsgi", "env GOGC=50 taskset -c 1 dyno load uwsgi://127.0.0.1:8000 --scenario hello"},
		},
	}
	if d := cmp.Diff(want, reproduce(run)); d != "" {
		t.Error(d)
	}
}
