package scenarios_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/dynobench/dyno/bench/target"
	"github.com/dynobench/dyno/protocol/gateway"
	"github.com/dynobench/dyno/scenarios"
	"github.com/dynobench/dyno/scenarios/apps"
)

// What the built-in scenarios hold for a right answer is what the app gives.
func TestAppsAnswerAsExpected(t *testing.T) {
	for _, s := range scenarios.List() {
		app, err := apps.Lookup(s.App)
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(gateway.ToHTTP(app))
		for _, r := range s.Requests {
			req, err := http.NewRequest(r.Method, server.URL+r.Path, strings.NewReader(r.Body))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || resp.StatusCode != r.Expect.Status || string(body) != *r.Expect.Body {
				t.Errorf("%s: %s: %d %q, %v", s.Name, r.Path, resp.StatusCode, body, err)
			}
			for name, value := range r.Expect.Headers {
				if got := resp.Header.Get(name); got != value {
					t.Errorf("%s: %s: %s is %q", s.Name, r.Path, name, got)
				}
			}
		}
		server.Close()
	}
}

func TestTargets(t *testing.T) {
	list, err := target.ParseList("targets.yaml", scenarios.TargetsYAML)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range list {
		switch row.Kind {
		case "engine", "yardstick":
			// The command says the same as the spec, but for what depends on the host.
			i := slices.Index(row.Command, "--engine")
			if i < 0 || !strings.HasPrefix(row.Command[i+1], row.Spec) {
				t.Errorf("%s: spec %s, command %q", row.Name, row.Spec, row.Command)
			}
		case "outside":
			if len(row.Requires) == 0 || row.Spec != "" {
				t.Errorf("%s: an outside server has requirements and no spec", row.Name)
			}
			for _, r := range row.Requires {
				if r.Install == "" {
					t.Errorf("%s: a requirement without a way to install it", row.Name)
				}
			}
		default:
			t.Errorf("%s: kind %q", row.Name, row.Kind)
		}
		if row.Summary == "" || !strings.Contains(strings.Join(row.Command, " "), "{addr}") {
			t.Errorf("%s: summary %q, command %q", row.Name, row.Summary, row.Command)
		}
	}
}
