package protocoltest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/gateway"
	"github.com/dynobench/dyno/protocol/http1"
)

// broken is HTTP/1 with a fault, which the suite has to find.
type broken struct {
	http1.Codec
	fault func(protocol.Parser) protocol.Parser
}

func (b broken) New() (protocol.Parser, protocol.Encoder) {
	p, e := b.Codec.New()
	return b.fault(p), e
}

// keeper keeps the bytes of the first call.
type keeper struct {
	protocol.Parser
	data []byte
}

func (k *keeper) Parse(data []byte) (protocol.Outcome, error) {
	if k.data == nil {
		k.data = data
	}
	return k.Parser.Parse(data)
}

func (k *keeper) Describe(env *gateway.Environ, data []byte) []byte {
	k.data = append(k.data, make([]byte, max(0, len(data)-len(k.data)))...)
	return k.Parser.Describe(env, k.data[:len(data)])
}

// hasty takes what has come for all there is.
type hasty struct{ protocol.Parser }

func (h hasty) Parse(data []byte) (protocol.Outcome, error) {
	o, err := h.Parser.Parse(data)
	if o.State == protocol.InBody {
		o.State = protocol.Done
	}
	return o, err
}

// greedy takes what belongs to the next request.
type greedy struct{ protocol.Parser }

func (g greedy) Parse(data []byte) (protocol.Outcome, error) {
	o, err := g.Parser.Parse(data)
	o.Size = len(data)
	return o, err
}

func TestFaultsAreFound(t *testing.T) {
	stream := []byte("POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhiGET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
	c := Case{Want: []Request{{Method: "POST", Target: "/1", Body: "hi"}, {Method: "GET", Target: "/2"}}}
	differs := func(codec protocol.Codec) (found bool) {
		Splits(stream, func(name string, pieces ...[]byte) {
			f, err := Parse(codec, new(protocol.Limits), pieces...)
			found = found || err != nil || c.compare(f) != ""
		})
		return found
	}
	if differs(http1.Codec{}) {
		t.Error("a fault is found where there is none")
	}
	for name, fault := range map[string]func(protocol.Parser) protocol.Parser{
		"keeps bytes":    func(p protocol.Parser) protocol.Parser { return &keeper{Parser: p} },
		"does not wait":  func(p protocol.Parser) protocol.Parser { return hasty{p} },
		"takes too much": func(p protocol.Parser) protocol.Parser { return greedy{p} },
	} {
		if !differs(broken{fault: fault}) {
			t.Errorf("not found: %s", name)
		}
	}
}

func TestFaultsOfASessionAreFound(t *testing.T) {
	get := Request{Method: "GET", Target: "/"}
	c := Case{Want: []Request{get}, Status: 400}
	for _, tt := range []struct {
		what     string
		seen     []Request
		statuses []int
		found    bool
	}{
		{"none", []Request{get}, []int{200, 400}, false},
		{"another refusal", []Request{get}, []int{200, 418}, true},
		{"no refusal", []Request{get}, []int{200}, true},
		{"a request lost", nil, []int{400}, true},
		{"another request", []Request{{Method: "GET", Target: "/other"}}, []int{200, 400}, true},
	} {
		if diff := c.compareServed(tt.seen, tt.statuses, true); (diff != "") != tt.found {
			t.Errorf("%s: found %q", tt.what, diff)
		}
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(dir, "case.http"), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write("# a comment\n> a \\r\\n\n>  b\\\\\\x00\\{xy*3}\n= GET /\n.body x\\ty\n.field A: b: c\n! 400\n...\n% line=7 body=-1\n~ so\n")
	cases, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	c := cases[0]
	if c.Name != "case" || string(c.Stream) != "a \r\n b\\\x00xyxyxy" || c.Status != 400 || !c.Partial ||
		c.Limits.Line != 7 || c.Limits.Body != -1 || c.Differs != "so" || len(c.Want) != 1 {
		t.Errorf("loaded %+v", c)
	}
	if r := c.Want[0]; r.Method != "GET" || r.Target != "/" || r.Body != "x\ty" || r.Header[0] != (gateway.Field{Name: "A", Value: "b: c"}) {
		t.Errorf("loaded %+v", r)
	}
	for text, want := range map[string]string{
		"> ok\n? what":       "case.http:2: unknown",
		"> \\q":              "case.http:1:",
		"> \\{a":             "want \\{bytes*n}",
		".path /":            "before a request",
		"= GET /\n.colour x": "unknown",
		"% depth=1":          "unknown limit",
		"! many":             "invalid syntax",
	} {
		write(text)
		if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := Load(filepath.Join(dir, "none")); err == nil {
		t.Error("an empty folder is accepted")
	}
}
