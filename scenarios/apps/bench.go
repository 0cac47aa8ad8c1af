package apps

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/dynobench/dyno/protocol/gateway"
)

// Bench is the app "bench": one path for each way to spend time.
//
//	/hello                       "Hello, World!"
//	/json                        {"message":"Hello, World!"}, encoded anew for each request
//	/wait?ms=                    waits by the engine's wait hook
//	/block?ms=                   holds its OS thread in a system call
//	/cpu?rounds=                 a chain of SHA-256 sums; the last one, in hex, is the answer
//	/bytes?n=                    n bytes of Pattern, with a Content-Length
//	/stream?chunks=&size=&ms=    chunks of Pattern of that size, waiting ms before each but the first
//	/echo                        POST: the request's body, under its Content-Type
//
// All parameters are whole numbers, required and bounded. What it refuses, it
// refuses in plain text: 400 with what is wrong, 404 with the paths there are,
// 405 with Allow.
func Bench(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
	r, ok := routes[env.Path]
	if !ok {
		return refuse(start, "404", 404, notFound)
	}
	if !r.takes(env.Method) {
		return refuse(start, r.allow, 405, env.Path+" takes "+r.allow+"\n")
	}
	args, wrong := r.parse(env.Query)
	if wrong != "" {
		return refuse(start, "400", 400, wrong+"; "+env.Path+" takes "+r.usage()+"\n")
	}
	return r.serve(env, start, args)
}

// args are a route's parameters in the order of its list.
type args [3]int64

type route struct {
	allow  string
	params []param
	serve  func(*gateway.Environ, gateway.StartResponse, args) gateway.Body
}

// param is a whole number from min to max.
type param struct {
	name     string
	min, max int64
	bounds   string // as told to the client
}

const (
	read = "GET, HEAD"

	helloText = "Hello, World!"
	maxChunk  = 64 << 10
)

var (
	ms     = param{"ms", 0, 60_000, "0 to 60000"}
	routes = map[string]*route{
		"/hello":  {read, nil, hello},
		"/json":   {read, nil, jsonMessage},
		"/wait":   {read, []param{ms}, wait},
		"/block":  {read, []param{ms}, block},
		"/cpu":    {read, []param{{"rounds", 1, 10_000_000, "1 to 10000000"}}, cpu},
		"/bytes":  {read, []param{{"n", 0, 1 << 30, "0 to 1073741824"}}, manyBytes},
		"/stream": {read, []param{{"chunks", 0, 10_000, "0 to 10000"}, {"size", 0, maxChunk, "0 to 65536"}, ms}, stream},
		"/echo":   {"POST", nil, echo},
	}

	text     = []gateway.Field{{Name: "Content-Type", Value: "text/plain"}}
	jsonHead = []gateway.Field{{Name: "Content-Type", Value: "application/json"}}
	binary   = []gateway.Field{{Name: "Content-Type", Value: "application/octet-stream"}}
)

const notFound = "no such path; there are /hello, /json, /wait?ms=, /block?ms=, /cpu?rounds=, /bytes?n=, /stream?chunks=&size=&ms=, /echo\n"

func (r *route) takes(method string) bool {
	if r.allow == read {
		return method == "GET" || method == "HEAD"
	}
	return method == r.allow
}

// parse reads a query. It is strict, so that a misspelt scenario does not
// measure something else than it says.
func (r *route) parse(query string) (values args, wrong string) {
	var seen [len(values)]bool
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		name, value, _ := strings.Cut(pair, "=")
		i := r.index(name)
		switch {
		case i < 0:
			return values, "unknown parameter"
		case seen[i]:
			return values, name + " is given twice"
		}
		n, ok := number(value)
		if p := &r.params[i]; !ok || n < p.min || n > p.max {
			return values, name + " is not a whole number from " + p.bounds
		}
		values[i], seen[i] = n, true
	}
	for i := range r.params {
		if !seen[i] {
			return values, r.params[i].name + " is missing"
		}
	}
	return values, ""
}

func (r *route) index(name string) int {
	for i := range r.params {
		if r.params[i].name == name {
			return i
		}
	}
	return -1
}

func (r *route) usage() string {
	if len(r.params) == 0 {
		return "no parameters"
	}
	var b strings.Builder
	for i, p := range r.params {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p.name + " (" + p.bounds + ")")
	}
	return b.String()
}

// number reads 1 to 10 digits.
func number(s string) (n int64, ok bool) {
	if s == "" || len(s) > 10 {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, true
}

func refuse(start gateway.StartResponse, allow string, status int, message string) gateway.Body {
	header := text
	if status == 405 {
		header = []gateway.Field{text[0], {Name: "Allow", Value: allow}}
	}
	return answer(start, status, header, gateway.String(message))
}

// answer starts the response; a start that fails is the server's word that the
// request is over.
func answer(start gateway.StartResponse, status int, header []gateway.Field, body gateway.Body) gateway.Body {
	if err := start(status, header, nil); err != nil {
		body.Close()
		return gateway.Fail(err)
	}
	return body
}

func hello(_ *gateway.Environ, start gateway.StartResponse, _ args) gateway.Body {
	return answer(start, 200, text, gateway.String(helloText))
}

func jsonMessage(_ *gateway.Environ, start gateway.StartResponse, _ args) gateway.Body {
	data, err := json.Marshal(struct {
		Message string `json:"message"`
	}{helloText})
	if err != nil {
		return gateway.Fail(err)
	}
	return answer(start, 200, jsonHead, gateway.Bytes(data))
}

func wait(env *gateway.Environ, start gateway.StartResponse, a args) gateway.Body {
	if err := env.Wait.Sleep(env.Context, time.Duration(a[0])*time.Millisecond); err != nil {
		return gateway.Fail(err)
	}
	return answer(start, 200, text, gateway.String("waited\n"))
}

func block(_ *gateway.Environ, start gateway.StartResponse, a args) gateway.Body {
	if err := holdThread(time.Duration(a[0]) * time.Millisecond); err != nil {
		return gateway.Fail(err)
	}
	return answer(start, 200, text, gateway.String("blocked\n"))
}

func cpu(_ *gateway.Environ, start gateway.StartResponse, a args) gateway.Body {
	sum := sha256.Sum256([]byte("dyno"))
	for range a[0] - 1 {
		sum = sha256.Sum256(sum[:])
	}
	return answer(start, 200, text, gateway.Bytes(hex.AppendEncode(nil, sum[:])))
}

func manyBytes(_ *gateway.Environ, start gateway.StartResponse, a args) gateway.Body {
	return answer(start, 200, binary, &patternBody{rest: a[0]})
}

func stream(env *gateway.Environ, start gateway.StartResponse, a args) gateway.Body {
	chunks, size, pause := a[0], a[1], time.Duration(a[2])*time.Millisecond
	return answer(start, 200, binary, gateway.Chunks(func(yield func([]byte, error) bool) {
		for i := range chunks {
			if i > 0 && pause > 0 {
				if err := env.Wait.Sleep(env.Context, pause); err != nil {
					yield(nil, err)
					return
				}
			}
			if !yield(Pattern(i*size, int(size)), nil) {
				return
			}
		}
	}))
}

func echo(env *gateway.Environ, start gateway.StartResponse, _ args) gateway.Body {
	header := binary
	if env.ContentType != "" {
		header = []gateway.Field{{Name: "Content-Type", Value: env.ContentType}}
	}
	return answer(start, 200, header, &echoBody{input: env.Input, size: env.ContentLength})
}

// alphabet is what Pattern repeats. Its length is a power of two, so that a
// chunk can be cut out of one block at any offset.
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

var block64K = []byte(strings.Repeat(alphabet, maxChunk/len(alphabet)+1))

// Pattern returns n bytes, at most 64 KiB, from offset on of the endless text
// that /bytes and /stream answer with: A–Z, a–z, 0–9, + and / repeated. The
// slice is shared and must not be written to.
func Pattern(offset int64, n int) []byte {
	from := int(offset % int64(len(alphabet)))
	return block64K[from : from+n]
}

// patternBody gives Pattern from the start, without holding it.
type patternBody struct{ given, rest int64 }

var _ gateway.Sized = (*patternBody)(nil)

func (b *patternBody) Size() int64 { return b.given + b.rest }

func (b *patternBody) Next() ([]byte, error) {
	n := min(b.rest, maxChunk)
	chunk := Pattern(b.given, int(n))
	b.given += n
	b.rest -= n
	if b.rest == 0 {
		return chunk, io.EOF
	}
	return chunk, nil
}

func (b *patternBody) Close() error { return nil }

// echoBody gives the request's body back, read as it is asked for.
type echoBody struct {
	input io.Reader
	size  int64
	buf   *[]byte
}

var (
	_           gateway.Sized = (*echoBody)(nil)
	echoBuffers               = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}
)

func (b *echoBody) Size() int64 { return b.size }

func (b *echoBody) Next() ([]byte, error) {
	if b.buf == nil {
		b.buf = echoBuffers.Get().(*[]byte)
	}
	n, err := io.ReadFull(b.input, *b.buf)
	if err == io.ErrUnexpectedEOF {
		err = io.EOF
	}
	return (*b.buf)[:n], err
}

func (b *echoBody) Close() error {
	if b.buf != nil {
		echoBuffers.Put(b.buf)
		b.buf = nil
	}
	return nil
}
