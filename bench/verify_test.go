package bench

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/dynobench/dyno/scenarios"
)

// The digest is that of "right".
const verifyScenario = `
name: small
summary: s
shows: s
requests:
  - {path: /text, expect: {status: 200, headers: {Content-Type: text/plain}, body: right}}
  - {path: /digest, expect: {sha256: 27042f4e6eca7d0b2a7ee4026df2ecfa51d3339e6d122aa099118ecd8563bad9, bytes: 5}}
  - {path: /open}
load: {model: closed}
duration: 1s
`

// answers serves each path with the status, type and body given.
func answers(t *testing.T, change map[string]func(http.ResponseWriter)) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f := change[r.URL.Path]; f != nil {
			f(w)
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprint(w, "right")
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func TestVerify(t *testing.T) {
	s, err := scenarios.Parse("small.yaml", []byte(verifyScenario))
	if err != nil {
		t.Fatal(err)
	}
	body := func(text string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/plain")
			fmt.Fprint(w, text)
		}
	}
	for name, test := range map[string]struct {
		change map[string]func(http.ResponseWriter)
		want   string // in the error; empty for none
	}{
		"right":        {nil, ""},
		"wrong body":   {map[string]func(http.ResponseWriter){"/text": body("left")}, `GET /text: body is "left" (4 bytes), expected "right"`},
		"wrong digest": {map[string]func(http.ResponseWriter){"/digest": body("wrong")}, "GET /digest: body has the SHA-256"},
		"wrong length": {map[string]func(http.ResponseWriter){"/digest": body("righter")}, "GET /digest: body has 7 bytes, expected 5"},
		"status":       {map[string]func(http.ResponseWriter){"/text": func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) }}, "status 503, expected 200"},
		"redirect":     {map[string]func(http.ResponseWriter){"/text": func(w http.ResponseWriter) { w.Header().Set("Location", "/open"); w.WriteHeader(302) }}, "status 302"},
		"header":       {map[string]func(http.ResponseWriter){"/text": func(w http.ResponseWriter) { w.Header().Set("Content-Type", "text/html"); fmt.Fprint(w, "right") }}, `header Content-Type is "text/html"`},
		"broken off": {map[string]func(http.ResponseWriter){"/text": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "9")
			fmt.Fprint(w, "right")
		}}, "broken off after 5 bytes"},
		"unlike the others": {map[string]func(http.ResponseWriter){"/open": body("another")}, "differs from that of first"},
	} {
		t.Run(name, func(t *testing.T) {
			ref := reference{}
			if err := verify(context.Background(), answers(t, nil), "first", s, ref); err != nil {
				t.Fatalf("the right server was refused: %v", err)
			}
			err := verify(context.Background(), answers(t, test.change), "second", s, ref)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}
