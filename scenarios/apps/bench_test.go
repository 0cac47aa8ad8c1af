package apps

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dynobench/dyno/internal/testkit"
	"github.com/dynobench/dyno/protocol/gateway"
)

// call is one request to the app and what is to come back. The twins in other
// languages are held against the same list.
type call struct {
	method, target string
	contentType    string // of the request
	body           string

	status int
	typ    string // Content-Type of the answer
	want   string
	allow  string
}

func longPattern(n int) string { return strings.Repeat(alphabet, n/len(alphabet)+1)[:n] }

const (
	plain  = "text/plain"
	octets = "application/octet-stream"
)

var calls = []call{
	{"GET", "/hello", "", "", 200, plain, "Hello, World!", ""},
	{"HEAD", "/hello", "", "", 200, plain, "", ""},
	{"GET", "/json", "", "", 200, "application/json", `{"message":"Hello, World!"}`, ""},
	{"GET", "/wait?ms=1", "", "", 200, plain, "waited\n", ""},
	{"GET", "/wait?ms=0", "", "", 200, plain, "waited\n", ""},
	{"GET", "/block?ms=1", "", "", 200, plain, "blocked\n", ""},
	{"GET", "/cpu?rounds=1", "", "", 200, plain, "e3bd85a7dcc38fdc155010c66f3ce0ba6be40b4630c68341617e33c893502f90", ""},
	{"GET", "/cpu?rounds=1000", "", "", 200, plain, "5a9b8da696fede55aef5a3df924bc291663cb6f79d423f5cb1e7b5260c4b6a2c", ""},
	{"GET", "/bytes?n=0", "", "", 200, octets, "", ""},
	{"GET", "/bytes?n=70", "", "", 200, octets, longPattern(70), ""},
	{"GET", "/bytes?n=65536", "", "", 200, octets, longPattern(65536), ""},
	{"GET", "/bytes?n=200001", "", "", 200, octets, longPattern(200001), ""},
	{"HEAD", "/bytes?n=1073741824", "", "", 200, octets, "", ""},
	{"GET", "/stream?chunks=0&size=10&ms=0", "", "", 200, octets, "", ""},
	{"GET", "/stream?chunks=7&size=13&ms=1", "", "", 200, octets, longPattern(7 * 13), ""},
	{"GET", "/stream?ms=0&size=65536&chunks=3", "", "", 200, octets, longPattern(3 * 65536), ""},
	{"POST", "/echo", "text/x-poem", "roses", 200, "text/x-poem", "roses", ""},
	{"POST", "/echo", octets, longPattern(100_000), 200, octets, longPattern(100_000), ""},

	{"GET", "/", "", "", 404, plain, notFound, ""},
	{"GET", "/hello/", "", "", 404, plain, notFound, ""},
	{"POST", "/hello", plain, "x", 405, plain, "/hello takes GET, HEAD\n", "GET, HEAD"},
	{"GET", "/echo", "", "", 405, plain, "/echo takes POST\n", "POST"},
	{"GET", "/wait", "", "", 400, plain, "ms is missing; /wait takes ms (0 to 60000)\n", ""},
	{"GET", "/wait?ms=", "", "", 400, plain, "ms is not a whole number from 0 to 60000; /wait takes ms (0 to 60000)\n", ""},
	{"GET", "/wait?ms=60001", "", "", 400, plain, "ms is not a whole number from 0 to 60000; /wait takes ms (0 to 60000)\n", ""},
	{"GET", "/wait?ms=-1", "", "", 400, plain, "ms is not a whole number from 0 to 60000; /wait takes ms (0 to 60000)\n", ""},
	{"GET", "/wait?ms=1.5", "", "", 400, plain, "ms is not a whole number from 0 to 60000; /wait takes ms (0 to 60000)\n", ""},
	{"GET", "/wait?ms=00000000001", "", "", 400, plain, "ms is not a whole number from 0 to 60000; /wait takes ms (0 to 60000)\n", ""},
	{"GET", "/wait?ms=1&ms=1", "", "", 400, plain, "ms is given twice; /wait takes ms (0 to 60000)\n", ""},
	{"GET", "/wait?ms=1&s=1", "", "", 400, plain, "unknown parameter; /wait takes ms (0 to 60000)\n", ""},
	{"GET", "/hello?x", "", "", 400, plain, "unknown parameter; /hello takes no parameters\n", ""},
	{"GET", "/cpu?rounds=0", "", "", 400, plain, "rounds is not a whole number from 1 to 10000000; /cpu takes rounds (1 to 10000000)\n", ""},
	{"GET", "/bytes?n=1073741825", "", "", 400, plain, "n is not a whole number from 0 to 1073741824; /bytes takes n (0 to 1073741824)\n", ""},
	{"GET", "/stream?chunks=1&size=1", "", "", 400, plain, "ms is missing; /stream takes chunks (0 to 10000), size (0 to 65536), ms (0 to 60000)\n", ""},
}

// check makes every call to the server at url.
func check(t *testing.T, url string) {
	for _, c := range calls {
		t.Run(c.method+" "+c.target, func(t *testing.T) {
			req, err := http.NewRequest(c.method, url+c.target, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if c.contentType != "" {
				req.Header.Set("Content-Type", c.contentType)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != c.status || resp.Header.Get("Content-Type") != c.typ || resp.Header.Get("Allow") != c.allow {
				t.Errorf("%d, Content-Type %q, Allow %q; want %d, %q, %q", resp.StatusCode, resp.Header.Get("Content-Type"),
					resp.Header.Get("Allow"), c.status, c.typ, c.allow)
			}
			if string(body) != c.want {
				t.Errorf("%d bytes %.80q, want %d bytes %.80q", len(body), body, len(c.want), c.want)
			}
		})
	}
}

func TestBench(t *testing.T) {
	var complaints []error
	server := httptest.NewServer(gateway.ToHTTP(gateway.LintWith(func(err error) { complaints = append(complaints, err) })(Bench)))
	check(t, server.URL)
	server.Close() // waits for the handlers
	if len(complaints) > 0 {
		t.Error(errors.Join(complaints...))
	}
}

func TestEveryPathIsListed(t *testing.T) {
	for path := range routes {
		if !strings.Contains(notFound, path) {
			t.Errorf("the answer to an unknown path does not list %s", path)
		}
		if !slices.ContainsFunc(calls, func(c call) bool { return strings.HasPrefix(c.target, path) && c.status == 200 }) {
			t.Errorf("no test asks for %s", path)
		}
	}
}

// run takes the app through an Exchange, as an engine does.
func run(x *gateway.Exchange, env *gateway.Environ) (chunks int, err error) {
	x.Begin(Bench, env)
	defer x.Close()
	for {
		_, err := x.Next()
		if err != nil {
			return chunks, err
		}
		chunks++
	}
}

// stuck is a Waiter whose time never comes.
type stuck struct{ cancel context.CancelFunc }

func (s stuck) Sleep(ctx context.Context, _ time.Duration) error {
	s.cancel()
	<-ctx.Done()
	return ctx.Err()
}

func (s stuck) Readable(context.Context, int, time.Duration) error { panic("not used") }
func (s stuck) Writable(context.Context, int, time.Duration) error { panic("not used") }

func TestWaitEndsWithTheRequest(t *testing.T) {
	for _, target := range [][2]string{{"/wait", "ms=60000"}, {"/stream", "chunks=2&size=1&ms=60000"}} {
		ctx, cancel := context.WithCancel(t.Context())
		env := &gateway.Environ{Method: "GET", Path: target[0], Query: target[1], Context: ctx, Wait: stuck{cancel}}
		var x gateway.Exchange
		if _, err := run(&x, env); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want that the context has ended", target[0], err)
		}
	}
}

func TestBytesAreNotHeld(t *testing.T) {
	var x gateway.Exchange
	env := &gateway.Environ{Method: "GET", Path: "/bytes", Query: "n=1073741824"}
	allocs := testing.AllocsPerRun(1, func() {
		if _, err := run(&x, env); err != io.EOF {
			t.Fatal(err)
		}
	})
	if allocs > 2 { // the Body
		t.Errorf("%v allocations for 1 GiB", allocs)
	}
	if head := x.Head(); head.Length != 1<<30 {
		t.Errorf("length %d", head.Length)
	}
}

func TestHelloDoesNotAllocate(t *testing.T) {
	if testkit.Race {
		t.Skip("under the race detector sync.Pool drops at random, so allocations cannot be counted")
	}
	var x gateway.Exchange
	env := &gateway.Environ{Method: "GET", Path: "/hello"}
	if n := testing.AllocsPerRun(1000, func() { run(&x, env) }); n != 0 {
		t.Errorf("%v allocations per request", n)
	}
}

func TestHoldThread(t *testing.T) {
	const d = 3 * time.Millisecond
	began := time.Now()
	if err := holdThread(d); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < d {
		t.Errorf("held for %v, want at least %v", took, d)
	}
}

func TestPattern(t *testing.T) {
	whole := []byte(longPattern(3 * maxChunk))
	for _, at := range []int64{0, 1, 63, 64, 65, 100_000} {
		if got := Pattern(at, maxChunk); !bytes.Equal(got, whole[at:at+maxChunk]) {
			t.Errorf("Pattern(%d, %d) differs", at, maxChunk)
		}
	}
}

func TestLookup(t *testing.T) {
	for _, info := range List() {
		if app, err := Lookup(info.Name); err != nil || app == nil || info.Summary == "" {
			t.Errorf("%s: %v, summary %q", info.Name, err, info.Summary)
		}
	}
	_, err := Lookup("bunch")
	if want := `unknown app "bunch": did you mean "bench"? Known: bench, conformance`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func BenchmarkHello(b *testing.B) {
	b.ReportAllocs()
	var x gateway.Exchange
	env := &gateway.Environ{Method: "GET", Path: "/hello"}
	for b.Loop() {
		run(&x, env)
	}
}
