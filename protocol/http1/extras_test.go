package http1_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/gateway"
)

// spoken feeds request and returns what is written, piece by piece.
func spoken(t *testing.T, app gateway.App, request string) (pieces []string) {
	t.Helper()
	s := service(app).NewSession(protocol.Peer{})
	defer s.Release()
	for s.Feed([]byte(request)); ; {
		switch s.Next() {
		case protocol.Run:
			s.Run()
		case protocol.Write:
			pieces = append(pieces, dated.ReplaceAllString(string(s.Output()), ""))
			s.Sent(len(s.Output()))
		default:
			return pieces
		}
	}
}

var dated = regexp.MustCompile("Date: [^\r]*\r\n")

// told is an app that does what steps say, one for each chunk; a step without a
// chunk is a yield point.
func told(steps ...func(gateway.Extras, gateway.StartResponse) string) gateway.App {
	return func(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
		return gateway.Chunks(func(yield func([]byte, error) bool) {
			for _, step := range steps {
				if !yield([]byte(step(env.Extras, start)), nil) {
					return
				}
			}
		})
	}
}

// where there are none, an app does without.
func extra(do func(gateway.Extras)) func(gateway.Extras, gateway.StartResponse) string {
	return func(e gateway.Extras, _ gateway.StartResponse) string {
		if e != nil {
			do(e)
		}
		return ""
	}
}

func chunk(s string) func(gateway.Extras, gateway.StartResponse) string {
	return func(gateway.Extras, gateway.StartResponse) string { return s }
}

func begin(header ...gateway.Field) func(gateway.Extras, gateway.StartResponse) string {
	return func(_ gateway.Extras, start gateway.StartResponse) string {
		if err := start(200, header, nil); err != nil {
			panic(err)
		}
		return ""
	}
}

func TestExtras(t *testing.T) {
	sum := []gateway.Field{{Name: "X-Sum", Value: "7"}, {Name: "X-Sum", Value: "8"}}
	announce := extra(func(e gateway.Extras) { e.Announce("X-Sum", "X-Other") })
	trailer := extra(func(e gateway.Extras) { e.Trailer(sum) })
	hints := extra(func(e gateway.Extras) { e.Interim(103, []gateway.Field{{Name: "Link", Value: "</a>"}}) })
	goOn := extra(func(e gateway.Extras) { e.Interim(100, nil) })
	failed := func(gateway.Extras, gateway.StartResponse) string { panic("on purpose") }
	replaced := func(_ gateway.Extras, start gateway.StartResponse) string {
		start(503, nil, errors.New("another mind"))
		return ""
	}
	const (
		chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
		names   = "Trailer: X-Sum, X-Other\r\n"
		early   = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
	)
	for _, tt := range []struct {
		name, request string // default GET / HTTP/1.1
		app           gateway.App
		want          string // pieces, with | between
	}{
		{name: "trailers", app: told(announce, begin(), chunk("a"), chunk("bc"), trailer),
			want: chunked + names + "\r\n1\r\na\r\n|2\r\nbc\r\n|0\r\nX-Sum: 7\r\nX-Sum: 8\r\n\r\n"},
		{name: "of an empty body", app: told(announce, begin(), trailer),
			want: chunked + names + "\r\n0\r\nX-Sum: 7\r\nX-Sum: 8\r\n\r\n"},
		{name: "announced after start", app: told(begin(), announce, chunk("a")),
			want: chunked + names + "\r\n1\r\na\r\n|0\r\n\r\n"},
		{name: "not announced", app: told(begin(), chunk("a"), trailer),
			want: chunked + "\r\n1\r\na\r\n|0\r\nX-Sum: 7\r\nX-Sum: 8\r\n\r\n"},
		{name: "no place for them", app: told(announce, begin(gateway.Field{Name: "Content-Length", Value: "1"}), chunk("a"), trailer),
			want: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"},
		{name: "HEAD", request: "HEAD / HTTP/1.1", app: told(announce, begin(), chunk("a"), trailer),
			want: "HTTP/1.1 200 OK\r\n" + names + "\r\n"},
		{name: "HTTP/1.0", request: "GET / HTTP/1.0", app: told(hints, announce, begin(), chunk("a"), trailer),
			want: "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\na"},
		{name: "of an answer that is replaced", app: told(announce, trailer, begin(), replaced, chunk("a")),
			want: "HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n|0\r\n\r\n"},
		{name: "interim", app: told(hints, hints, begin(), hints, chunk("a")),
			want: early + "|" + early + "|" + early + "|" + chunked + "\r\n1\r\na\r\n|0\r\n\r\n"},
		{name: "interim, then an error", app: told(hints, failed),
			want: early + "|HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 23\r\n\r\nthe application failed\n"},
		{name: "100 unasked", app: told(goOn, goOn, begin(), chunk("a")),
			want: "HTTP/1.1 100 Continue\r\n\r\n|" + chunked + "\r\n1\r\na\r\n|0\r\n\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			line := tt.request
			if line == "" {
				line = "GET / HTTP/1.1"
			}
			if got := strings.Join(spoken(t, tt.app, line+"\r\nHost: a\r\n\r\n"), "|"); got != tt.want {
				t.Errorf("got\n%q, want\n%q", got, tt.want)
			}
		})
	}

	t.Run("100 that has been sent", func(t *testing.T) {
		s := service(told(goOn, begin(), chunk("a"))).NewSession(protocol.Peer{})
		defer s.Release()
		var got strings.Builder
		for _, piece := range []string{"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", "x"} {
			for s.Feed([]byte(piece)); s.Next() != protocol.Read; {
				s.Run()
				got.Write(s.Output())
				s.Sent(len(s.Output()))
			}
		}
		if n := strings.Count(got.String(), "100 Continue"); n != 1 {
			t.Errorf("%d of them: %q", n, got.String())
		}
	})

	t.Run("behind other answers", func(t *testing.T) {
		get := "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
		app := func(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
			env.Extras.Interim(103, nil)
			start(200, nil, nil)
			return gateway.String("a")
		}
		one := "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"
		if got := strings.Join(spoken(t, app, get+get), ""); got != one+one {
			t.Errorf("got %q", got)
		}
	})
}

// FuzzExtras gives apps' interim answers and trailers whatever there may be in
// them. What is taken must reach a client as it was given, and nothing else must.
func FuzzExtras(f *testing.F) {
	f.Add(103, "Link", "</a>", "X-Sum", "7")
	f.Add(100, "X-A", "", "Host", "a")
	f.Add(199, "Content-Length", "1", "x-sum", "a\r\nX-Injected: yes")
	f.Add(101, "Upgrade", "h2c", "Content-Length", "1\r\n\r\nHTTP/1.1 200 OK")
	f.Fuzz(func(t *testing.T, status int, name, value, trailer, sum string) {
		var interim, announced, stated bool
		app := func(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
			interim = env.Extras.Interim(status, []gateway.Field{{Name: name, Value: value}}) == nil
			announced = env.Extras.Announce(trailer) == nil
			stated = env.Extras.Trailer([]gateway.Field{{Name: trailer, Value: sum}}) == nil
			start(200, nil, nil)
			return gateway.String("abc")
		}
		out := strings.Join(spoken(t, app, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"), "")
		want := "HTTP/1.1 200 OK\r\n"
		if interim {
			line, rest, _ := strings.Cut(out, "\r\n")
			field, behind, ok := strings.Cut(rest, "\r\n\r\n")
			if !strings.HasPrefix(line, "HTTP/1.1 1") || field != name+": "+value || !ok || strings.ContainsAny(field, "\r\n\x00") {
				t.Fatalf("the interim answer is %q", out)
			}
			out = behind
		}
		if stated && !announced || strings.ContainsAny(trailer, ":\r\n\x00 ") && announced {
			t.Fatalf("announced %v, stated %v", announced, stated)
		}
		if !announced {
			want += "Content-Length: 3\r\n\r\nabc"
		} else {
			want += "Transfer-Encoding: chunked\r\nTrailer: " + trailer + "\r\n\r\n3\r\nabc\r\n0\r\n"
			if stated {
				if strings.ContainsAny(sum, "\r\n\x00") {
					t.Fatalf("the trailer %q has been taken", sum)
				}
				want += trailer + ": " + sum + "\r\n"
			}
			want += "\r\n"
		}
		if out != want {
			t.Fatalf("got\n%q, want\n%q", out, want)
		}
	})
}
