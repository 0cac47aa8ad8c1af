package gateway_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"

	"github.com/dynobench/dyno/protocol/gateway"
)

func TestExtrasRefuse(t *testing.T) {
	field := func(name, value string) []gateway.Field { return []gateway.Field{{Name: name, Value: value}} }
	bad := [][]gateway.Field{
		field("X A", "x"), field("", "x"), field("X-A", "a\r\nX-Injected: yes"), field("X-A", "a\nb"), field("X-A", "a\x00b"),
		field("X-A\r\nX-Injected", "x"), field("Connection", "close"), field("Transfer-Encoding", "chunked"), field("content-length", "1"),
	}
	late := [][]gateway.Field{
		field("Host", "a"), field("Trailer", "X"), field("Content-Type", "a/b"), field("Content-Encoding", "gzip"), field("If-Match", "x"),
		field("Authorization", "x"), field("Set-Cookie", "a=1"), field("Cache-Control", "no-store"), field("date", "now"),
	}
	var sent int
	app := func(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
		e := env.Extras
		refused := func(what string, want, err error) {
			if !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
		}
		for _, status := range []int{0, 99, 101, 200, 404} {
			refused("an interim status", gateway.ErrStatus, e.Interim(status, nil))
		}
		for _, fields := range bad {
			refused("an interim field "+fields[0].Name, gateway.ErrHeader, e.Interim(103, fields))
		}
		for _, fields := range append(bad, late...) {
			refused("the trailer "+fields[0].Name, gateway.ErrHeader, e.Trailer(fields))
			if fields[0].Name != "X-A" { // the value is at fault
				refused("the announced "+fields[0].Name, gateway.ErrHeader, e.Announce("X-Well", fields[0].Name))
			}
		}
		if err := errors.Join(e.Announce("X-Sum"), e.Announce("X-Total"), start(200, nil, nil), e.Interim(102, nil), e.Trailer(field("X-Total", "1"))); err != nil {
			t.Error(err)
		}
		return gateway.Chunks(func(yield func([]byte, error) bool) {
			yield([]byte("a"), nil)
			refused("an interim answer behind the head", gateway.ErrStatus, e.Interim(103, nil))
			refused("trailers announced behind the head", gateway.ErrHeader, e.Announce("X-Sum"))
		})
	}
	var x gateway.Exchange
	env, _ := env(t.Context(), "GET", "/", "")
	env.Extras = x.Extras(func(int, []gateway.Field) { sent++ })
	kept := env.Extras
	x.Begin(app, env)
	for err := error(nil); err == nil; _, err = x.Next() {
	}
	if got := x.Trailer(); len(got) != 1 || got[0].Name != "X-Total" || x.Head().Trailer != "X-Total" || x.Head().Length != -1 || sent != 1 {
		t.Errorf("head %+v, trailer %v, %d interim answers", x.Head(), got, sent)
	}
	x.Close()
	if kept.Interim(103, nil) == nil || kept.Announce("X") == nil || kept.Trailer(nil) == nil || sent != 1 {
		t.Error("Extras outlive the request")
	}
}

// What a Body says of its size does not bring back the Content-Length for which
// trailers have no place.
func TestAnnouncedSized(t *testing.T) {
	for name, app := range map[string]gateway.App{
		"before start": func(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
			env.Extras.Announce("X-Sum")
			start(200, nil, nil)
			return gateway.String("abc")
		},
		"in Next": func(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
			start(200, nil, nil)
			return sized{&script{size: 3, steps: []step{{chunk: "abc", before: func() { env.Extras.Announce("X-Sum") }}}}}
		},
	} {
		var x gateway.Exchange
		env, _ := env(t.Context(), "GET", "/", "")
		env.Extras = x.Extras(nil)
		out := drive(t, &x, app, env)
		if out.err != io.EOF || out.head.Length != -1 || out.head.Trailer != "X-Sum" || strings.Join(out.chunks, "") != "abc" {
			t.Errorf("%s: %+v", name, out)
		}
	}
}

// By way of ToHTTP they reach a client of net/http's server.
func TestToHTTPExtras(t *testing.T) {
	url, _, stop := serve(t, &gateway.Handler{App: func(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
		env.Extras.Interim(103, []gateway.Field{{Name: "Link", Value: "</a>"}})
		env.Extras.Announce("X-Sum")
		start(200, []gateway.Field{{Name: "Content-Type", Value: "a/b"}}, nil)
		env.Extras.Trailer([]gateway.Field{{Name: "X-Sum", Value: "7"}})
		return gateway.String("abc")
	}})
	defer stop()
	var interim []int
	trace := &httptrace.ClientTrace{Got1xxResponse: func(status int, header textproto.MIMEHeader) error {
		if interim = append(interim, status); header.Get("Link") == "" {
			t.Errorf("interim %v", header)
		}
		return nil
	}}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	body, err := io.ReadAll(resp.Body)
	if err != nil || string(body) != "abc" || resp.Trailer.Get("X-Sum") != "7" || resp.Header.Get("Link") != "" || resp.Header.Get("Content-Type") != "a/b" || len(interim) != 1 {
		t.Errorf("%q, %v, header %v, trailer %v, interim %v", body, err, resp.Header, resp.Trailer, interim)
	}
}
