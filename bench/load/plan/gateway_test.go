package plan

import (
	"bytes"
	"strings"
	"testing"

	"github.com/dynobench/dyno/protocol/client"
	"github.com/dynobench/dyno/scenarios/workload"
)

// What goes onto the wire is what the protocol's half makes of the texts
// rendered one by one.
func TestGatewayWire(t *testing.T) {
	c := &Config{URL: "uwsgi://h:1", Seed: 1, Data: users(t), Requests: wired(), Params: [][2]string{{"SCRIPT_NAME", "/app"}}}
	for _, p := range client.All {
		if !p.Gateway {
			continue
		}
		for i := range c.Requests {
			r := &c.Requests[i]
			if err := r.complete("r"); err != nil {
				t.Fatal(err)
			}
			w, err := NewWire(c, r, Endpoint{Protocol: p, Host: "host:80"})
			if err != nil {
				t.Fatalf("%+v: %v", r, err)
			}
			texts, err := r.Parse("r", c.Data)
			if err != nil {
				t.Fatal(err)
			}
			draws := NewDraws(c, 0, 1)
			for range 3 {
				d := draws.Next(i)
				m := texts.Render(r, d)
				want, err := p.Append([]byte("> "), &client.Request{
					Method: m.Method, Target: m.Path, Host: "host:80", Header: m.Header, Body: m.Body, Params: c.Params, Keep: p.Reuses,
				})
				if got := w.Append([]byte("> "), d); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s: %s %s %q %q:\n%q\nwant\n%q, %v", p.Name, r.Method, r.Path, r.Header, r.Body, got, want, err)
				}
			}
		}
	}
}

func TestGatewayConfig(t *testing.T) {
	const url = "fastcgi://127.0.0.1:1/"
	for _, test := range []struct {
		config      Config
		field, says string
	}{
		{Config{URL: "uwsgi://127.0.0.1/"}, "URL", "port is missing"},
		{Config{URL: "gopher://unix:/s"}, "URL", "gopher"},
		{Config{URL: url, Pipeline: 2}, "Pipeline", "fastcgi has one request at a time"},
		{Config{URL: "scgi://unix:/s", Pipeline: 2}, "Pipeline", "cannot be pipelined"},
		{Config{URL: url, Groups: []workload.Group{{Kind: workload.Idle, Connections: 1}}}, "Groups", "speak http"},
		{Config{URL: url, Params: [][2]string{{"", "x"}}}, "Params", "a name"},
		{Config{URL: url, Params: [][2]string{{"CONTENT_LENGTH", "x"}}}, "Params", "always sent"},
		{Config{URL: "http://127.0.0.1:1/", Params: [][2]string{{"A", "b"}}}, "Params", "header fields"},
		{Config{URL: url, Requests: []Request{{Path: "/", Header: [][2]string{{"transfer-encoding", "chunked"}}, Body: []byte("0\r\n\r\n")}}}, "Requests[0].Header", "no transfer coding"},
	} {
		_, err := test.config.WithDefaults()
		if bad, ok := err.(*ConfigError); !ok || bad.Field != test.field || !strings.Contains(bad.Msg, test.says) {
			t.Errorf("%+v: %v, want %s with %q", test.config, err, test.field, test.says)
		}
	}
	for url, want := range map[string]Endpoint{
		"uwsgi://unix:/run/s:/a?b": {Protocol: client.UWSGI, Unix: "/run/s", Host: "localhost", path: "/a?b"},
		"scgi://unix:/s:/${seq}?a": {Protocol: client.SCGI, Unix: "/s", Host: "localhost", path: "/${seq}?a"},
		"http://unix:/run/s":       {Protocol: client.HTTP, Unix: "/run/s", Host: "localhost", path: "/"},
		"scgi://[::1]:4000/a":      {Protocol: client.SCGI, hostname: "::1", port: 4000, Host: "[::1]:4000", path: "/a"},
	} {
		if got, err := parseURL(url); got != want || err != nil {
			t.Errorf("%s: %+v, %v", url, got, err)
		}
	}
	if c, err := (Config{URL: "uwsgi://unix:/s"}).WithDefaults(); err != nil || !c.Fresh {
		t.Errorf("%v, %v: uwsgi has a connection for each request", c.Fresh, err)
	}
	c, err := Config{URL: "uwsgi://unix:/s", Requests: []Request{{Path: "/" + strings.Repeat("x", 70_000)}}}.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewWire(&c, &c.Requests[0], Endpoint{Protocol: client.UWSGI}); err == nil || !strings.Contains(err.Error(), "65535 bytes") {
		t.Errorf("%v", err)
	}
}
