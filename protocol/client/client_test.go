package client_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/client"
	"github.com/dynobench/dyno/protocol/fastcgi"
	"github.com/dynobench/dyno/protocol/gateway"
	"github.com/dynobench/dyno/protocol/http1"
	"github.com/dynobench/dyno/protocol/protocoltest"
	"github.com/dynobench/dyno/protocol/scgi"
	"github.com/dynobench/dyno/protocol/uwsgi"
)

var servers = map[*client.Protocol]protocol.Codec{
	client.HTTP: http1.Codec{}, client.UWSGI: uwsgi.Codec{}, client.SCGI: scgi.Codec{}, client.FastCGI: fastcgi.Codec{},
}

func request(r protocoltest.Request) *client.Request {
	q := &client.Request{Method: r.Method, Target: r.Target, Host: r.Host, Body: []byte(r.Body), Keep: true}
	for _, f := range r.Header {
		q.Header = append(q.Header, [2]string{f.Name, f.Value})
	}
	return q
}

// suite is p as the conformance suite sees it.
func suite(t testing.TB, p *client.Protocol) protocoltest.Client {
	return protocoltest.Client{
		Reuse: p.Reuses,
		Encode: func(r protocoltest.Request) []byte {
			b, err := p.Append(nil, request(r))
			if err != nil {
				t.Fatal(err)
			}
			return b
		},
		Decode: func(method string, b []byte, closed bool) (protocoltest.Response, []byte, error) {
			answers, answer := p.Answers()
			var body bytes.Buffer
			answer.Body = func(b []byte) { body.Write(b) }
			answers.Reset(method == "HEAD")
			n, done, err := answers.Parse(b)
			if err == nil && !done {
				err = io.ErrUnexpectedEOF
				if closed {
					err = answers.EOF()
				}
			}
			return protocoltest.Response{Status: answer.Status(), Body: body.String()}, b[n:], err
		},
	}
}

// Both halves of each codec understand each other.
func TestConformance(t *testing.T) {
	for p, codec := range servers {
		if p.Gateway { // http1's own tests have the other
			t.Run(p.Name, func(t *testing.T) { protocoltest.Run(t, codec, suite(t, p)) })
		}
	}
}

func TestLookup(t *testing.T) {
	for _, p := range client.All {
		if client.Lookup(p.Name) != p || servers[p].Name() != p.Name {
			t.Errorf("%s", p.Name)
		}
	}
	if p := client.Lookup("gopher"); p != nil {
		t.Errorf("%+v", p)
	}
}

// What the app's server sees of a request, beyond what the suite compares.
func TestVariables(t *testing.T) {
	q := &client.Request{
		Method: "POST", Target: "/a%20b/%zz?c=d%20e", Host: "[::1]:8080", Body: []byte("12345"),
		Header: [][2]string{{"Content-Type", "text/plain"}, {"content-length", "99"}, {"X-Two-Words", "x"}, {"Host", "other"}},
		Params: [][2]string{{"SCRIPT_FILENAME", "/srv/a.php"}, {"REMOTE_ADDR", "192.0.2.7"}, {"EMPTY", ""}},
	}
	for p, codec := range servers {
		if !p.Gateway {
			continue
		}
		stream, err := p.Append([]byte("before"), q)
		if err != nil || string(stream[:6]) != "before" {
			t.Fatal(err)
		}
		var env gateway.Environ
		parser, _ := codec.New()
		parser.Reset(new(protocol.Limits))
		o, err := parser.Parse(stream[6:])
		if err != nil || o.State != protocol.Done {
			t.Fatal(p.Name, o, err)
		}
		body := parser.Describe(&env, stream[6:][:o.Size])
		for name, want := range map[string]string{
			"REQUEST_METHOD": "POST", "REQUEST_URI": q.Target, "PATH_INFO": "/a%20b/%zz", "QUERY_STRING": "c=d%20e", // malformed: as it is
			"SERVER_NAME": "[::1]", "SERVER_PORT": "8080", "SERVER_PROTOCOL": "HTTP/1.1", "SCRIPT_NAME": "",
			"HTTP_HOST": "other", "CONTENT_TYPE": "text/plain", "HTTP_X_TWO_WORDS": "x",
			"SCRIPT_FILENAME": "/srv/a.php", "REMOTE_ADDR": "192.0.2.7", "EMPTY": "",
		} {
			if got := env.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", p.Name, name, got, want)
			}
		}
		if string(body) != "12345" {
			t.Errorf("%s: body %q", p.Name, body)
		}
	}
}

func TestUWSGIPacketTooLarge(t *testing.T) {
	q := &client.Request{Method: "GET", Target: "/", Host: "test", Header: [][2]string{{"X", strings.Repeat("x", 70_000)}}}
	dst := []byte("dst")
	if out, err := client.UWSGI.Append(dst, q); err != uwsgi.ErrTooLarge || !bytes.Equal(out, dst) {
		t.Errorf("%q, %v", out, err)
	}
	for _, p := range []*client.Protocol{client.SCGI, client.FastCGI} {
		limits := protocol.Limits{HeaderBytes: 1 << 20}
		out, err := p.Append(nil, q)
		found, bad := protocoltest.Parse(servers[p], &limits, out)
		if err != nil || bad != nil || len(found.Requests) != 1 {
			t.Errorf("%s: %v, %v, %d requests", p.Name, err, bad, len(found.Requests))
		}
	}
}

// FuzzRequest looks for requests that one half sends and the other sees
// otherwise.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/", "test", "X-A", "b", []byte(nil))
	f.Add("POST", "/a%20b?c", "[::1]:8", "Content-Type", "text/plain", []byte("body"))
	f.Add("OPTIONS", "*", "", "Host", "", []byte(strings.Repeat("x", 70_000)))
	f.Fuzz(func(t *testing.T, method, target, host, name, value string, body []byte) {
		q := &client.Request{Method: method, Target: target, Host: host, Header: [][2]string{{name, value}}, Body: body, Keep: true}
		for p, codec := range servers {
			if !p.Gateway {
				continue
			}
			stream, err := p.Append(nil, q)
			if err != nil {
				continue
			}
			if p == client.SCGI && strings.ContainsRune(method+target+host+name+value, 0) {
				continue // NUL ends what it is in
			}
			found, err := protocoltest.Parse(codec, new(protocol.Limits), stream)
			if err != nil {
				t.Fatal(err)
			}
			if found.Refused != nil {
				continue
			}
			if len(found.Requests) != 1 || found.Partial {
				t.Fatalf("%s: %+v", p.Name, found)
			}
			got := found.Requests[0]
			if diff := cmp.Diff([]string{method, target, string(body)}, []string{got.Method, got.Target, got.Body}); diff != "" {
				t.Fatalf("%s: (-sent +seen)\n%s", p.Name, diff)
			}
		}
	})
}

// rounds asks and reads an answer, over and over.
func rounds(t testing.TB, p *client.Protocol) (round func(), bytes int) {
	svc := protocoltest.Service(servers[p], protocol.Limits{}, func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
		start(200, []gateway.Field{{Name: "Content-Type", Value: "text/plain"}}, nil)
		return gateway.String("Hello, World!")
	})
	q := request(protocoltest.Typical)
	message, err := p.Append(nil, q)
	if err != nil {
		t.Fatal(err)
	}
	output := protocoltest.Serve(svc, message).Output
	answers, answer := p.Answers()
	return func() {
		if message, err = p.Append(message[:0], q); err != nil {
			t.Fatal(err)
		}
		answers.Reset(false)
		if _, done, err := answers.Parse(output); !done || err != nil || answer.BodyBytes() != 13 {
			t.Fatal(done, err, fmt.Sprintf("%q", output))
		}
	}, len(message) + len(output)
}

func TestAllocatesNothing(t *testing.T) {
	for _, p := range client.All {
		round, _ := rounds(t, p)
		if n := testing.AllocsPerRun(100, round); n != 0 {
			t.Errorf("%s: %v allocations, want 0", p.Name, n)
		}
	}
}

func BenchmarkClient(b *testing.B) {
	for _, p := range client.All {
		b.Run(p.Name, func(b *testing.B) {
			round, n := rounds(b, p)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				round()
			}
		})
	}
}
