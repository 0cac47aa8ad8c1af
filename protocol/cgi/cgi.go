// Package cgi is what the gateway protocols (uwsgi, SCGI, FastCGI) have in
// common: a request told in CGI variables (RFC 3875) by a web server in front,
// and an answer's head for it. Their codecs find the variables; a Request makes
// an Environ of them, the same that HTTP would have made.
//
// The variables become what WSGI servers make of them: those that the gateway
// has fields for fill these; HTTP_X_FOO is the header field X-Foo; all others
// are the Environ's Vars under their own names. Without PATH_INFO, as nginx's
// stock fastcgi_params and scgi_params leave it, the path is REQUEST_URI's, less
// SCRIPT_NAME where it leads there.
package cgi

import (
	"bytes"
	"math"
	"unsafe"

	"github.com/dynobench/dyno/internal/percent"
	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/gateway"
)

// maxVars bounds the variables that are no header fields, for which
// Limits.HeaderCount stands.
const maxVars = 200

// Span is a place in the bytes of a request, which may move.
type Span struct{ From, To int }

func (s Span) of(data []byte) []byte { return data[s.From:s.To] }

// Request gathers the variables of one request. It keeps positions and no
// bytes, and allocates nothing once it has seen a request of that size.
type Request struct {
	limits *protocol.Limits

	known   [keyCount]Span // where given
	given   uint32         // a bit for each key
	vars    []variable     // all others, and what belongs to the header
	headers int            // how many of these do

	length    int64
	https     bool
	head      bool // HEAD
	whole     bool // SCRIPT_NAME does not lead to the path
	pathAt    Span // in data, or in unescaped
	decoded   bool
	unescaped []byte
	query     Span
}

// variable is one that has no field of its own: under its name in Vars, or a
// header field.
type variable struct {
	key         key // of a header field whose name is not in data
	header      bool
	name, value Span
}

// The refusals of a request. They carry no detail, so that they cost nothing.
var (
	errName     = protocol.Refusal(400, "a variable without a name")
	errRepeated = protocol.Refusal(400, "a variable that may come once is repeated")
	errValue    = protocol.Refusal(400, "forbidden character in a header field")
	errMethod   = protocol.Refusal(400, "REQUEST_METHOD is missing or malformed")
	errPath     = protocol.Refusal(400, "PATH_INFO, SCRIPT_NAME or REQUEST_URI is malformed")
	errLength   = protocol.Refusal(400, "malformed CONTENT_LENGTH")
	errBody     = protocol.Refusal(413, "request body too large")
	errLine     = protocol.Refusal(414, "request line too long")
	errCount    = protocol.Refusal(431, "too many variables")
)

// ErrHeader is the refusal of variables that are larger in sum than
// Limits.HeaderBytes.
var ErrHeader = protocol.Refusal(431, "variables too large")

// ErrBody is the refusal of a body beyond Limits.Body.
var ErrBody = errBody

// Reset forgets the request and makes ready for another one.
func (r *Request) Reset(limits *protocol.Limits) {
	*r = Request{limits: limits, vars: r.vars[:0], unescaped: r.unescaped[:0]}
}

// Add takes a variable. It rewrites the name of a header field in data.
func (r *Request) Add(data []byte, name, value Span) error {
	n := name.of(data)
	if len(n) == 0 {
		return errName
	}
	k := keyOf(n)
	if k == dropped {
		return nil
	}
	if k != other {
		if r.given&(1<<k) != 0 {
			return errRepeated
		}
		r.given |= 1 << k
		r.known[k] = value
	}
	v := variable{key: k, name: name, value: value}
	switch k {
	case requestScheme, uwsgiScheme:
		r.https = r.https || string(value.of(data)) == "https"
	case https:
		on := value.of(data)
		r.https = r.https || string(on) == "on" || string(on) == "1"
		return nil
	case contentType, contentLength:
		if value.From == value.To {
			return nil // there is none: CGI's way to say so
		}
		v.header = true
	case host:
		v.header = true
	case other:
		v.header = toField(n)
		if v.header {
			v.name.From += len(prefix)
		}
	default:
		return nil
	}
	if v.header && forbidden(value.of(data)) {
		return errValue
	}
	r.vars = append(r.vars, v)
	if v.header {
		r.headers++
	}
	if r.headers > r.limits.MaxHeaderCount() || len(r.vars)-r.headers > maxVars {
		return errCount
	}
	return nil
}

// Complete checks the request when all variables have been added.
func (r *Request) Complete(data []byte) error {
	m := r.known[method].of(data)
	if !isToken(m) {
		return errMethod
	}
	r.head = string(m) == "HEAD"
	line := len(m) + r.size(uri) + r.size(proto) + len("  ")
	if line > r.limits.MaxLine() {
		return errLine
	}
	if err := r.path(data); err != nil {
		return err
	}
	length, ok, tooLong := parseLength(r.known[contentLength].of(data))
	switch {
	case !ok:
		return errLength
	case tooLong || length > r.limits.MaxBody():
		return errBody
	}
	r.length = length
	return nil
}

// Body is the Outcome of data for a request whose variables, which are complete,
// end at from and are followed by the body.
func (r *Request) Body(data []byte, from int) protocol.Outcome {
	length, _ := r.Length()
	end := from + int(length)
	if len(data) < end {
		return protocol.Outcome{State: protocol.InBody, Size: len(data), Need: end}
	}
	return protocol.Outcome{State: protocol.Done, Size: end}
}

// Length is the request's CONTENT_LENGTH in bytes, and whether there is one.
func (r *Request) Length() (n int64, given bool) { return r.length, r.size(contentLength) > 0 }

// SCGI tells whether the variable SCGI is "1".
func (r *Request) SCGI(data []byte) bool { return string(r.known[scgi].of(data)) == "1" }

func (r *Request) size(k key) int { return r.known[k].To - r.known[k].From }

// path decides what SCRIPT_NAME, PATH_INFO and QUERY_STRING are.
func (r *Request) path(data []byte) error {
	r.pathAt, r.query = r.known[pathInfo], r.known[queryString]
	script, info, u := r.known[scriptName].of(data), r.pathAt.of(data), r.known[uri]
	if len(script) > 0 && script[0] != '/' {
		return errPath
	}
	q := bytes.IndexByte(u.of(data), '?')
	if q >= 0 && r.given&(1<<queryString) == 0 {
		r.query = Span{u.From + q + 1, u.To}
	}
	options := string(r.known[method].of(data)) == "OPTIONS"
	if r.given&(1<<pathInfo) != 0 || u.From == u.To {
		if len(info) > 0 && info[0] != '/' && !(options && string(info) == "*") {
			return errPath
		}
		return nil
	}
	if q >= 0 {
		u.To = u.From + q
	}
	// The target may come in absolute form.
	if t := u.of(data); len(t) == 0 || t[0] != '/' && !(options && string(t) == "*") {
		i := bytes.Index(t, []byte("://"))
		if i <= 0 {
			return errPath
		}
		slash := bytes.IndexByte(t[i+3:], '/')
		if slash < 0 {
			r.whole = true
			return nil // the root
		}
		u.From += i + 3 + slash
	}
	r.pathAt = u
	p := u.of(data)
	if bytes.IndexByte(p, '%') >= 0 {
		var ok bool
		if r.unescaped, ok = percent.AppendDecoded(r.unescaped[:0], p); !ok {
			return errPath
		}
		p = r.unescaped
		r.pathAt, r.decoded = Span{0, len(p)}, true
	}
	n := len(script)
	if r.whole = n == 0 || len(p) <= n || p[n] != '/' || !bytes.HasPrefix(p, script); !r.whole {
		r.pathAt.From += n
	}
	return nil
}

// Describe describes the request in env as protocol.Parser's Describe has to.
func (r *Request) Describe(env *gateway.Environ, data []byte) {
	env.Method = r.text(data, method)
	env.RequestURI = r.text(data, uri)
	env.Query = text(data, r.query)
	env.Host = r.text(data, host)
	env.ContentType = r.text(data, contentType)
	if env.Proto = r.text(data, proto); env.Proto == "" {
		env.Proto = "HTTP/1.0"
	}
	if !r.whole {
		env.ScriptName = r.text(data, scriptName)
	}
	if r.decoded {
		env.Path = text(r.unescaped, r.pathAt)
	} else {
		env.Path = text(data, r.pathAt)
	}
	if env.Path == "" && env.ScriptName == "" {
		env.Path = "/"
	}
	if r.https {
		env.Scheme = "https"
	}
	// What the web server says of the client holds, not its own address.
	if r.size(serverName) > 0 && r.size(serverPort) > 0 {
		env.ServerName, env.ServerPort = r.text(data, serverName), r.text(data, serverPort)
	}
	if r.given&(1<<remoteAddr) != 0 {
		env.RemoteAddr, env.RemotePort = r.text(data, remoteAddr), r.text(data, remotePort)
	}
	for _, v := range r.vars {
		f := gateway.Field{Name: fieldNames[v.key], Value: text(data, v.value)}
		if f.Name == "" {
			f.Name = text(data, v.name)
		}
		if v.header {
			env.Header = append(env.Header, f)
		} else {
			env.Vars = append(env.Vars, f)
		}
	}
}

func (r *Request) text(data []byte, k key) string { return text(data, r.known[k]) }

// text is data[s] as a string that aliases it.
func text(data []byte, s Span) string {
	if s.From == s.To {
		return ""
	}
	return unsafe.String(&data[s.From], s.To-s.From)
}

// parseLength reads a CONTENT_LENGTH: digits only, none for none. A number so
// large that sums with it could overflow is well-formed and too long.
func parseLength(b []byte) (n int64, ok, tooLong bool) {
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false, false
		}
		if n > math.MaxInt32<<20 {
			tooLong = true
		} else {
			n = 10*n + int64(c-'0')
		}
	}
	return n, true, tooLong || n > math.MaxInt/2
}
