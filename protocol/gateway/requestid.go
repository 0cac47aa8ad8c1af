package gateway

import (
	"crypto/rand"
	"slices"
	"strings"
)

// RequestIDKey is the variable under which an app finds its request's id.
const RequestIDKey = "REQUEST_ID"

// RequestID gives each request an id: in Vars under RequestIDKey, and to the
// client in the field X-Request-ID, unless the app sets that itself. One that
// the request has come with is kept if trust says so and it is 1 to 128 letters,
// digits, and "-", "_", "." and "+/=:": a web server's in that variable (nginx:
// uwsgi_param REQUEST_ID $request_id), else a client's or a proxy's in
// X-Request-ID. Otherwise it is 26 random letters and digits (128 bits).
func RequestID(trust bool) Middleware {
	return func(app App) App {
		return func(env *Environ, start StartResponse) Body {
			id := env.Get(RequestIDKey)
			if id == "" {
				id = env.Get("HTTP_X_REQUEST_ID")
			}
			if !trust || !isID(id) {
				id = rand.Text()
			} else {
				id = strings.Clone(id) // the answer's header outlives what the server lends
			}
			others := slices.DeleteFunc(env.Vars, func(f Field) bool { return f.Name == RequestIDKey })
			env.Vars = append(others, Field{RequestIDKey, id})
			return app(env, func(status int, header []Field, cause error) error {
				return start(status, withField(header, "X-Request-ID", id), cause)
			})
		}
	}
}

func isID(s string) bool {
	for i := range len(s) {
		c := s[i]
		alnum := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !alnum && strings.IndexByte("-_.+/=:", c) < 0 {
			return false
		}
	}
	return 0 < len(s) && len(s) <= 128
}

// withField returns header with a field added, unless it has that. The app's
// own slice, which it may use for other requests, is left as it is.
func withField(header []Field, name, value string) []Field {
	if _, ok := fieldOf(header, name); ok {
		return header
	}
	return append(header[:len(header):len(header)], Field{name, value})
}

// fieldOf returns the value of the first field of that name, in whatever case.
func fieldOf(header []Field, name string) (value string, ok bool) {
	for i := range header {
		if strings.EqualFold(header[i].Name, name) {
			return header[i].Value, true
		}
	}
	return "", false
}
