package gateway

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// Gzip compresses answers for clients that accept it: those with a Content-Type
// of text, JSON, XML, JavaScript, SVG, WebAssembly or a font, that are not
// encoded yet, not partial, not marked no-transform, and of 1 KiB or more, or of
// unknown length. It adds Vary to what it might compress, whether it does or
// not, weakens a strong ETag, and takes back Content-Length and Accept-Ranges. A
// 304 gets the Vary and the weak ETag that the answer in the client's cache has.
// Each chunk leaves at once, as without it.
//
// Level is that of compress/gzip; 0 means gzip.DefaultCompression. A level out of
// range panics.
//
// An answer that holds both a secret and what a client has sent should not be
// compressed where others see its length on the network (BREACH); such an app
// sets Cache-Control: no-transform.
func Gzip(level int) Middleware {
	if level == 0 {
		level = gzip.DefaultCompression
	}
	if _, err := gzip.NewWriterLevel(io.Discard, level); err != nil {
		panic(err)
	}
	pool := &sync.Pool{New: func() any {
		z := &gzipBuffer{}
		z.w, _ = gzip.NewWriterLevel(&z.buf, level) // it has been tried
		return z
	}}
	return func(app App) App {
		return func(env *Environ, start StartResponse) Body {
			g := &gzipped{env: env, pool: pool, real: start, accepts: acceptsGzip(env), size: -1}
			g.body = app(env, g.start)
			if s, ok := g.body.(Sized); ok {
				g.size = s.Size()
			}
			if g.held && (g.small() || env.Method == http.MethodHead) {
				if err := g.decide(false); err != nil {
					shut(g.body) //nolint:errcheck // there is a better one
					return Fail(err)
				}
			}
			if g.plain && !g.concealed() {
				return g.body
			}
			return &wrapped{g.next, g.close}
		}
	}
}

// leastGzip is the length from which compression gains more than its frame costs.
const leastGzip = 1 << 10

// gzipBuffer is a compressor and what has come out of it.
type gzipBuffer struct {
	w   *gzip.Writer
	buf bytes.Buffer
}

// gzipped is one answer. Its head is held until it is known whether the answer
// is worth it: until the length is, or there is a first chunk.
type gzipped struct {
	env     *Environ
	pool    *sync.Pool
	real    StartResponse
	body    Body
	accepts bool
	size    int64 // of a Sized body, else −1

	held   bool // start has been called, and not been passed on
	plain  bool // it has, and nothing will be compressed
	status int
	header []Field
	length int64 // declared, else −1
	cause  error
	z      *gzipBuffer // of an answer that is being compressed
	end    error
}

func (g *gzipped) start(status int, header []Field, cause error) error {
	if g.plain || g.z != nil { // passed on: the server knows what may come now
		return g.real(status, header, cause)
	}
	if g.held && cause == nil {
		return ErrStarted
	}
	var head Head
	err := checkHead(&head, status, header)
	if err != nil {
		return err
	}
	g.held, g.status, g.header, g.length, g.cause = true, status, header, head.Length, cause
	if !compressible(status, header) {
		return g.decide(false)
	}
	if !g.accepts {
		return g.decide(false)
	}
	return nil
}

// small tells whether the answer is known to be too short to gain anything.
func (g *gzipped) small() bool {
	if g.length >= 0 {
		return g.length < leastGzip
	}
	return g.size >= 0 && g.size < leastGzip
}

// concealed tells whether this is HEAD's answer for a GET that would be
// compressed, whose length is not known therefore.
func (g *gzipped) concealed() bool {
	return g.env.Method == http.MethodHead && g.accepts && compressible(g.status, g.header) && !g.small()
}

// decide passes the head on, as it is or as that of a compressed answer.
func (g *gzipped) decide(compress bool) error {
	header := g.header
	known := g.status == http.StatusNotModified // what the client has may have been compressed
	if known || compressible(g.status, header) {
		header = vary(header)
	}
	switch {
	case compress:
		header = append(weaken(without(header, "Content-Length", "Accept-Ranges")), Field{"Content-Encoding", "gzip"})
	case g.concealed():
		header = weaken(without(header, "Content-Length"))
	case known && g.accepts:
		header = weaken(without(header))
	}
	g.held, g.plain = false, !compress
	if err := g.real(g.status, header, g.cause); err != nil {
		return err
	}
	if compress {
		g.z = g.pool.Get().(*gzipBuffer)
		g.z.buf.Reset()
		g.z.w.Reset(&g.z.buf)
	}
	return nil
}

func (g *gzipped) next() ([]byte, error) {
	if g.end != nil {
		return nil, g.end
	}
	chunk, err := pull(g.body)
	g.end = err
	if g.held && (len(chunk) > 0 || err == io.EOF) {
		whole := err == io.EOF && len(chunk) < leastGzip
		head := g.env.Method == http.MethodHead
		if broken := g.decide(!whole && !head && !g.small()); broken != nil {
			g.end = broken
			return nil, broken
		}
		if g.concealed() {
			return nil, err // its length would be told
		}
	}
	if g.z == nil || err != nil && err != io.EOF || len(chunk) == 0 && err == nil {
		return chunk, err
	}
	g.z.buf.Reset()
	g.z.w.Write(chunk) //nolint:errcheck // a buffer takes all
	if err == io.EOF {
		g.z.w.Close() //nolint:errcheck // likewise
	} else {
		g.z.w.Flush() //nolint:errcheck // likewise
	}
	return g.z.buf.Bytes(), err
}

func (g *gzipped) close() error {
	if g.z != nil {
		if g.z.buf.Cap() <= 256<<10 {
			g.pool.Put(g.z)
		}
		g.z = nil
	}
	g.end = errClosed
	return shut(g.body)
}

// compressible tells whether an answer may be compressed, whoever asks for it.
func compressible(status int, header []Field) bool {
	if status < 200 || bodiless(status) || status == http.StatusPartialContent {
		return false
	}
	kind, _ := fieldOf(header, "Content-Type")
	if !textual(kind) {
		return false
	}
	for i := range header {
		switch name, value := header[i].Name, header[i].Value; {
		case strings.EqualFold(name, "Content-Encoding") && value != "",
			strings.EqualFold(name, "Content-Range"),
			strings.EqualFold(name, "Cache-Control") && strings.Contains(strings.ToLower(value), "no-transform"):
			return false
		}
	}
	return true
}

// textual tells whether a media type gains from compression.
func textual(kind string) bool {
	kind, _, _ = strings.Cut(strings.ToLower(kind), ";")
	kind = strings.TrimSpace(kind)
	if strings.HasPrefix(kind, "text/") || strings.HasPrefix(kind, "application/") && (strings.HasSuffix(kind, "+json") || strings.HasSuffix(kind, "+xml")) {
		return true
	}
	switch kind {
	case "application/json", "application/javascript", "application/xml", "application/wasm", "application/x-ndjson",
		"image/svg+xml", "font/ttf", "font/otf", "application/vnd.ms-fontobject":
		return true
	}
	return false
}

// acceptsGzip reads Accept-Encoding (RFC 9110 section 12.5.3): gzip, or the *
// that stands for it, with a weight above 0. Without the field nothing is
// compressed: such a client may not know how.
func acceptsGzip(env *Environ) bool {
	accepts := false
	for item := range strings.SplitSeq(env.Get("HTTP_ACCEPT_ENCODING"), ",") {
		coding, params, _ := strings.Cut(item, ";")
		coding = strings.ToLower(strings.TrimSpace(coding))
		if coding != "gzip" && coding != "x-gzip" && coding != "*" {
			continue
		}
		weight := 1.0
		if key, value, ok := strings.Cut(params, "="); ok && strings.EqualFold(strings.TrimSpace(key), "q") {
			var err error
			if weight, err = strconv.ParseFloat(strings.TrimSpace(value), 64); err != nil || !(weight >= 0) {
				weight = 0
			}
		}
		if coding != "*" {
			return weight > 0 // what names it counts more than what stands for all
		}
		accepts = weight > 0
	}
	return accepts
}

// vary adds Accept-Encoding to the field Vary, in a copy of header.
func vary(header []Field) []Field {
	for _, f := range header {
		if strings.EqualFold(f.Name, "Vary") {
			for item := range strings.SplitSeq(f.Value, ",") {
				if item = strings.TrimSpace(item); item == "*" || strings.EqualFold(item, "Accept-Encoding") {
					return header
				}
			}
		}
	}
	return append(header[:len(header):len(header)], Field{"Vary", "Accept-Encoding"})
}

// weaken makes a strong ETag in header, which it changes, a weak one: what has
// been compressed is not the same to the byte.
func weaken(header []Field) []Field {
	for i, f := range header {
		if strings.EqualFold(f.Name, "ETag") && !strings.HasPrefix(f.Value, "W/") {
			header[i].Value = "W/" + f.Value
		}
	}
	return header
}

// without returns a copy of header without the fields of these names.
func without(header []Field, names ...string) []Field {
	kept := make([]Field, 0, len(header)+1)
next:
	for _, f := range header {
		for _, name := range names {
			if strings.EqualFold(f.Name, name) {
				continue next
			}
		}
		kept = append(kept, f)
	}
	return kept
}
