package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/valyala/fasthttp"
	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/gateway"
	"github.com/dynobench/dyno/protocol/http1"
)

const (
	codecRounds = 15
	codecWindow = 40 * time.Millisecond // of each in a round
)

// browser is a request as browsers send it: 12 fields, some 700 bytes.
var browser = []byte("GET /articles/2024/11/hello?name=world&page=2 HTTP/1.1\r\n" +
	"Host: www.example.com\r\n" +
	"Connection: keep-alive\r\n" +
	"Cache-Control: max-age=0\r\n" +
	"sec-ch-ua: \"Chromium\";v=\"130\", \"Not?A_Brand\";v=\"99\"\r\n" +
	"sec-ch-ua-mobile: ?0\r\n" +
	"sec-ch-ua-platform: \"Linux\"\r\n" +
	"Upgrade-Insecure-Requests: 1\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n" +
	"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=yes; last=0123456789abcdef\r\n" +
	"\r\n")

// http1Figures are what a request costs before and around the app.
func http1Figures(f *figures) error {
	parser, _ := http1.Codec{}.New()
	var limits protocol.Limits
	var env gateway.Environ
	ours := func() error {
		parser.Reset(&limits)
		o, err := parser.Parse(browser)
		if err != nil || o.State != protocol.Done {
			return fmt.Errorf("http1: %+v, %v", o, err)
		}
		env.Header = env.Header[:0]
		parser.Describe(&env, browser)
		return nil
	}
	stream := bytes.NewReader(browser)
	buffered := bufio.NewReader(stream)
	rewind := func() {
		stream.Reset(browser)
		buffered.Reset(stream)
	}
	var header fasthttp.RequestHeader
	fast := func() error {
		rewind()
		return header.Read(buffered)
	}
	net := func() error {
		rewind()
		_, err := http.ReadRequest(buffered)
		return err
	}
	hello := &always{[]byte("Hello, World!")}
	svc := protocol.NewService(func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
		start(200, plainHeader, nil) //nolint:errcheck // it is right
		return hello
	}, http1.Codec{})
	svc.Log = slog.New(slog.DiscardHandler)
	s := svc.NewSession(protocol.Peer{})
	defer s.Release()
	session := func() error {
		s.Feed(browser)
		for {
			switch s.Next() {
			case protocol.Run:
				s.Run()
			case protocol.Write:
				s.Sent(len(s.Output()))
			case protocol.Read:
				return nil
			default:
				return fmt.Errorf("http1: the session has ended")
			}
		}
	}

	fmt.Printf("a request of %d bytes and 12 fields, %d rounds of %v of CPU each\n", len(browser), codecRounds, codecWindow)
	for _, once := range []func() error{ours, session} {
		if err := once(); err != nil { // and make what is kept for the next one
			return err
		}
	}
	f.say("parse, allocations", []float64{allocations(ours)}, true, 0)
	f.say("session, allocations", []float64{allocations(session)}, true, 0)
	all := []func() error{ours, fast, net, session}
	spent := make([][]float64, len(all)) // ns, by round
	for i := range codecRounds {
		for j := range all {
			k := (i + j) % len(all)
			ns, err := each(all[k])
			if err != nil {
				return err
			}
			spent[k] = append(spent[k], ns)
		}
	}
	over := func(a, b []float64) (v []float64) {
		for i := range a {
			v = append(v, a[i]/b[i])
		}
		return v
	}
	note("parse, ns", spent[0])
	note("fasthttp's RequestHeader.Read, ns", spent[1])
	note("http.ReadRequest, ns", spent[2])
	f.say("parse / fasthttp", over(spent[0], spent[1]), true, 0.7)
	f.say("parse / net/http", over(spent[0], spent[2]), true, 0.2)
	f.say("session, from bytes to bytes, ns", spent[3], true, 1000)
	return nil
}

var plainHeader = []gateway.Field{{Name: "Content-Type", Value: "text/plain"}}

// always is a Body for all requests, so that it costs the app nothing.
type always struct{ p []byte }

func (b *always) Next() ([]byte, error) { return b.p, io.EOF }
func (b *always) Close() error          { return nil }
func (b *always) Size() int64           { return int64(len(b.p)) }

// each is how many nanoseconds of CPU f takes: of its thread, so that others
// who use the machine are not in the bill.
func each(f func() error) (ns float64, err error) {
	const batch = 1000
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	began, spent, n := threadTime(), time.Duration(0), 0
	for spent < codecWindow {
		for range batch {
			if err := f(); err != nil {
				return 0, err
			}
		}
		n += batch
		spent = threadTime() - began
	}
	return float64(spent.Nanoseconds()) / float64(n), nil
}

// threadTime is the CPU time that the calling thread has used.
func threadTime() time.Duration {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) //nolint:errcheck // this clock is always there
	return time.Duration(t.Nano())
}

// allocations is how many f makes, in whole ones as testing.AllocsPerRun has it.
func allocations(f func() error) float64 {
	const runs = 10_000
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		f() //nolint:errcheck // it has gone well before
	}
	runtime.ReadMemStats(&after)
	return float64((after.Mallocs - before.Mallocs) / runs)
}
