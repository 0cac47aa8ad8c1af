package cgi

import (
	"strconv"
	"strings"
	"unsafe"

	"github.com/dynobench/dyno/internal/percent"
	"github.com/dynobench/dyno/protocol/http1"
)

// ClientRequest is a request that a client, which is a web server as a rule,
// tells in CGI variables. It may be reused, and then encoding it allocates
// nothing; it is for one goroutine at a time.
type ClientRequest struct {
	Method string
	Target string // origin form, with query
	Host   string // host[:port]; HTTP_HOST unless Header has one, SERVER_NAME and SERVER_PORT
	Header [][2]string
	Params [][2]string // further variables; one with the name of another takes its place
	Body   []byte
	Keep   bool // the connection is to be kept, where the protocol can

	scratch []byte
}

// variables that always go with a request.
var constants = [][2]string{
	{"SERVER_PROTOCOL", "HTTP/1.1"}, {"REQUEST_SCHEME", "http"}, {"GATEWAY_INTERFACE", "CGI/1.1"},
	{"SCRIPT_NAME", ""}, {"REMOTE_ADDR", "127.0.0.1"}, {"REMOTE_PORT", "0"},
}

// AppendVariables appends r's variables in the form of a protocol: pair appends
// one, whose name is as AppendName makes it of prefix and name.
//
// The first is CONTENT_LENGTH. Host and header fields become HTTP_ variables,
// Content-Type becomes CONTENT_TYPE, and a field Content-Length is left out: the
// body tells it. PATH_INFO is the path, decoded; SCRIPT_NAME is empty, and
// REMOTE_ADDR this host's, unless Params say otherwise.
func (r *ClientRequest) AppendVariables(dst []byte, pair func(dst []byte, prefix, name, value string) []byte) []byte {
	r.scratch = strconv.AppendInt(r.scratch[:0], int64(len(r.Body)), 10)
	dst = r.append(dst, pair, "CONTENT_LENGTH", alias(r.scratch))
	path, query, _ := strings.Cut(r.Target, "?")
	if strings.IndexByte(path, '%') >= 0 {
		var ok bool
		if r.scratch, ok = percent.AppendDecoded(r.scratch[:0], unsafe.Slice(unsafe.StringData(path), len(path))); ok {
			path = alias(r.scratch)
		}
	}
	dst = r.append(dst, pair, "REQUEST_METHOD", r.Method)
	dst = r.append(dst, pair, "REQUEST_URI", r.Target)
	dst = r.append(dst, pair, "PATH_INFO", path)
	dst = r.append(dst, pair, "QUERY_STRING", query)
	for _, v := range constants {
		dst = r.append(dst, pair, v[0], v[1])
	}
	name, port := r.Host, "80"
	if i := strings.LastIndexByte(name, ':'); i >= 0 && strings.IndexByte(name[i:], ']') < 0 {
		name, port = name[:i], name[i+1:]
	}
	dst = r.append(dst, pair, "SERVER_NAME", name)
	dst = r.append(dst, pair, "SERVER_PORT", port)
	hasHost := false
	for _, f := range r.Header {
		switch {
		case strings.EqualFold(f[0], "content-length"):
		case strings.EqualFold(f[0], "content-type"):
			dst = r.append(dst, pair, "CONTENT_TYPE", f[1])
		default:
			hasHost = hasHost || strings.EqualFold(f[0], "host")
			dst = pair(dst, prefix, f[0], f[1])
		}
	}
	if !hasHost {
		dst = r.append(dst, pair, "HTTP_HOST", r.Host)
	}
	for _, p := range r.Params {
		dst = pair(dst, "", p[0], p[1])
	}
	return dst
}

// append appends a variable unless Params have it.
func (r *ClientRequest) append(dst []byte, pair func(dst []byte, prefix, name, value string) []byte, name, value string) []byte {
	for _, p := range r.Params {
		if p[0] == name {
			return dst
		}
	}
	return pair(dst, "", name, value)
}

func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// AppendName appends a variable's name: name itself or, behind a prefix, that
// of a header field as CGI has it. Its length is that of both together.
func AppendName(dst []byte, prefix, name string) []byte {
	if prefix == "" {
		return append(dst, name...)
	}
	dst = append(dst, prefix...)
	at := len(dst)
	dst = append(dst, name...)
	for i, c := range dst[at:] {
		switch {
		case c == '-':
			dst[at+i] = '_'
		case 'a' <= c && c <= 'z':
			dst[at+i] = c - ('a' - 'A')
		}
	}
	return dst
}

// ResponseParser reads answers as CGI gives them, for the protocols whose
// connections end with the answer (uwsgi, SCGI): see http1.ResponseParser.
type ResponseParser struct{ http1.ResponseParser }

// Reset makes ready for the next answer; head tells that it is one to HEAD,
// which has no body.
func (p *ResponseParser) Reset(head bool) { p.ResetCGI(head) }

// KeepAlive is false: a connection carries one request.
func (*ResponseParser) KeepAlive() bool { return false }
