package vegeta

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strconv"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/scenarios/workload"
)

// An aim makes the requests of one class for vegeta.
//
// Vegeta's own target is no more than a number: net/http would spell the names
// of its fields anew, add one of vegeta's, and escape the path once more. exact
// puts the request that is meant in its place. What net/http itself would not
// send as it is asked for is refused before the load: a second opinion about
// another question is none.
type aim struct {
	request *plan.Request
	texts   *plan.Texts
	url     url.URL       // up to the path
	made    *http.Request // of a fixed class
}

func newAims(c *plan.Config, to plan.Endpoint) ([]aim, error) {
	aims := make([]aim, len(c.Requests))
	for i := range aims {
		r := &c.Requests[i]
		if !to.Protocol.Gateway {
			if err := r.CheckVegeta("Requests[" + strconv.Itoa(i) + "]"); err != nil {
				return nil, err
			}
		}
		t, err := r.Parse("Requests", c.Data)
		if err != nil {
			return nil, err
		}
		a := aim{request: r, texts: t, url: url.URL{Scheme: to.Scheme(), Host: to.Host}}
		if m, ok := t.Fixed(r); ok {
			a.made = a.make(m)
		}
		aims[i] = a
	}
	return aims, nil
}

// draw returns the request of a draw. One that has been made before is made for
// all, and must not be changed.
func (a *aim) draw(d workload.Draw) *http.Request {
	if a.made != nil {
		return a.made
	}
	return a.make(a.texts.Render(a.request, d))
}

func (a *aim) make(m plan.Message) *http.Request {
	r := &http.Request{
		Method: m.Method, URL: &url.URL{Scheme: a.url.Scheme, Host: a.url.Host, Opaque: m.Path}, Host: a.url.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
	}
	for _, h := range m.Header {
		if plan.IsField(h[0], "Host") {
			r.Host = h[1]
			continue
		}
		r.Header[h[0]] = append(r.Header[h[0]], h[1])
	}
	if _, given := r.Header["User-Agent"]; !given {
		r.Header["User-Agent"] = []string{""} // none, as the native generator
	}
	if len(m.Body) > 0 {
		r.ContentLength = int64(len(m.Body))
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(m.Body)), nil }
	}
	return r
}

// numbered is what vegeta is told of a hit: it comes back with the result.
func numbered(n int64) vegeta.Target {
	return vegeta.Target{Method: http.MethodGet, URL: "http://hit/#" + strconv.FormatInt(n, 10)}
}

func numberOf(fragment string) (int64, bool) {
	n, err := strconv.ParseInt(fragment, 10, 64)
	return n, err == nil
}

// exact is the http.RoundTripper that asks what is meant where vegeta asks for
// a number.
type exact struct {
	*attack
	transport http.RoundTripper
}

func (e exact) RoundTrip(q *http.Request) (*http.Response, error) {
	n, _ := numberOf(q.URL.Fragment)
	e.mu.Lock()
	made := e.taken[n].request
	e.mu.Unlock()
	r := made.WithContext(q.Context())
	if r.GetBody != nil {
		r.Body, _ = r.GetBody()
	}
	return e.transport.RoundTrip(r)
}
