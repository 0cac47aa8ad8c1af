package observe

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/supervise"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	metricName = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)
	sampleLine = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{([^}]*)\})? (\S+)$`)
	labelPair  = regexp.MustCompile(`^([a-zA-Z_][a-zA-Z0-9_]*)="([^"\\\n]*)"$`)
)

// parseMetrics reads Prometheus' text format 0.0.4 strictly: each family has
// its HELP, then its TYPE, then all of its samples, none twice; counters end in
// _total; the buckets of a histogram grow, end with +Inf and agree with _count.
func parseMetrics(text string) (map[string]float64, error) {
	values := map[string]float64{}
	seen := map[string]bool{}
	family, kind, help := "", "", ""
	last := map[string]float64{} // of a histogram's buckets, by its other labels
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		fail := func(format string, a ...any) error {
			return fmt.Errorf("line %d, %q: "+format, append([]any{i + 1, line}, a...)...)
		}
		if rest, ok := strings.CutPrefix(line, "# HELP "); ok {
			name, about, _ := strings.Cut(rest, " ")
			if !metricName.MatchString(name) || about == "" || seen[name] {
				return nil, fail("no help of a new family")
			}
			help, family, seen[name] = name, "", true
			continue
		}
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			family, kind, _ = strings.Cut(rest, " ")
			if family != help || kind != "counter" && kind != "gauge" && kind != "histogram" {
				return nil, fail("no type of %q", help)
			}
			if (kind == "counter") != strings.HasSuffix(family, "_total") {
				return nil, fail("counters, and no others, end in _total")
			}
			continue
		}
		m := sampleLine.FindStringSubmatch(line)
		if m == nil {
			return nil, fail("no sample")
		}
		value, err := strconv.ParseFloat(m[3], 64)
		if _, twice := values[m[1]+"{"+m[2]+"}"]; err != nil || twice {
			return nil, fail("no new value: %v", err)
		}
		values[m[1]+"{"+m[2]+"}"] = value
		le, others := "", []string{}
		for _, pair := range strings.Split(m[2], ",") {
			p := labelPair.FindStringSubmatch(pair)
			if m[2] != "" && p == nil {
				return nil, fail("no label: %s", pair)
			}
			if p != nil && p[1] == "le" {
				le = p[2]
			} else {
				others = append(others, pair)
			}
		}
		of := strings.Join(others, ",")
		switch part := strings.TrimPrefix(m[1], family); {
		case family == "" || kind != "histogram" && part != "":
			return nil, fail("it is not of the family %q", family)
		case kind != "histogram" || part == "_sum":
		case part == "_bucket":
			if le == "" || value < last[of] {
				return nil, fail("a bucket holds what the one before holds")
			}
			if last[of] = value; le == "+Inf" {
				last[of+" whole"] = value
			}
		case part == "_count":
			if whole, ok := last[of+" whole"]; !ok || whole != value {
				return nil, fail("the last bucket holds %v", whole)
			}
		default:
			return nil, fail("it is not of a histogram")
		}
	}
	return values, nil
}

func example() *Server {
	one := supervise.Worker{ID: 1, PID: 7, Stats: engines.Stats{Slots: 4, Busy: 3, Queue: 2, Accepted: 50, Requests: 6, Errors: 20,
		Failed: engines.Failed{BadRequest: 1, Timeout: 2, ClientGone: 3, AppFailed: 4, Shed: 5}}, RSS: -1, VSZ: -1}
	one.Latency.Buckets[0], one.Latency.Buckets[5], one.Latency.Buckets[16], one.Latency.SumNS = 3, 2, 1, 1_500_000_000
	return &Server{Version: "v", Address: "a", Timed: true, Total: one.Stats, Workers: []supervise.Worker{one, {ID: 2}}, Waiting: -1, Backlog: 128}
}

func TestMetrics(t *testing.T) {
	s := example()
	var b bytes.Buffer
	if err := s.WriteMetrics(&b); err != nil {
		t.Fatal(err)
	}
	got, err := parseMetrics(b.String())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float64{
		`dyno_requests_total{worker="1"}`: 6, `dyno_slots_busy{worker="1"}`: 3, `dyno_queue{worker="1"}`: 2, `dyno_listen_queue_max{}`: 128,
		`dyno_errors_total{worker="1",kind="bad_request"}`: 1, `dyno_errors_total{worker="1",kind="timeout"}`: 2,
		`dyno_errors_total{worker="1",kind="client_gone"}`: 3, `dyno_errors_total{worker="1",kind="app_failed"}`: 4,
		`dyno_errors_total{worker="1",kind="shed"}`: 5, `dyno_errors_total{worker="1",kind="other"}`: 5,
		`dyno_request_duration_seconds_bucket{worker="1",le="0.0001"}`: 3, `dyno_request_duration_seconds_bucket{worker="1",le="0.005"}`: 5,
		`dyno_request_duration_seconds_bucket{worker="1",le="10"}`: 5, `dyno_request_duration_seconds_bucket{worker="1",le="+Inf"}`: 6,
		`dyno_request_duration_seconds_sum{worker="1"}`: 1.5, `dyno_request_duration_seconds_count{worker="1"}`: 6,
		`dyno_request_duration_seconds_count{worker="2"}`: 0,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s: %v (there: %v), want %v", name, v, ok, want)
		}
	}
	for name := range got {
		if strings.HasPrefix(name, "dyno_listen_queue{") || strings.HasPrefix(name, `dyno_resident_bytes{worker="1"`) {
			t.Errorf("%s is there though it is not known", name)
		}
	}
	s.Timed = false
	b.Reset()
	s.WriteMetrics(&b) //nolint:errcheck // into memory
	if strings.Contains(b.String(), "duration") {
		t.Error("latencies of a server that counts none")
	}
}

// TestParserIsStrict keeps the parser above from taking everything.
func TestParserIsStrict(t *testing.T) {
	for _, text := range []string{
		"a 1\n", "# HELP a b\na 1\n", "# TYPE a gauge\na 1\n", "# HELP a b\n# TYPE a counter\na 1\n", "# HELP a b\n# TYPE a gauge\na 1\na 1\n",
		"# HELP a b\n# TYPE a gauge\nb 1\n", "# HELP a b\n# TYPE a gauge\na{x=1} 1\n", "# HELP a b\n# TYPE a gauge\na x\n", "# HELP a b\n# TYPE a gauge\n\n",
		"# HELP a b\n# TYPE a histogram\na_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1\n", "# HELP a b\n# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_count 2\n",
	} {
		if v, err := parseMetrics(text); err == nil {
			t.Errorf("%q is %v", text, v)
		}
	}
}

// TestServe asks in all the ways that there are.
func TestServe(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		if err := Serve(ctx, ln, "http", func() Server { return *example() }, func() engines.Stats { return example().Total }); err != nil {
			t.Error(err)
		}
	})
	defer done.Wait()
	defer cancel()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(10 * time.Second)) //nolint:errcheck // reading tells
		return c
	}
	plain := dial()
	plain.(*net.TCPConn).CloseWrite() //nolint:errcheck // reading tells
	if b, err := io.ReadAll(plain); err != nil || !bytes.HasPrefix(b, []byte("{")) {
		t.Errorf("a plain connection: %.60q, %v", b, err)
	}
	watch := dial()
	from := bufio.NewReader(watch)
	for range 3 {
		io.WriteString(watch, "GET /slots HTTP/1.1\r\nHost: x\r\n\r\n") //nolint:errcheck // reading tells
		resp, err := http.ReadResponse(from, nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body); err != nil || string(b) != `{"schema":"dyno.slots/1","slots":4,"busy":3,"queue":2}`+"\n" {
			t.Errorf("/slots: %q, %v", b, err)
		}
	}
	for path, want := range map[string]string{"/": "{", "/metrics": "# HELP"} {
		c := dial() // while the watcher is still there
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body); err != nil || !strings.HasPrefix(string(b), want) {
			t.Errorf("%s: %.60q, %v", path, b, err)
		}
	}
}
