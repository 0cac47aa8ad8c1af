package gateway

import (
	"fmt"
	"io"
	"net/http"
)

// Recover makes a panic of the app a 500 if nothing has left yet, and a cut
// connection otherwise. Servers of dyno's do that themselves; Recover does it
// further in, so that middleware around it sees an answer rather than a panic,
// and tells report, if not nil, of each one. Without report it is written to
// env.Errors. A panic with http.ErrAbortHandler is passed on.
func Recover(report func(*Environ, *PanicError)) Middleware {
	return func(app App) App {
		return func(env *Environ, start StartResponse) Body {
			tell := func(err error) {
				p := err.(*PanicError) // recovered makes no others, but for what is Aborted
				if report != nil {
					report(env, p)
				} else {
					fmt.Fprintf(env.Errors, "%s %s: %v\n", env.Method, env.RequestURI, p)
				}
			}
			r := &rescued{start: start}
			if err := guard(func() { r.body = app(env, r.start) }); err != nil {
				if Aborted(err) {
					return Fail(err)
				}
				tell(err)
				chunk, err := r.replace(http.StatusInternalServerError, err)
				if err != io.EOF {
					return Fail(err)
				}
				return Bytes(chunk)
			}
			next := func() ([]byte, error) {
				if r.end != nil {
					return nil, r.end
				}
				var chunk []byte
				if err := guard(func() { chunk, r.end = pull(r.body) }); err != nil {
					if r.end = err; Aborted(err) {
						return nil, err
					}
					tell(err)
					return r.replace(http.StatusInternalServerError, err)
				}
				r.left = r.left || len(chunk) > 0
				return chunk, r.end
			}
			return wrapBody(r.body, next, func() (err error) {
				if panicked := guard(func() { err = shut(r.body) }); panicked != nil && !Aborted(panicked) {
					tell(panicked)
				}
				return err
			})
		}
	}
}

// guard runs app code.
func guard(f func()) (err error) {
	defer recovered(&err)
	f()
	return nil
}
