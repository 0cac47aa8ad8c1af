package gateway

import (
	"net/http"
	"strings"
)

// Router sends requests to apps by their method, host and path, with the
// patterns of http.ServeMux: "GET /users/{id}", "example.com/static/",
// "/files/{path...}", "/{$}". It is http.ServeMux that decides, so precedence,
// redirects to the clean path, 404, and 405 with Allow are as there.
//
// The zero value has no routes. Routes are added before Serve is used.
type Router struct{ mux http.ServeMux }

// Handle adds a route. It panics for a pattern that is malformed, or in
// conflict with one that is there, as http.ServeMux does.
func (r *Router) Handle(pattern string, app App) {
	r.mux.HandleFunc(pattern, func(w http.ResponseWriter, req *http.Request) {
		w.(*routed).app, w.(*routed).req = app, req
	})
}

// Serve is the Router's App. What a pattern's wildcards have matched is found by PathValue.
func (r *Router) Serve(env *Environ, start StartResponse) Body {
	w := &routed{header: http.Header{}, status: http.StatusOK}
	r.mux.ServeHTTP(w, &http.Request{
		Method: env.Method, Host: env.Host, URL: requestURL(env), RequestURI: env.RequestURI,
		Proto: env.Proto, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
	})
	if w.app != nil {
		w.values(env)
		return w.app(env, start)
	}
	if err := start(w.status, headerFields(w.header, w.status), nil); err != nil {
		return Fail(err)
	}
	return String(w.text.String())
}

// pathValue is what the keys of PathValue begin with in Vars.
const pathValue = "dyno.path."

// PathValue is what the wildcard name of the pattern that led to the app has
// matched, decoded; "" if there is none of that name.
func PathValue(env *Environ, name string) string {
	for i := len(env.Vars) - 1; i >= 0; i-- { // the innermost router's
		if key, ok := strings.CutPrefix(env.Vars[i].Name, pathValue); ok && key == name {
			return env.Vars[i].Value
		}
	}
	return ""
}

// routed is what the mux answers with: an app, or a redirect or an error of its own.
type routed struct {
	app    App
	req    *http.Request
	header http.Header
	status int
	text   strings.Builder
}

func (w *routed) Header() http.Header         { return w.header }
func (w *routed) WriteHeader(status int)      { w.status = status }
func (w *routed) Write(p []byte) (int, error) { return w.text.Write(p) }

// values adds what the pattern's wildcards have matched to env.Vars.
func (w *routed) values(env *Environ) {
	for rest := w.req.Pattern; ; {
		_, after, ok := strings.Cut(rest, "{")
		if !ok {
			return
		}
		name, after, _ := strings.Cut(after, "}")
		if name = strings.TrimSuffix(name, "..."); name != "$" {
			env.Vars = append(env.Vars, Field{pathValue + name, w.req.PathValue(name)})
		}
		rest = after
	}
}
