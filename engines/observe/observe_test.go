package observe

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.uber.org/goleak"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/supervise"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// samples are what Prometheus reads in text, each under its name and labels.
// What its own linter has to say about them is an error.
func samples(t *testing.T, text []byte) map[string]float64 {
	t.Helper()
	problems, err := promlint.New(bytes.NewReader(text)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v, %v", problems, err)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	vector, err := expfmt.ExtractSamples(&expfmt.DecodeOptions{}, slices.Collect(maps.Values(families))...)
	if err != nil {
		t.Fatal(err)
	}
	for _, sample := range vector {
		values[sample.Metric.String()] = float64(sample.Value)
	}
	return values
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
	got := samples(t, b.Bytes())
	for name, want := range map[string]float64{
		`dyno_requests_total{worker="1"}`: 6, `dyno_slots_busy{worker="1"}`: 3, `dyno_queue{worker="1"}`: 2, `dyno_listen_queue_max`: 128,
		`dyno_errors_total{kind="bad_request", worker="1"}`: 1, `dyno_errors_total{kind="timeout", worker="1"}`: 2,
		`dyno_errors_total{kind="client_gone", worker="1"}`: 3, `dyno_errors_total{kind="app_failed", worker="1"}`: 4,
		`dyno_errors_total{kind="shed", worker="1"}`: 5, `dyno_errors_total{kind="other", worker="1"}`: 5,
		`dyno_request_duration_seconds_bucket{le="0.0001", worker="1"}`: 3, `dyno_request_duration_seconds_bucket{le="0.005", worker="1"}`: 5,
		`dyno_request_duration_seconds_bucket{le="10", worker="1"}`: 5, `dyno_request_duration_seconds_bucket{le="+Inf", worker="1"}`: 6,
		`dyno_request_duration_seconds_sum{worker="1"}`: 1.5, `dyno_request_duration_seconds_count{worker="1"}`: 6,
		`dyno_request_duration_seconds_count{worker="2"}`: 0,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s: %v (there: %v), want %v", name, v, ok, want)
		}
	}
	for name := range got {
		if name == "dyno_listen_queue" || strings.HasPrefix(name, `dyno_resident_bytes{worker="1"`) {
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

// TestServe asks in all the ways that there are.
func TestServe(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		s := Service{Proto: "http", Log: slog.New(slog.DiscardHandler), Look: func() Server { return *example() }, Stats: func() engines.Stats { return example().Total }}
		s.Serve(ctx, ln)
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
		io.WriteString(watch, "GET /slots HTTP/1.1\r\nHost: localhost\r\n\r\n") //nolint:errcheck // reading tells
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
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body); err != nil || !strings.HasPrefix(string(b), want) {
			t.Errorf("%s: %.60q, %v", path, b, err)
		}
	}
}

// listenFor has example told at an address until the test ends.
func listenFor(t *testing.T, s Service) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Log = slog.New(slog.DiscardHandler)
	if s.Look == nil {
		s.Look = func() Server { return *example() }
	}
	s.Stats = func() engines.Stats { return example().Total }
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { s.Serve(ctx, ln) })
	t.Cleanup(func() { cancel(); done.Wait() })
	return ln.Addr().String()
}

// scrape asks for /metrics with that Host and returns the status.
func scrape(t *testing.T, addr, host string) int {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute)) //nolint:errcheck // reading tells
	fmt.Fprintf(c, "GET /metrics HTTP/1.1\r\nHost: %s\r\n\r\n", host)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode
}

// TestSilentClients: who says nothing, or not all, does not hold up who asks. Many
// more of them than there is room for are there.
func TestSilentClients(t *testing.T) {
	addr := listenFor(t, Service{})
	for i := range 4 * mostClients {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if i%2 == 1 {
			io.WriteString(c, "GET /me") //nolint:errcheck // it may have been closed
		}
	}
	if got := scrape(t, addr, "localhost"); got != http.StatusOK {
		t.Errorf("a scrape beside silent clients got %d", got)
	}
}

// TestSharedLooks: many who ask while a look is made share the next one, which has
// begun after they asked.
func TestSharedLooks(t *testing.T) {
	begun, gate := make(chan int64), make(chan struct{})
	var n int64
	s := shared[int64]{make: func() int64 {
		n++
		begun <- n
		<-gate
		return n
	}}
	first := make(chan int64, 1)
	go func() { first <- s.get() }()
	<-begun
	const others = 50
	got := make(chan int64, others)
	var asked sync.WaitGroup
	for range others {
		asked.Add(1)
		go func() {
			s.mu.Lock()
			if s.next == nil {
				s.next = &answerOf[int64]{done: make(chan struct{})}
			}
			s.mu.Unlock()
			asked.Done()
			got <- s.get()
		}()
	}
	asked.Wait()
	gate <- struct{}{}
	if v := <-first; v != 1 {
		t.Errorf("the first got look %d", v)
	}
	<-begun
	gate <- struct{}{}
	served := 0
	for served < others {
		select {
		case v := <-got:
			if v < 2 {
				t.Errorf("an answer from before the question: look %d", v)
			}
			served++
		case <-begun: // for who was slow to ask
			gate <- struct{}{}
		}
	}
	if n > others/2 {
		t.Errorf("%d looks for %d who asked at the same time", n, others)
	}
}

func TestGuard(t *testing.T) {
	for given, hosts := range map[string]map[string]int{
		"127.0.0.1:0": {
			"127.0.0.1:9191": 200, "localhost": 200, "LOCALHOST.:9191": 200, "[::1]:9191": 200, "::1": 200, "10.1.2.3": 200, "": 200,
			"evil.example": 403, "evil.example:9191": 403, "127.0.0.1.evil.example": 403, "localhost.evil.example": 403, "0x7f.1": 403,
		},
		"metrics.example:0": {"metrics.example": 200, "METRICS.example:9191": 200, "evil.example": 403, "localhost": 200},
		"0.0.0.0:0":         {"192.0.2.1:9191": 200, "evil.example": 403},
	} {
		addr := listenFor(t, Service{Guard: GuardOf(given)})
		handler := GuardOf(given).Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		for host, want := range hosts {
			if got := scrape(t, addr, host); got != want {
				t.Errorf("listening at %s, Host %q: %d, want %d", given, host, got, want)
			}
			r, w := httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRecorder()
			r.Host = host
			if handler.ServeHTTP(w, r); w.Code != want {
				t.Errorf("a handler at %s, Host %q: %d, want %d", given, host, w.Code, want)
			}
		}
	}
}
