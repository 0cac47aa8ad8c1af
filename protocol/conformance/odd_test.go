package conformance_test

import (
	"bufio"
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

	"github.com/dynobench/dyno/protocol/conformance"
)

// oddServer keeps the standard to the letter, and decides otherwise than most
// wherever it leaves something open. Its faults, one by one, are what rules are
// to find.
type oddServer struct {
	fault string
	mu    sync.Mutex
	count int
}

// oddHead is a request's head, as the server has understood it.
type oddHead struct {
	method, target, version string
	fields                  map[string][]string
	length                  int64
	chunked                 bool
}

var (
	oddLine  = regexp.MustCompile(`^([!#$%&'*+.^_|~0-9A-Za-z-]+) ([^ ]+) (HTTP/1\.[01])$`)
	oddField = regexp.MustCompile(`^([!#$%&'*+.^_|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$`)
	oddHost  = regexp.MustCompile(`^[A-Za-z0-9.-]+(:[0-9]*)?$`)
)

// read reads a head, and returns the status to refuse it with, or 0.
func (o *oddServer) read(r *bufio.Reader) (h oddHead, refuse int, err error) {
	h.fields = map[string][]string{}
	size, last := 0, ""
	for first := true; ; first = false {
		line, err := r.ReadString('\n')
		if size += len(line); err != nil || size > 64<<10 {
			return h, 431, err
		}
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		switch {
		case first && line == "":
			first = true // an empty line before a request
			if line, err = r.ReadString('\n'); err != nil {
				return h, 0, err
			}
			line = strings.TrimRight(line, "\r\n")
			fallthrough
		case first:
			m := oddLine.FindStringSubmatch(line)
			if m == nil {
				refuse = 301 // to where it may have been meant to go
				break
			}
			h.method, h.target, h.version = m[1], m[2], m[3]
		case line == "":
			return h, max(refuse, o.judge(&h)), nil
		case line[0] == ' ' || line[0] == '\t':
			if list := h.fields[last]; len(list) > 0 {
				list[len(list)-1] += "   " + strings.Trim(line, " \t")
			}
		default:
			m := oddField.FindStringSubmatch(line)
			if m == nil {
				if refuse == 0 {
					refuse = 400
				}
				break
			}
			if o.fault != "nul" && strings.Contains(m[2], "\x00") || strings.Contains(m[2], "\r") {
				m[2] = strings.NewReplacer("\x00", " ", "\r", " ").Replace(m[2])
			}
			last = strings.ToLower(m[1])
			h.fields[last] = append(h.fields[last], m[2])
		}
	}
}

// judge returns the status with which the whole is to be refused.
func (o *oddServer) judge(h *oddHead) int {
	host := h.fields["host"]
	if h.version == "HTTP/1.1" && (len(host) != 1 || !oddHost.MatchString(host[0])) && o.fault != "host" {
		return 400
	}
	if codings := h.fields["transfer-encoding"]; codings != nil {
		switch {
		case h.version == "HTTP/1.0" || strings.EqualFold(codings[0], "chunked"):
			h.chunked = true
			return 0
		case strings.HasSuffix(codings[0], ", chunked"):
			return 501
		}
		return 4001 // and the end
	}
	for i, list := range h.fields["content-length"] {
		if o.fault == "underscore" {
			list = strings.ReplaceAll(list, "_", "")
		}
		n, err := strconv.ParseUint(list, 10, 64)
		if digits := strings.Trim(list, "0123456789") == ""; err != nil && digits {
			return 4131
		}
		if list == "" || strings.Trim(list, "0123456789") != "" || i > 0 && int64(n) != h.length {
			return 4001
		}
		h.length = int64(n)
	}
	return 0
}

// body reads the body, and returns 400 where its end cannot be known.
func (o *oddServer) body(r *bufio.Reader, h *oddHead) (int, error) {
	if !h.chunked {
		_, err := io.CopyN(io.Discard, r, h.length)
		return 0, err
	}
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return 0, err
		}
		text, _, extended := strings.Cut(strings.TrimRight(line, "\r\n"), ";")
		if extended && o.fault == "extension" {
			return 4001, nil
		}
		if o.fault == "plus" {
			text = strings.TrimPrefix(text, "+")
		}
		n, err := strconv.ParseUint(text, 16, 32)
		if err != nil {
			return 4001, nil
		}
		if n == 0 {
			if o.fault == "trailer" {
				_, err = r.ReadString('\n')
				return 0, err
			}
			for line != "\r\n" {
				if line, err = r.ReadString('\n'); err != nil {
					return 0, err
				}
			}
			return 0, nil
		}
		if _, err := io.CopyN(io.Discard, r, int64(n)); err != nil {
			return 0, err
		}
		if end, err := r.ReadString('\n'); err != nil || end != "\r\n" {
			return 4001, err
		}
	}
}

func (o *oddServer) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for answered := 0; ; answered++ {
		h, refuse, err := o.read(r)
		if err != nil {
			return
		}
		options := strings.ToLower(strings.Join(h.fields["connection"], ","))
		closes := strings.Contains(options, "close") || h.version == "HTTP/1.0" && !strings.Contains(options, "keep-alive")
		closes = closes || h.fields["transfer-encoding"] != nil && (h.version == "HTTP/1.0" || h.fields["content-length"] != nil)
		closes = closes && o.fault != "kept"
		if refuse == 0 && o.fault != "smuggled" {
			if strings.EqualFold(strings.Join(h.fields["expect"], ""), "100-continue") && (h.version == "HTTP/1.1" || o.fault == "continue") {
				fmt.Fprint(conn, "HTTP/1.1 100 Continue\r\n\r\n")
			}
			if refuse, err = o.body(r, &h); err != nil {
				return
			}
		}
		if refuse > 1000 { // where the next request begins is not known
			refuse, closes = refuse/10, o.fault != "framing"
		}
		turn := o.turn()
		status, text := 200, strings.Repeat("x", turn) // no two answers are of a length
		if o.fault == "slow" {
			time.Sleep(400 * time.Millisecond)
		}
		switch {
		case o.fault == "busy" && turn%4 == 0:
			status = 503
		case refuse > 0:
			status, text = refuse, "no"
		case o.fault == "nothing":
			status = 404
		case h.method == "POST":
			status = 405 // it has nothing to be told
		case h.method != "GET" && h.method != "HEAD":
			status, text = 501, "?"
		}
		w := bufio.NewWriter(conn)
		date := time.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
		if o.fault == "date" {
			date = time.Now().UTC().Format(time.ANSIC)
		}
		if o.fault == "weekday" {
			date = time.Now().UTC().AddDate(0, 0, 1).Format("Mon") + date[3:]
		}
		if o.fault == "year" {
			date = "Thu, 01 Jan 1970 00:00:00 GMT"
		}
		if o.fault == "twice" {
			date += "\r\nDate: " + date
		}
		end := "\r\n"
		if o.fault == "bare LF" {
			end = "\n"
		}
		fmt.Fprintf(w, "HTTP/1.1 %d x%sDate: %s%s", status, end, date, end)
		if o.fault == "fold" {
			fmt.Fprint(w, "X-A: b\r\n c\r\n")
		}
		switch {
		case o.fault == "both" && status == 200:
			fmt.Fprintf(w, "Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(text), len(text), text)
		case h.method == "HEAD" && o.fault != "head":
			fmt.Fprintf(w, "Content-Length: %d\r\n\r\n", len(text))
		case o.fault == "head" && h.method == "HEAD", status != 200, h.version != "HTTP/1.1":
			fmt.Fprintf(w, "Content-Length: %d\r\n\r\n%s", len(text), text)
		default:
			fmt.Fprintf(w, "Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(text), text)
		}
		if w.Flush() != nil || closes || answered == 2 && o.fault == "" { // enough of this one: any server may close at any time
			return
		}
	}
}

func (o *oddServer) turn() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.count++
	return o.count
}

func (o *oddServer) start(t *testing.T) conformance.Server {
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
				c.SetDeadline(time.Now().Add(time.Minute))
				o.serve(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return conformance.Server{
		Dial: func(ctx context.Context) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
		},
		Patience: 3 * time.Second,
	}
}

// TestRightIsNotCalledWrong judges a server that decides otherwise than most
// and is right: no rule may be broken.
func TestRightIsNotCalledWrong(t *testing.T) {
	for _, habit := range []string{"", "busy", "nothing"} { // one answer in four is a 503, all are 404
		t.Run(habit, func(t *testing.T) {
			t.Parallel()
			conformance.Run(t.Context(), (&oddServer{fault: habit}).start(t), func(r conformance.Result) {
				if r.Verdict == conformance.Fail && !r.Rule.Should {
					t.Errorf("%s (%s): %s", r.Rule.ID, r.Rule.Ref, r.Detail)
				}
			})
		})
	}
}

// A server that takes its time with each answer is waited for with each; one
// that never answers breaks a rule, and the others are not judged.
func TestSlowIsNotWrong(t *testing.T) {
	s := (&oddServer{fault: "slow"}).start(t)
	s.Patience = 1500 * time.Millisecond // five answers take longer
	if r := conformance.Judge(t.Context(), s, "wire.pipelining"); r.Verdict != conformance.Pass {
		t.Errorf("%s: %s", r.Verdict, r.Detail)
	}
	s = canned(t, "", false)
	s.App, s.Patience = false, 10*time.Millisecond
	for rule, want := range map[string]conformance.Verdict{"wire.answer": conformance.Fail, "wire.date": conformance.Unjudged, "refuse.no-host": conformance.Unjudged} {
		if r := conformance.Judge(t.Context(), s, rule); r.Verdict != want || !strings.Contains(r.Detail, "not answered within 10ms") {
			t.Errorf("%s of a silent server: %s (%s), want %s", rule, r.Verdict, r.Detail, want)
		}
	}
}

// Of a server that answers every request with a server error, nothing but its error
// page is known.
func TestErringIsNotJudged(t *testing.T) {
	s := canned(t, "HTTP/1.1 503 Service Unavailable\r\nDate: "+time.Now().UTC().Format(http.TimeFormat)+"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", true)
	s.App = false
	results := conformance.Run(t.Context(), s, nil)
	if conformance.Served(results) {
		t.Error("a server that answers 503 to everything counts as one that has been judged")
	}
	if !conformance.Conforms(results) {
		t.Error("and as one that breaks rules")
	}
}

// TestWrongIsFound gives the same server one fault at a time. Each must break
// the rule that is about it, for the reason that it is.
func TestWrongIsFound(t *testing.T) {
	for fault, want := range map[string]struct{ rule, reason string }{
		"host":       {"refuse.no-host", "was served"},
		"kept":       {"wire.close", "200 with"},
		"framing":    {"refuse.length", "used on"},
		"smuggled":   {"wire.body-consumed", "405"},
		"continue":   {"wire.continue-10", "interim 100"},
		"date":       {"wire.date", "Date"},
		"weekday":    {"wire.date", "Date"},
		"year":       {"wire.clock", "from the time here"},
		"twice":      {"wire.form", "comes twice"},
		"bare LF":    {"wire.form", "bare LF"},
		"fold":       {"wire.form", "no field"},
		"trailer":    {"wire.chunks-consumed", "301"},
		"extension":  {"wire.chunks-consumed", "extension"},
		"underscore": {"refuse.length", "0_5"},
		"plus":       {"refuse.chunk-size", "+5"},
		"both":       {"wire.answer", "both Transfer-Encoding and Content-Length"},
		"head":       {"wire.head", "malformed"},
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			o := &oddServer{fault: fault}
			s := o.start(t)
			if r := conformance.Judge(t.Context(), s, want.rule); r.Verdict != conformance.Fail || !strings.Contains(r.Detail, want.reason) {
				t.Errorf("%s: %s (%s), want a failure for %q", want.rule, r.Verdict, r.Detail, want.reason)
			}
		})
	}
}

// TestReasons has an app that sees a field unrepaired: that is the reason, and
// not what becomes of the connection.
func TestReasons(t *testing.T) {
	for _, tt := range []struct {
		rule, sees, reason string
	}{
		{"refuse.nul", `a\u0000b`, `sees X-A as "a\x00b"`},
		{"refuse.nul", `a b`, ""},
		{"refuse.bare-cr", `a\rb`, `sees X-A as "a\rb"`},
		{"refuse.bare-cr", `a  b`, `sees X-A as "a  b"`},
		{"refuse.folded", `a   b`, ""},
		{"refuse.folded", `a\r\n b`, `sees X-A as "a\r\n b"`},
		{"refuse.folded", `a`, `sees X-A as "a"`},
		{"refuse.folded", `ab`, `sees X-A as "ab"`},
	} {
		body := `{"keys":{"HTTP_X_A":"` + tt.sees + `"}}`
		s := canned(t, fmt.Sprintf("HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s", date, len(body), body), false) // it keeps the connection
		s.Patience = 100 * time.Millisecond
		r := conformance.Judge(t.Context(), s, tt.rule)
		if want := conformance.Fail; tt.reason == "" && r.Verdict != conformance.Pass || tt.reason != "" && (r.Verdict != want || !strings.Contains(r.Detail, tt.reason)) {
			t.Errorf("%s of an app that sees %q: %s (%s), want %q", tt.rule, tt.sees, r.Verdict, r.Detail, tt.reason)
		}
	}
}
