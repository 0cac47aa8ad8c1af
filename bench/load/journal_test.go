package load

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/dynobench/dyno/bench/load/loadtest"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/load/record"
	"github.com/dynobench/dyno/results"
)

// decodeAll reads what WriteVegeta wrote with vegeta's own decoder.
func decodeAll(t *testing.T, b []byte) []vegeta.Result {
	t.Helper()
	decode := vegeta.DecoderFor(bytes.NewReader(b))
	if decode == nil {
		t.Fatal("vegeta does not know the encoding")
	}
	var all []vegeta.Result
	for {
		var r vegeta.Result
		if err := decode.Decode(&r); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
}

// Both generators, every encoding: vegeta reads as many requests as the result
// has, right ones and failures.
func TestVegetaReadsTheTrace(t *testing.T) {
	eachGenerator(t, func(t *testing.T, generator string) {
		r := loadtest.Respond(t, "tcp", func(r *loadtest.Responder) {
			r.Answer = func(w io.Writer, n int64, head []byte) bool {
				if n%10 == 0 {
					return loadtest.Reply("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")(w, n, head)
				}
				if n%10 == 5 {
					return loadtest.Reply("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad")(w, n, head)
				}
				return loadtest.Reply(loadtest.Hello)(w, n, head)
			}
		})
		c := loadtest.Short(r)
		c.Generator, c.Model, c.Rate = generator, plan.Open, 400
		var began time.Time
		l := until(func() *results.Load {
			began, c.Journal = time.Now(), new(record.Journal)
			return mustRun(t, c)
		}, func(l *results.Load) bool { return l.Errors.Status > 0 && l.Errors.Body > 0 })
		for _, format := range record.VegetaFormats {
			var b bytes.Buffer
			if err := c.Journal.WriteVegeta(&b, format); err != nil {
				t.Fatal(err)
			}
			all := decodeAll(t, b.Bytes())
			if n := int64(len(all)); n != l.Requests+l.Errors.Total()-l.Errors.Status-l.Errors.Body || n != c.Journal.Len() || l.Errors.Status == 0 || l.Errors.Body == 0 {
				t.Errorf("%s: %d results of %d answers, %+v", format, n, l.Requests, l.Errors)
			}
			var m vegeta.Metrics
			h := results.NewHistogram()
			for i, r := range all {
				m.Add(&r)
				results.RecordNS(h, r.Latency.Nanoseconds())
				if r.Seq != uint64(i) || r.Attack != "dyno" || r.Method != "GET" || r.URL != c.URL && r.URL != c.URL+"/hello" {
					t.Fatalf("%+v", r)
				}
				if i > 0 && r.Timestamp.Before(all[i-1].Timestamp) {
					t.Fatalf("%v after %v", r.Timestamp, all[i-1].Timestamp)
				}
				if r.Timestamp.Before(began) || r.Timestamp.After(time.Now()) {
					t.Fatalf("due at %v in a test that began at %v", r.Timestamp, began)
				}
			}
			m.Close()
			if right := l.Requests - l.Errors.Status - l.Errors.Body; int64(float64(len(all))*m.Success+0.5) != right {
				t.Errorf("%s: %v of %d are a success to vegeta, %d are right", format, m.Success, len(all), right)
			}
			for _, want := range []string{"unexpected body (status 200)", "unexpected status 404"} {
				if !slices.Contains(m.Errors, want) {
					t.Errorf("%s: errors %v, want %q among them", format, m.Errors, want)
				}
			}
			if q := results.QuantilesOf(h); q.P50 != l.LatencyUS.P50 {
				t.Errorf("%s: a median of %v µs, the result has %v", format, q.P50, l.LatencyUS.P50)
			}
		}
		if err := c.Journal.WriteVegeta(io.Discard, "xml"); err == nil {
			t.Error("xml is no encoding of vegeta's")
		}
		var bad *plan.ConfigError
		if _, err := Run(t.Context(), c); !errors.As(err, &bad) || bad.Field != "Journal" {
			t.Errorf("a second run into one Journal: %v", err)
		}
	})
}
