package gateway_test

import (
	"io"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynobench/dyno/protocol/gateway"
)

func fullEnviron() *gateway.Environ {
	return &gateway.Environ{
		Method: "POST", ScriptName: "/app", Path: "/a b", Query: "q=1", RequestURI: "/app/a%20b?q=1", Proto: "HTTP/1.1",
		Scheme: "https", Host: "example.org:8080", ServerName: "example.org", ServerPort: "8080",
		RemoteAddr: "192.0.2.1", RemotePort: "4711", ContentType: "text/plain", ContentLength: 42,
		Header: []gateway.Field{
			{Name: "Host", Value: "other"}, {Name: "X-Foo", Value: "dash"}, {Name: "X_Foo", Value: "spoof"},
			{Name: "accept", Value: "a"}, {Name: "Accept", Value: "b"},
			{Name: "Cookie", Value: "a=1"}, {Name: "cookie", Value: "b=2"},
			{Name: "Content-Type", Value: "text/plain"}, {Name: "Content-Length", Value: "42"},
			{Name: "Proxy", Value: "http://evil"}, {Name: "X-Empty", Value: ""},
		},
		Vars:  []gateway.Field{{Name: "REMOTE_USER", Value: "me"}, {Name: "REQUEST_METHOD", Value: "GET"}, {Name: "HTTP_X_VAR", Value: "v"}},
		Input: strings.NewReader("body"),
		Flags: gateway.Flags{MultiThread: true},
	}
}

func TestEnvironAll(t *testing.T) {
	want := map[string]string{
		"REQUEST_METHOD": "POST", "SCRIPT_NAME": "/app", "PATH_INFO": "/a b", "QUERY_STRING": "q=1",
		"REQUEST_URI": "/app/a%20b?q=1", "SERVER_PROTOCOL": "HTTP/1.1", "GATEWAY_INTERFACE": "CGI/1.1",
		"SERVER_NAME": "example.org", "SERVER_PORT": "8080", "REMOTE_ADDR": "192.0.2.1", "REMOTE_PORT": "4711",
		"CONTENT_TYPE": "text/plain", "CONTENT_LENGTH": "42", "HTTPS": "on",
		"wsgi.version": "1.0", "wsgi.url_scheme": "https",
		"wsgi.multithread": "true", "wsgi.multiprocess": "false", "wsgi.run_once": "false",
		"HTTP_HOST": "example.org:8080", "HTTP_X_FOO": "dash", "HTTP_ACCEPT": "a,b", "HTTP_COOKIE": "a=1; b=2",
		"HTTP_X_EMPTY": "", "REMOTE_USER": "me", "HTTP_X_VAR": "v",
	}
	env := fullEnviron()
	if diff := cmp.Diff(want, maps.Collect(env.All())); diff != "" {
		t.Errorf("All (-want +got):\n%s", diff)
	}
	for key, value := range want {
		if got, ok := env.Lookup(key); got != value || !ok {
			t.Errorf("Lookup(%s) = %q, %v; want %q", key, got, ok, value)
		}
	}
	for _, key := range []string{"", "HTTP_", "HTTP_X", "HTTP_PROXY", "HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH",
		"HTTP_X-FOO", "HTTP_x_foo", "http_x_foo", "X_FOO", "wsgi.input", "AUTH_TYPE"} {
		if got, ok := env.Lookup(key); got != "" || ok {
			t.Errorf("Lookup(%q) = %q, %v; want none", key, got, ok)
		}
	}
	count := 0
	for range env.All() {
		if count++; count == 3 {
			break
		}
	}
	if count != 3 {
		t.Errorf("a loop over All that breaks went round %d times", count)
	}
}

func TestEnvironUnderscoreCannotSpoof(t *testing.T) {
	env := &gateway.Environ{Header: []gateway.Field{{Name: "X_Forwarded_For", Value: "127.0.0.1"}}}
	if value, ok := env.Lookup("HTTP_X_FORWARDED_FOR"); ok {
		t.Errorf("a header with underscores came through as %q", value)
	}
}

func TestEnvironAbsent(t *testing.T) {
	var env gateway.Environ
	for _, key := range []string{"CONTENT_LENGTH", "CONTENT_TYPE", "REMOTE_ADDR", "HTTP_HOST", "HTTPS"} {
		if value, ok := env.Lookup(key); ok {
			t.Errorf("Lookup(%s) of an empty environ = %q", key, value)
		}
	}
	env.Header = []gateway.Field{{Name: "content-length", Value: "0"}}
	if value, ok := env.Lookup("CONTENT_LENGTH"); value != "0" || !ok {
		t.Errorf("Content-Length: 0 gives %q, %v", value, ok)
	}
}

func TestEnvironClone(t *testing.T) {
	env := fullEnviron()
	buffer := []byte("/overwritten-later")
	env.Path = unsafeString(buffer)
	clone := env.Clone()
	want := maps.Collect(clone.All())
	copy(buffer, "XXXXXXXXXXXXXXXXXX")
	env.Header[1].Value = "changed"
	env.Vars[0].Value = "changed"
	if diff := cmp.Diff(want, maps.Collect(clone.All())); diff != "" {
		t.Errorf("the clone changed with the original (-before +after):\n%s", diff)
	}
	if clone.Path != "/overwritten-later" {
		t.Errorf("Path of the clone = %q", clone.Path)
	}
	if data, err := io.ReadAll(clone.Input); len(data) > 0 || err != nil {
		t.Errorf("Input of the clone gives %q, %v", data, err)
	}
}

// Clone and Reset list or replace fields: a field that somebody adds must be thought of.
func TestEnvironStringFieldsAreKnown(t *testing.T) {
	n := 0
	for f := range reflect.TypeFor[gateway.Environ]().Fields() {
		if f.Type.Kind() == reflect.String {
			n++
		}
	}
	if n != 13 {
		t.Errorf("Environ has %d string fields, eachString lists 13", n)
	}
}

func TestEnvironReset(t *testing.T) {
	env := fullEnviron()
	header := env.Header
	env.Reset()
	if len(env.Header) != 0 || cap(env.Header) != cap(header) || header[0].Name != "" {
		t.Errorf("header after Reset: %d of %d, first %q", len(env.Header), cap(env.Header), header[0].Name)
	}
	env.Header, env.Vars = nil, nil
	if !reflect.DeepEqual(*env, gateway.Environ{}) {
		t.Errorf("after Reset: %+v", env)
	}
}

func TestEnvironGetDoesNotAllocate(t *testing.T) {
	env := fullEnviron()
	env.ContentLength = 42
	keys := []string{"REQUEST_METHOD", "HTTP_X_FOO", "CONTENT_LENGTH", "wsgi.multithread", "REMOTE_USER", "NO_SUCH_KEY"}
	if n := testing.AllocsPerRun(100, func() {
		for _, key := range keys {
			env.Get(key)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkEnvironGet(b *testing.B) {
	b.ReportAllocs()
	env := fullEnviron()
	for b.Loop() {
		env.Get("HTTP_COOKIE_NONE")
	}
}
