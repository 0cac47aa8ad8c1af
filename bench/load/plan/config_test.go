package plan

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/dynobench/dyno/protocol/client"
)

func TestDefaults(t *testing.T) {
	c, err := Config{URL: "http://[::1]:8000/a?b=1", Threads: 100, Connections: 3}.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	if c.Model != Closed || c.Threads != 3 || c.Duration != 10*time.Second || c.Timeout != 10*time.Second || c.Generator != "native" {
		t.Errorf("%+v", c)
	}
	if r := c.Requests[0]; len(c.Requests) != 1 || r.Method != "GET" || r.Path != "/a?b=1" || r.Class != r.Path || r.Weight != 1 || r.Length != -1 {
		t.Errorf("%+v", c.Requests)
	}
}

func TestBadConfig(t *testing.T) {
	const url = "http://127.0.0.1:1/"
	request := func(r Request) Config { return Config{URL: url, Requests: []Request{{Path: "/"}, r}} }
	for _, test := range []struct {
		config      Config
		field, says string
	}{
		{Config{}, "URL", "no URL"},
		{Config{URL: "127.0.0.1:80"}, "URL", "http://host:port"},
		{Config{URL: "ftp://a/"}, "URL", `scheme "ftp"`},
		{Config{URL: "http://:80/"}, "URL", "host is missing"},
		{Config{URL: "http://a:99999/"}, "URL", "1 to 65535"},
		{Config{URL: "unix:"}, "URL", "socket is missing"},
		{Config{URL: "http://a/", Resume: true}, "TLS", "https only"},
		{Config{URL: url, Generator: "wrk"}, "Generator", "native, vegeta"},
		{Config{URL: url, Model: "half"}, "Model", "closed, open"},
		{Config{URL: url, Model: Open}, "Rate", "above 0"},
		{Config{URL: url, Model: Open, Rate: -1}, "Rate", "above 0"},
		{Config{URL: url, Model: Open, Rate: math.NaN()}, "Rate", "above 0"},
		{Config{URL: url, Model: Open, Rate: math.Inf(1)}, "Rate", "above 0"},
		{Config{URL: url, Rate: 5}, "Rate", "use the open model"},
		{Config{URL: url, Model: Open, Rate: 5, Arrivals: "pareto"}, "Arrivals", "constant, poisson, recorded"},
		{Config{URL: url, Connections: -1}, "Connections", "between 1"},
		{Config{URL: url, Pipeline: -1}, "Pipeline", "between 1"},
		{Config{URL: url, Pipeline: 2, Fresh: true}, "Pipeline", "one of the two"},
		{Config{URL: url, Pipeline: 2, Generator: "vegeta"}, "Generator", "native"},
		{Config{URL: url, Fresh: true, Generator: "vegeta"}, "Generator", "native"},
		{Config{URL: url, Threads: 2, Generator: "vegeta"}, "Generator", "native"},
		{Config{URL: url, Threads: -1}, "Threads", "between 1"},
		{Config{URL: url, Duration: -1}, "Duration", "negative"},
		{Config{URL: url, Warmup: -1}, "Warmup", "negative"},
		{Config{URL: url, Timeout: -1}, "Timeout", "negative"},
		{request(Request{Path: "x"}), "Requests[1].Path", "starts with /"},
		{request(Request{Path: "/a b"}), "Requests[1].Path", "escaped"},
		{request(Request{Path: "/", Weight: -2}), "Requests[1].Weight", "at least 1"},
		{request(Request{Path: "/", Method: "GET /"}), "Requests[1].Method", "a word"},
		{request(Request{Path: "/", Status: 99}), "Requests[1].Status", "200 to 599"},
		{request(Request{Path: "/", Length: -2}), "Requests[1].Length", "-1 for any"},
		{request(Request{Path: "/", Length: 2, Want: []byte("abc")}), "Requests[1].Length", "has 3 bytes"},
		{request(Request{Path: "/", SHA256: "ABC"}), "Requests[1].SHA256", "lower-case"},
		{request(Request{Path: "/", Method: "HEAD", Want: []byte("abc")}), "Requests[1].Want", "HEAD"},
		{request(Request{Path: "/", Header: [][2]string{{"A", "b\r\nC: d"}}}), "Requests[1].Header", "one line"},
		{request(Request{Path: "/", Header: [][2]string{{"content-length", "5"}}}), "Requests[1].Header", "the body has 0 bytes"},
		{request(Request{Path: "/", Verbatim: true, Body: []byte("${seq}"), Header: [][2]string{{"Content-Length", "5"}}}), "Requests[1].Header", "the body has 6 bytes"},
		{request(Request{Path: "/", Header: [][2]string{{"Content-Length", "0"}, {"Content-Length", "0"}}}), "Requests[1].Header", "leave one out"},
		{request(Request{Path: "/", Header: [][2]string{{"Transfer-Encoding", "chunked"}}}), "Requests[1].Header", "no size of a chunk"},
	} {
		_, err := test.config.WithDefaults()
		var bad *ConfigError
		if !errors.As(err, &bad) || bad.Field != test.field || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%+v: %v, expected %q of field %s", test.config, err, test.says, test.field)
		}
	}
}

func TestURL(t *testing.T) {
	for raw, want := range map[string]Endpoint{
		"http://a":             {hostname: "a", port: 80, Host: "a", path: "/"},
		"http://a:81/b%20c?d":  {hostname: "a", port: 81, Host: "a:81", path: "/b%20c?d"},
		"http://[fe80::1]:5/":  {hostname: "fe80::1", port: 5, Host: "[fe80::1]:5", path: "/"},
		"https://a/":           {Tls: true, hostname: "a", port: 443, Host: "a", path: "/"},
		"unix:/run/x.sock":     {Unix: "/run/x.sock", Host: "localhost", path: "/"},
		"unix:///run/x.sock":   {Unix: "/run/x.sock", Host: "localhost", path: "/"},
		"unix:/run/x:/hello?a": {Unix: "/run/x", Host: "localhost", path: "/hello?a"},
	} {
		want.Protocol = client.HTTP
		got, err := parseURL(raw)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v, expected %+v", raw, got, err, want)
		}
	}
	if p, err := PathOf("http://a/b?c"); p != "/b?c" || err != nil {
		t.Error(p, err)
	}
}
