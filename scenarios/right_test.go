package scenarios_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

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
