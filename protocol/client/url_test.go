package client_test

import (
	"strings"
	"testing"

	"github.com/dynobench/dyno/protocol/client"
)

func TestParseURL(t *testing.T) {
	for raw, want := range map[string]client.Endpoint{
		"http://a":                       {Protocol: client.HTTP, Hostname: "a", Port: 80, Host: "a", Path: "/"},
		"http://a:81/b%20c?d#e":          {Protocol: client.HTTP, Hostname: "a", Port: 81, Host: "a:81", Path: "/b%20c?d"},
		"https://a":                      {Protocol: client.HTTP, TLS: true, Hostname: "a", Port: 443, Host: "a", Path: "/"},
		"fastcgi://[fe80::1]:9/":         {Protocol: client.FastCGI, Hostname: "fe80::1", Port: 9, Host: "[fe80::1]:9", Path: "/"},
		"unix:/run/x.sock":               {Protocol: client.HTTP, Unix: "/run/x.sock", Host: "localhost", Path: "/"},
		"unix:///run/x:/hello?a":         {Protocol: client.HTTP, Unix: "/run/x", Host: "localhost", Path: "/hello?a"},
		"http://unix:/run/x:/hello":      {Protocol: client.HTTP, Unix: "/run/x", Host: "localhost", Path: "/hello"},
		"http://a:/":                     {Protocol: client.HTTP, Hostname: "a", Port: 80, Host: "a", Path: "/"},
		"http://a/grün?q=grün#ü":         {Protocol: client.HTTP, Hostname: "a", Port: 80, Host: "a", Path: "/gr%C3%BCn?q=gr%C3%BCn"},
		"http://[fe80::1%25lo]:81/":      {Protocol: client.HTTP, Hostname: "fe80::1%lo", Port: 81, Host: "[fe80::1]:81", Path: "/"},
		"http://Bücher.example:8080/":    {Protocol: client.HTTP, Hostname: "xn--bcher-kva.example", Port: 8080, Host: "xn--bcher-kva.example:8080", Path: "/"},
		"http://unix:/run/x:/grün?ü#top": {Protocol: client.HTTP, Unix: "/run/x", Host: "localhost", Path: "/gr%C3%BCn?%C3%BC"},
		"scgi://unix:x:/":                {Protocol: client.SCGI, Unix: "x", Host: "localhost", Path: "/"},
	} {
		if got, err := client.ParseURL(raw); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", raw, got, err, want)
		}
	}
	for raw, says := range map[string]string{
		"":                                  "no URL: expected http://host:port/path",
		"127.0.0.1:80":                      "is no URL",
		"http://a b/":                       "is no URL",
		"ftp://a/":                          `unknown scheme "ftp"`,
		"gopher://unix:/s":                  "gopher",
		"http://:80/":                       "the host is missing",
		"http://a:70000/":                   "port 70000: expected 1 to 65535",
		"http://a:0/":                       "port 0",
		"uwsgi://127.0.0.1/":                "uwsgi has no default port",
		"http://a\u200db.example/":          "host",
		"unix:/" + strings.Repeat("x", 107): "the path of the socket has 108 bytes, and the system allows 107",
		"unix:":                             "the path of the socket is missing",
		"uwsgi://unix::/path":               "the path of the socket is missing",
		"http://me:secret@a/":               "http://me:xxxxx@a/: dyno does not send a user name",
		"fastcgi://me@a:9000/b":             "dyno does not send a user name",
	} {
		if e, err := client.ParseURL(raw); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %+v, %v, want %q", raw, e, err, says)
		}
	}
}

func TestEndpoint(t *testing.T) {
	for raw, want := range map[string][3]string{
		"https://a/":         {"https", "tcp", "a:443"},
		"uwsgi://[::1]:3031": {"uwsgi", "tcp", "[::1]:3031"},
		"scgi://unix:/s:/":   {"scgi", "unix", "/s"},
	} {
		e, err := client.ParseURL(raw)
		if err != nil {
			t.Fatal(err)
		}
		network, address := e.Address()
		if got := [3]string{e.Scheme(), network, address}; got != want {
			t.Errorf("%s: %q, want %q", raw, got, want)
		}
	}
}
