package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
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
		}}, "cut off after 5 bytes"},
		"unlike the others": {map[string]func(http.ResponseWriter){"/open": body("another")}, "differs from that of first"},
	} {
		t.Run(name, func(t *testing.T) {
			ref := reference{}
			if err := verify(context.Background(), nil, "http://"+answers(t, nil), "first", s, 1, ref); err != nil {
				t.Fatalf("the right server was refused: %v", err)
			}
			err := verify(context.Background(), nil, "http://"+answers(t, test.change), "second", s, 1, ref)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

// What is asked of a templated request is the same for every target, so that
// answers that hang on it can be compared. Two classes of one path are two
// requests. The framing that a scenario writes itself arrives as the load will
// bring it.
func TestVerifyFraming(t *testing.T) {
	s, err := scenarios.Parse("s.yaml", []byte(`
name: framed
summary: s
requests:
  - {method: POST, path: /, headers: {Transfer-Encoding: chunked}, body: "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", expect: {body: "hello -1 [chunked]"}}
  - {method: POST, path: /, headers: {content-length: "5"}, body: hello, expect: {body: "hello 5 []"}}
load: {model: closed}
`))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		fmt.Fprintf(w, "%s %d %v", body, r.ContentLength, r.TransferEncoding)
	}))
	defer server.Close()
	if err := verify(t.Context(), nil, server.URL, "a", s, 1, reference{}); err != nil {
		t.Error(err)
	}
}

func TestVerifyTemplated(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"users.csv": "id,name\n7,Anna\n8,\"B \"\"b\"\"\"\n9,c\n",
		"echo.yaml": `
name: echo
summary: s
requests:
  - {method: POST, path: "/echo/${data.id}?r=${rand:1-1000000000}", headers: {X-Id: "${data.id}", X-N: "n${seq}", A: "${uuid}"}, body: '{"name": "${json.name}"}'}
  - {method: POST, path: /same, body: "${hex:20}"}
  - {method: POST, path: /same, body: "${hex:20}"}
  - {method: POST, path: /fixed, body: "$${seq}"}
  - {method: POST, path: /fixed, body: "${seq}", verbatim: true}
data: {file: users.csv, order: random}
load: {model: closed}
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s, err := scenarios.Load(filepath.Join(dir, "echo.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var asked []string
	other := "" // what a wrong server answers
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		text := fmt.Sprint(r.URL, r.Header["X-N"], r.Header["X-Id"], r.Header["A"], string(body))
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, text)
		fmt.Fprint(w, text, other)
	}))
	defer server.Close()
	ref := reference{}
	check := func(target string, seed uint64) error {
		return verify(t.Context(), nil, server.URL, target, s, seed, ref)
	}
	if err := errors.Join(check("first", 5), check("second", 5)); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	n := len(s.Requests)
	if first, second := asked[:n], asked[n:]; !slices.Equal(first, second) {
		t.Errorf("one target was asked %q, another %q", first, second)
	}
	if asked[1] == asked[2] || asked[3] != asked[4] || !strings.HasSuffix(asked[3], "${seq}") {
		t.Errorf("asked %q", asked)
	}
	id := s.Data.Rows.Value(slices.IndexFunc([]int{0, 1, 2}, func(row int) bool {
		return strings.HasPrefix(asked[0], "/echo/"+s.Data.Rows.Value(row, 0))
	}), 0)
	if !strings.Contains(asked[0], "[n1] ["+id+"]") {
		t.Errorf("fields of two rows: %s", asked[0])
	}
	other = "!"
	mu.Unlock()
	if err := check("third", 5); err == nil || !strings.Contains(err.Error(), "differs from that of first") {
		t.Errorf("a wrong server: %v", err)
	}
	lines := []string{describe(s.Requests[0], s.Data), describe(s.Requests[1], s.Data), describe(s.Requests[4], s.Data)}
	if !strings.Contains(lines[0], ", rows of users.csv in random (SHA-256 "+s.Data.Rows.SHA256()[:16]+")") || strings.Contains(lines[1], "rows") || !strings.HasSuffix(lines[2], ", verbatim") {
		t.Errorf("%q", lines)
	}
}
