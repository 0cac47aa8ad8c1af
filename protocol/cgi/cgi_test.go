package cgi_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/cgi"
	"github.com/dynobench/dyno/protocol/gateway"
)

// environ is what an app gets of these variables, NAME=value.
func environ(t *testing.T, vars ...string) *gateway.Environ {
	t.Helper()
	var r cgi.Request
	r.Reset(new(protocol.Limits))
	data := []byte(strings.Join(vars, ""))
	at := 0
	for _, v := range vars {
		eq := at + strings.IndexByte(v, '=')
		end := at + len(v)
		if err := r.Add(data, cgi.Span{From: at, To: eq}, cgi.Span{From: eq + 1, To: end}); err != nil {
			t.Fatalf("%s: %v", v, err)
		}
		at = end
	}
	if err := r.Complete(data); err != nil {
		t.Fatal(err)
	}
	env := &gateway.Environ{Scheme: "http", ServerName: "socket", ServerPort: "9000", RemoteAddr: "127.0.0.1", RemotePort: "1234"}
	env.ContentLength, _ = r.Length()
	r.Describe(env, data)
	return env
}

// An app sees under CGI's and WSGI's keys what the web server has put there.
func TestKeys(t *testing.T) {
	env := environ(t, "QUERY_STRING=a=b", "REQUEST_METHOD=POST", "CONTENT_TYPE=text/plain", "CONTENT_LENGTH=0",
		"REQUEST_URI=/app/x?a=b", "SCRIPT_NAME=/app", "PATH_INFO=/x", "SERVER_PROTOCOL=HTTP/2.0", "GATEWAY_INTERFACE=CGI/9",
		"HTTPS=on", "REQUEST_SCHEME=https", "REMOTE_ADDR=192.0.2.1", "REMOTE_PORT=99", "SERVER_NAME=front", "SERVER_PORT=443",
		"HTTP_HOST=example.com", "HTTP_ACCEPT=*/*", "HTTP_X_A=1", "HTTP_X_A=2", "HTTP_COOKIE=a=b", "HTTP_COOKIE=c=d",
		"HTTP_PROXY=evil", "HTTP_CONTENT_LENGTH=7", "HTTP_CONTENT_TYPE=a/b", "REMOTE_USER=me", "DOCUMENT_ROOT=/srv",
		"wsgi.multithread=yes")
	got := maps.Collect(env.All())
	want := map[string]string{
		"REQUEST_METHOD": "POST", "SCRIPT_NAME": "/app", "PATH_INFO": "/x", "QUERY_STRING": "a=b", "REQUEST_URI": "/app/x?a=b",
		"CONTENT_TYPE": "text/plain", "CONTENT_LENGTH": "0", "SERVER_NAME": "front", "SERVER_PORT": "443",
		"SERVER_PROTOCOL": "HTTP/2.0", "GATEWAY_INTERFACE": "CGI/1.1", "REMOTE_ADDR": "192.0.2.1", "REMOTE_PORT": "99",
		"HTTPS": "on", "wsgi.version": "1.0", "wsgi.url_scheme": "https", "wsgi.multithread": "false",
		"wsgi.multiprocess": "false", "wsgi.run_once": "false", "HTTP_HOST": "example.com", "HTTP_ACCEPT": "*/*",
		"HTTP_X_A": "1,2", "HTTP_COOKIE": "a=b; c=d", "REMOTE_USER": "me", "DOCUMENT_ROOT": "/srv", "REQUEST_SCHEME": "https",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	names := []string{}
	for _, f := range env.Header {
		names = append(names, f.Name)
	}
	if want := []string{"Content-Type", "Content-Length", "Host", "Accept", "X-A", "X-A", "Cookie", "Cookie", "Proxy"}; !slices.Equal(names, want) {
		t.Errorf("fields %q, want %q", names, want)
	}
}

func TestPath(t *testing.T) {
	for _, tt := range []struct {
		vars               string
		script, path, more string // more: the query
	}{
		{"PATH_INFO=/a REQUEST_URI=/b", "", "/a", ""},
		{"PATH_INFO= SCRIPT_NAME=/app REQUEST_URI=/app", "/app", "", ""},
		{"PATH_INFO= REQUEST_URI=/x", "", "/", ""},
		{"REQUEST_URI=/a/b?c", "", "/a/b", "c"},
		{"REQUEST_URI=/a/b?c QUERY_STRING=d", "", "/a/b", "d"},
		{"REQUEST_URI=/a/b?c QUERY_STRING=", "", "/a/b", ""},
		{"SCRIPT_NAME=/a REQUEST_URI=/a/b", "/a", "/b", ""},
		{"SCRIPT_NAME=/a REQUEST_URI=/%61/%62", "/a", "/b", ""},
		{"SCRIPT_NAME=/a REQUEST_URI=/ab", "", "/ab", ""},
		{"SCRIPT_NAME=/a/b REQUEST_URI=/a/b", "", "/a/b", ""},
		{"REQUEST_URI=http://x/a?b", "", "/a", "b"},
		{"REQUEST_URI=http://x", "", "/", ""},
		{"SCRIPT_NAME=/app", "/app", "", ""},
		{"DOCUMENT_URI=/x", "", "/", ""},
	} {
		env := environ(t, append([]string{"REQUEST_METHOD=GET"}, strings.Fields(tt.vars)...)...)
		if env.ScriptName != tt.script || env.Path != tt.path || env.Query != tt.more {
			t.Errorf("%s: %q %q %q, want %q %q %q", tt.vars, env.ScriptName, env.Path, env.Query, tt.script, tt.path, tt.more)
		}
	}
}

func TestDefaults(t *testing.T) {
	env := environ(t, "REQUEST_METHOD=GET")
	if env.Proto != "HTTP/1.0" || env.Scheme != "http" || env.ServerName != "socket" || env.RemoteAddr != "127.0.0.1" {
		t.Errorf("%+v", env)
	}
	for v, want := range map[string]string{
		"HTTPS=on": "https", "HTTPS=1": "https", "HTTPS=off": "http", "HTTPS=": "http",
		"UWSGI_SCHEME=https": "https", "REQUEST_SCHEME=http": "http", "REQUEST_SCHEME=ftp": "http",
	} {
		if env := environ(t, "REQUEST_METHOD=GET", v); env.Scheme != want {
			t.Errorf("%s: scheme %s, want %s", v, env.Scheme, want)
		}
	}
}

func TestHead(t *testing.T) {
	type head = gateway.Head
	plain := []gateway.Field{{Name: "X", Value: "y"}}
	for _, tt := range []struct {
		method string
		h      head
		want   string
		body   bool
	}{
		{"GET", head{Status: 200, Length: 5, Header: plain}, "Status: 200 OK\r\nX: y\r\nContent-Length: 5\r\n\r\n", true},
		{"GET", head{Status: 200, Length: -1}, "Status: 200 OK\r\n\r\n", true},
		{"GET", head{Status: 200, Length: 5, Declared: true, Header: []gateway.Field{{Name: "content-length", Value: "5"}}},
			"Status: 200 OK\r\ncontent-length: 5\r\n\r\n", true},
		{"GET", head{Status: 799, Length: 0, Header: []gateway.Field{{Name: "status", Value: "200"}}}, "Status: 799 \r\nContent-Length: 0\r\n\r\n", true},
		{"GET", head{Status: 204, Length: -1, NoBody: true}, "Status: 204 No Content\r\n\r\n", false},
		{"GET", head{Status: 304, Length: -1, NoBody: true}, "Status: 304 Not Modified\r\n\r\n", false},
		{"HEAD", head{Status: 500, Length: 5}, "Status: 500 Internal Server Error\r\nContent-Length: 5\r\n\r\n", false},
	} {
		var r cgi.Request
		r.Reset(new(protocol.Limits))
		data := []byte("REQUEST_METHOD" + tt.method)
		if err := r.Add(data, cgi.Span{From: 0, To: 14}, cgi.Span{From: 14, To: len(data)}); err != nil {
			t.Fatal(err)
		}
		if err := r.Complete(data); err != nil {
			t.Fatal(err)
		}
		got, body := r.AppendHead(nil, "Status: ", "", &tt.h)
		if string(got) != tt.want || body != tt.body {
			t.Errorf("%s %+v: %q, body %v; want %q, %v", tt.method, tt.h, got, body, tt.want, tt.body)
		}
	}
}
