package gateway

import (
	"iter"
	"slices"
	"strconv"
	"strings"
)

// cgiKeys are the keys that Lookup answers from the typed fields, in the order of All.
var cgiKeys = []string{
	"REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "REQUEST_URI",
	"CONTENT_TYPE", "CONTENT_LENGTH",
	"SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "GATEWAY_INTERFACE",
	"REMOTE_ADDR", "REMOTE_PORT", "HTTPS",
	"wsgi.version", "wsgi.url_scheme", "wsgi.multithread", "wsgi.multiprocess", "wsgi.run_once",
	"HTTP_HOST",
}

// Get returns the value of a CGI or WSGI key, or "" where there is none.
func (e *Environ) Get(key string) string {
	value, _ := e.Lookup(key)
	return value
}

// Lookup returns the value of a CGI or WSGI key and whether there is one: the
// typed fields by their names in RFC 3875 and PEP 3333 (flags as "true" or
// "false"), then Vars, then the header as HTTP_ and the name in capitals with
// dashes turned to underscores. A field that came several times is joined by
// "," (cookies by "; "), which allocates; all else does not, but for a
// CONTENT_LENGTH of 100 or more.
//
// A field whose name has an underscore is under no key: it would be taken for
// the one with a dash, which a proxy in front may have checked or set. Nor is
// Proxy, since programs take HTTP_PROXY for a setting (CVE-2016-5385), nor are
// Content-Type and Content-Length, which have keys of their own.
func (e *Environ) Lookup(key string) (value string, ok bool) {
	switch key {
	case "REQUEST_METHOD":
		return e.Method, true
	case "SCRIPT_NAME":
		return e.ScriptName, true
	case "PATH_INFO":
		return e.Path, true
	case "QUERY_STRING":
		return e.Query, true
	case "REQUEST_URI":
		return given(e.RequestURI)
	case "CONTENT_TYPE":
		return given(e.ContentType)
	case "CONTENT_LENGTH":
		if e.ContentLength > 0 || e.has("content-length") {
			return strconv.FormatInt(e.ContentLength, 10), true
		}
		return "", false
	case "SERVER_NAME":
		return given(e.ServerName)
	case "SERVER_PORT":
		return given(e.ServerPort)
	case "SERVER_PROTOCOL":
		return given(e.Proto)
	case "GATEWAY_INTERFACE":
		return "CGI/1.1", true
	case "REMOTE_ADDR":
		return given(e.RemoteAddr)
	case "REMOTE_PORT":
		return given(e.RemotePort)
	case "HTTPS":
		if e.Scheme == "https" {
			return "on", true
		}
		return "", false
	case "wsgi.version":
		return "1.0", true
	case "wsgi.url_scheme":
		return given(e.Scheme)
	case "wsgi.multithread":
		return strconv.FormatBool(e.MultiThread), true
	case "wsgi.multiprocess":
		return strconv.FormatBool(e.MultiProcess), true
	case "wsgi.run_once":
		return strconv.FormatBool(e.RunOnce), true
	case "HTTP_HOST":
		return given(e.Host)
	}
	for i := range e.Vars {
		if e.Vars[i].Name == key {
			return e.Vars[i].Value, true
		}
	}
	if strings.HasPrefix(key, "HTTP_") && !withheld(key) {
		return e.field(key[len("HTTP_"):])
	}
	return "", false
}

// withheld tells whether there is no such key whatever the client sends.
func withheld(key string) bool {
	return key == "HTTP_PROXY" || key == "HTTP_CONTENT_TYPE" || key == "HTTP_CONTENT_LENGTH"
}

func given(s string) (string, bool) { return s, s != "" }

func (e *Environ) has(lower string) bool {
	for i := range e.Header {
		if strings.EqualFold(e.Header[i].Name, lower) {
			return true
		}
	}
	return false
}

// field returns all values of the field that key, without HTTP_, stands for.
func (e *Environ) field(key string) (value string, ok bool) {
	for i := range e.Header {
		if !keyIs(key, e.Header[i].Name) {
			continue
		}
		if !ok {
			value, ok = e.Header[i].Value, true
			continue
		}
		sep := ","
		if key == "COOKIE" { // RFC 6265 section 5.4, RFC 9113 section 8.2.3
			sep = "; "
		}
		value += sep + e.Header[i].Value
	}
	return value, ok
}

// keyIs tells whether key is name in capitals with dashes turned to underscores.
func keyIs(key, name string) bool {
	if len(key) != len(name) {
		return false
	}
	for i := range len(name) {
		if keyByte(name[i]) != key[i] || name[i] == '_' {
			return false
		}
	}
	return true
}

func keyByte(c byte) byte {
	switch {
	case 'a' <= c && c <= 'z':
		return c - ('a' - 'A')
	case c == '-':
		return '_'
	}
	return c
}

// All iterates over all keys that Lookup knows and their values, each key
// once: the typed fields, Vars, the header. It allocates the keys of the header.
func (e *Environ) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, key := range cgiKeys {
			if value, ok := e.Lookup(key); ok && !yield(key, value) {
				return
			}
		}
		for i, v := range e.Vars {
			again := slices.ContainsFunc(e.Vars[:i], func(f Field) bool { return f.Name == v.Name })
			if !again && !slices.Contains(cgiKeys, v.Name) && !yield(v.Name, v.Value) {
				return
			}
		}
		for i, f := range e.Header {
			if strings.Contains(f.Name, "_") {
				continue
			}
			key := headerKey(f.Name)
			again := slices.ContainsFunc(e.Header[:i], func(g Field) bool { return keyIs(key[len("HTTP_"):], g.Name) }) ||
				slices.ContainsFunc(e.Vars, func(v Field) bool { return v.Name == key })
			if again || withheld(key) || key == "HTTP_HOST" {
				continue
			}
			if value, ok := e.Lookup(key); ok && !yield(key, value) {
				return
			}
		}
	}
}

func headerKey(name string) string {
	key := append(make([]byte, 0, len("HTTP_")+len(name)), "HTTP_"...)
	for i := range len(name) {
		key = append(key, keyByte(name[i]))
	}
	return string(key)
}

// Clone returns a copy that stays what it is after the request. Input, which
// is gone by then, reads as empty, and Wait, Watch and Extras are nil: there is
// nothing left to park, no client and no answer.
func (e *Environ) Clone() *Environ {
	c := *e
	c.Header = append([]Field(nil), e.Header...)
	c.Vars = append([]Field(nil), e.Vars...)
	c.Input, c.Wait, c.Watch, c.Extras = strings.NewReader(""), nil, nil, nil

	// One allocation for all strings: they are counted, then copied into one
	// builder, whose memory never moves since it has grown to the sum before.
	var sum int
	c.eachString(func(s *string) { sum += len(*s) })
	var all strings.Builder
	all.Grow(sum)
	c.eachString(func(s *string) {
		from := all.Len()
		all.WriteString(*s)
		*s = all.String()[from:]
	})
	return &c
}

func (e *Environ) eachString(do func(*string)) {
	for _, s := range []*string{&e.Method, &e.ScriptName, &e.Path, &e.Query, &e.RequestURI, &e.Proto, &e.Scheme, &e.Host,
		&e.ServerName, &e.ServerPort, &e.RemoteAddr, &e.RemotePort, &e.ContentType} {
		do(s)
	}
	for _, fields := range [][]Field{e.Header, e.Vars} {
		for i := range fields {
			do(&fields[i].Name)
			do(&fields[i].Value)
		}
	}
}

// Reset makes e ready for another request. It keeps the memory of Header and
// Vars, and nothing else.
func (e *Environ) Reset() {
	clear(e.Header)
	clear(e.Vars)
	*e = Environ{Header: e.Header[:0], Vars: e.Vars[:0]}
}
