package conformance_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dynobench/dyno/protocol/conformance"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// canned is a server that gives one answer to whatever comes, again for each
// read, and closes then if it is told to. One that closes is never silent: it is
// waited for until it has answered, however busy the host is.
func canned(t *testing.T, answer string, closes bool) conformance.Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				buf := make([]byte, 64<<10)
				for {
					if _, err := c.Read(buf); err != nil {
						return
					}
					if _, err := io.WriteString(c, answer); err != nil || closes {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	patience := 15 * time.Millisecond
	if closes {
		patience = time.Second
	}
	return conformance.Server{
		Dial: func(ctx context.Context) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
		},
		App:      true,
		Patience: patience,
	}
}

const date = "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"

// Each rule must be broken by one of these servers at least: a check that
// cannot fail proves nothing.
func TestEachRuleCanBeBroken(t *testing.T) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	broken := map[string]bool{}
	for name, s := range map[string]conformance.Server{
		"the same again": canned(t, "HTTP/1.1 200 OK\r\n"+date+"Content-Length: 5\r\n\r\nhello", false),
		"twice":          canned(t, strings.Repeat("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 2), false),
		"the end":        canned(t, "", true),
		"no HTTP":        canned(t, "hello, what do you want?\r\n\r\n", true),
		"chunks":         canned(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", true),
		"interim":        canned(t, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", true),
		"error":          canned(t, "HTTP/1.1 500 no\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", true),
		"switch":         canned(t, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: no-such/1\r\nConnection: Upgrade\r\n\r\n", true),
		"the engine":     canned(t, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nclosed", true),
	} {
		wg.Go(func() { // they mostly wait for what does not come
			for _, r := range conformance.Run(context.Background(), s, nil) {
				if r.Verdict == conformance.Fail {
					mu.Lock()
					broken[r.Rule.ID] = true
					mu.Unlock()
				}
				if r.Verdict == conformance.Pass && name == "no HTTP" && !strings.HasPrefix(r.Rule.ID, "refuse.") {
					t.Errorf("a server that does not speak HTTP keeps %s", r.Rule.ID)
				}
			}
		})
	}
	wg.Wait()
	for _, r := range conformance.Rules() {
		if !broken[r.ID] {
			t.Errorf("no server breaks %s (%s)", r.ID, r.Text)
		}
	}
}

// A server may get interim answers and trailers wrong in more ways than by having none.
func TestExtrasCanBeBroken(t *testing.T) {
	early := "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
	final := "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfinal"
	chunks := "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nonetwo\r\n0\r\n"
	without := "HTTP/1.1 200 OK\r\nX-Without: Extras\r\nContent-Length: 6\r\n\r\nonetwo"
	for _, tt := range []struct {
		rule, name, answer string
		want               conformance.Verdict
	}{
		{"http.interim", "held back", early + final, conformance.Fail},
		{"http.interim", "no fields", "HTTP/1.1 103 Early Hints\r\n\r\n" + final, conformance.Fail},
		{"http.interim", "twice", early + early + final, conformance.Fail},
		{"http.interim", "none", final, conformance.Fail},
		{"http.interim", "not offered", without, conformance.Unjudged},
		{"http.trailers", "right", chunks + "X-Sum: 7\r\n\r\n", conformance.Pass},
		{"http.trailers", "wrong", chunks + "X-Sum: 8\r\n\r\n", conformance.Fail},
		{"http.trailers", "lost", chunks + "\r\n", conformance.Fail},
		{"http.trailers", "not announced", strings.Replace(chunks, "Trailer: X-Sum\r\n", "", 1) + "X-Sum: 7\r\n\r\n", conformance.Fail},
		{"http.trailers", "not offered", without, conformance.Unjudged},
		{"http.extras-10", "interim", early + final, conformance.Fail},
		{"http.extras-10", "trailers", chunks + "X-Sum: 7\r\n\r\n", conformance.Fail},
		{"http.extras-refused", "taken", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ntaken", conformance.Fail},
	} {
		s := canned(t, tt.answer, true)
		if r := conformance.Judge(t.Context(), s, tt.rule); r.Verdict != tt.want {
			t.Errorf("%s, %s: %s (%s), want %s", tt.rule, tt.name, r.Verdict, r.Detail, tt.want)
		}
	}
}

// What cannot be told must not count as kept, and what takes too long must end.
func TestUnjudged(t *testing.T) {
	s := canned(t, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false)
	s.App = false
	for _, r := range conformance.Run(context.Background(), s, nil) {
		if r.Rule.Needs&conformance.App != 0 && r.Verdict != conformance.Unjudged {
			t.Errorf("%s without the app: %s", r.Rule.ID, r.Verdict)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var results []conformance.Result
	s.App = true
	conformance.Run(ctx, s, func(r conformance.Result) {
		results = append(results, r)
		cancel()
	})
	for _, r := range results[1:] {
		if r.Verdict != conformance.Unjudged || r.Detail == "" {
			t.Errorf("%s after the end of the time: %s %s", r.Rule.ID, r.Verdict, r.Detail)
		}
	}
}
