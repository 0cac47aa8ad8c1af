package gateway

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Access is what AccessLog tells of a request that has ended. Its strings, and
// Env, are the server's: they are gone when the function that gets it returns.
type Access struct {
	Env      *Environ // as the app has left it
	Method   string
	Target   string // as sent
	Proto    string
	Client   string // address; "" for a unix socket
	Status   int    // 500 where the app has failed before anything left, 0 where it has aborted
	Bytes    int64  // of the body, as far as the server has taken it
	Start    time.Time
	Duration time.Duration // from the app's call to the end of its answer, the client's reading included
	Err      error         // why the answer was broken off; nil if it was not, or if the client left
}

// AccessLog hands each request to log when it has ended, whatever its end was.
// log is called from as many goroutines as there are requests in flight.
//
//	gateway.AccessLog(gateway.CombinedLog(file))
//	gateway.AccessLog(gateway.SlogLog(slog.New(slog.NewJSONHandler(os.Stdout, nil))))
func AccessLog(log func(*Access)) Middleware {
	return func(app App) App {
		return func(env *Environ, start StartResponse) Body {
			a := &Access{Env: env, Method: env.Method, Target: env.RequestURI, Proto: env.Proto, Client: env.RemoteAddr, Start: time.Now()}
			end := func() {
				switch {
				case a.Bytes == 0 && Aborted(a.Err): // there is no answer
					a.Status = 0
				case a.Err != nil && a.Bytes == 0 || a.Status == 0:
					a.Status = http.StatusInternalServerError
				}
				a.Duration = time.Since(a.Start)
				log(a)
			}
			called := false
			defer func() {
				if called {
					return
				}
				again := a.panicked(recover()) // so that there is no body to be closed
				end()
				again()
			}()
			body := app(env, func(status int, header []Field, cause error) error {
				err := start(status, header, cause)
				if err == nil {
					a.Status = status
				}
				return err
			})
			called = true
			next := func() (chunk []byte, err error) {
				done := false
				defer func() {
					if !done {
						again := a.panicked(recover())
						again()
					}
				}()
				chunk, err = pull(body)
				done = true
				a.Bytes += int64(len(chunk))
				if err != nil && err != io.EOF {
					a.Err = err
				}
				return chunk, err
			}
			return wrapBody(body, next, func() error {
				defer end()
				return shut(body)
			})
		}
	}
}

// panicked notes a panic of the app, and returns what panics on. A nil value is
// the end of the goroutine, which nobody can hold up.
func (a *Access) panicked(v any) (again func()) {
	a.Err = ErrPanic
	if v == http.ErrAbortHandler {
		a.Err = http.ErrAbortHandler
	}
	return func() {
		if v != nil {
			panic(v)
		}
	}
}

// CommonLog writes to w in the Common Log Format, a line and a Write for each
// request. What clients send is escaped as Apache's httpd does: quotes and
// backslashes with a backslash, all but printable ASCII as \xhh, so that no one
// can forge a line or drive a terminal.
func CommonLog(w io.Writer) func(*Access) { return logLines(w, false) }

// CombinedLog is CommonLog with the fields Referer and User-Agent.
func CombinedLog(w io.Writer) func(*Access) { return logLines(w, true) }

func logLines(w io.Writer, combined bool) func(*Access) {
	var mu sync.Mutex
	var line []byte
	return func(a *Access) {
		mu.Lock()
		defer mu.Unlock()
		line = appendWord(line[:0], a.Client)
		line = append(line, " - "...)
		line = appendWord(line, a.Env.Get("REMOTE_USER"))
		line = a.Start.AppendFormat(append(line, ' '), "[02/Jan/2006:15:04:05 -0700]")
		line = append(line, ` "`...)
		line = appendEscaped(line, a.Method, false)
		line = appendEscaped(append(line, ' '), a.Target, false)
		line = appendEscaped(append(line, ' '), a.Proto, false)
		line = append(line, `" `...)
		if a.Status == 0 {
			line = append(line, '-')
		} else {
			line = strconv.AppendInt(line, int64(a.Status), 10)
		}
		line = append(line, ' ')
		if a.Bytes == 0 {
			line = append(line, '-')
		} else {
			line = strconv.AppendInt(line, a.Bytes, 10)
		}
		if combined {
			line = appendQuoted(line, a.Env.Get("HTTP_REFERER"))
			line = appendQuoted(line, a.Env.Get("HTTP_USER_AGENT"))
		}
		line = append(line, '\n')
		w.Write(line) //nolint:errcheck // there is nowhere to tell
	}
}

// appendWord appends a field that is not quoted, so that it must not have blanks.
func appendWord(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, '-')
	}
	return appendEscaped(dst, s, true)
}

func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, ` "`...)
	if s == "" {
		dst = append(dst, '-')
	}
	return append(appendEscaped(dst, s, false), '"')
}

func appendEscaped(dst []byte, s string, word bool) []byte {
	const hex = "0123456789abcdef"
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ' || c >= 0x7f || word && c == ' ':
			dst = append(dst, '\\', 'x', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// SlogLog logs each request to logger at level Info, or Error where its answer
// was broken off. With slog's JSON and text handlers what clients send is escaped.
func SlogLog(logger *slog.Logger) func(*Access) {
	return func(a *Access) {
		level := slog.LevelInfo
		attrs := make([]slog.Attr, 0, 12)
		text := func(key, value string) { // a handler may keep it
			if value != "" {
				attrs = append(attrs, slog.String(key, strings.Clone(value)))
			}
		}
		text("client", a.Client)
		text("user", a.Env.Get("REMOTE_USER"))
		text("method", a.Method)
		text("target", a.Target)
		text("proto", a.Proto)
		attrs = append(attrs, slog.Int("status", a.Status), slog.Int64("bytes", a.Bytes), slog.Duration("duration", a.Duration))
		text("referer", a.Env.Get("HTTP_REFERER"))
		text("agent", a.Env.Get("HTTP_USER_AGENT"))
		text("id", a.Env.Get(RequestIDKey))
		if a.Err != nil {
			level = slog.LevelError
			text("error", a.Err.Error())
		}
		// Not with the request's Context, which may have ended: the line must not be lost.
		logger.LogAttrs(context.Background(), level, "request", attrs...)
	}
}
