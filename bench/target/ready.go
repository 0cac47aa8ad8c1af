package target

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/dynobench/dyno/internal/format"
)

// Check is the answer that proves a server ready.
type Check struct {
	URL     string        // http://host:port/path, asked with GET; any 2xx is right
	Body    []byte        // the body wanted; nil: any
	Timeout time.Duration // of the whole wait; default 30s
	// Client asks where the URL's scheme is not http. It makes a connection for
	// each request. Default net/http's.
	Client http.RoundTripper
}

// DefaultReadyTimeout is the longest wait for readiness. Interpreters with a
// cold disk need several seconds.
const DefaultReadyTimeout = 30 * time.Second

// ReadyError says why a server did not get ready.
type ReadyError struct {
	Name    string
	URL     string
	Waited  time.Duration
	Cause   error  // what the last attempt saw, or the context's error; nil if there was none
	Exit    *Exit  // set when the process ended
	Tail    string // the last output of the process
	timeout bool
}

func (e *ReadyError) Unwrap() error { return e.Cause }

func (e *ReadyError) Error() string {
	var b strings.Builder
	switch {
	case e.Exit != nil:
		fmt.Fprintf(&b, "%s ended before it was ready (%v); dyno waited for GET %s", e.Name, *e.Exit, e.URL)
	case e.timeout:
		fmt.Fprintf(&b, "%s is not ready after %v: dyno waited for GET %s", e.Name, e.Waited.Round(time.Millisecond), e.URL)
	default:
		fmt.Fprintf(&b, "%s: the wait for GET %s was given up", e.Name, e.URL)
	}
	if e.Cause != nil {
		fmt.Fprintf(&b, ": %v", e.Cause)
	}
	if out := format.LastLines(e.Tail, 20); out != "" {
		b.WriteString("\nits last output:\n    " + strings.ReplaceAll(out, "\n", "\n    "))
	} else {
		b.WriteString("\nit wrote nothing to stdout or stderr")
	}
	return b.String()
}

// AddressInUse reports whether the server complained that its address was
// taken. Servers have no common way to say so but the system's
// words (gunicorn has its own).
func (e *ReadyError) AddressInUse() bool {
	out := strings.ToLower(e.Tail)
	for _, words := range []string{"address already in use", "address in use", "connection in use", "eaddrinuse", "errno 98", "errno: 98"} {
		if strings.Contains(out, words) {
			return true
		}
	}
	return false
}

// maxReadyBody bounds what is read of an answer to the readiness request.
const maxReadyBody = 1 << 20

// Ready asks until the answer is right: a connection of its own for each
// attempt, no redirects, no proxy. It returns at once when the tree ends, and
// on ctx. Any failure is a *ReadyError. The tree is left as it is: the caller
// stops it.
func (p *Process) Ready(ctx context.Context, c Check) error {
	if c.Timeout <= 0 {
		c.Timeout = DefaultReadyTimeout
	}
	began := time.Now()
	over, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	go func() { // a request in flight is cut when the tree dies
		select {
		case <-p.done:
			cancel()
		case <-over.Done():
		}
	}()
	if c.Client == nil {
		c.Client = &http.Transport{DisableKeepAlives: true}
	}
	client := &http.Client{
		Transport:     c.Client,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}

	var last error
	for pause := 2 * time.Millisecond; ; pause = min(pause*3/2, 100*time.Millisecond) {
		err := ask(over, client, c)
		exit, ended := p.Exit()
		if err == nil && !ended {
			return nil
		}
		if err != nil && over.Err() == nil {
			last = err
		}
		if !ended && over.Err() == nil {
			wait := time.NewTimer(pause)
			select {
			case <-wait.C:
			case <-p.done:
			case <-over.Done():
			}
			wait.Stop()
			exit, ended = p.Exit()
		}
		switch e := (&ReadyError{Name: p.c.name(), URL: c.URL, Waited: time.Since(began), Cause: last}); {
		case ended:
			e.Exit, e.Tail = &exit, p.Tail()
			return e
		case ctx.Err() != nil:
			e.Cause, e.Tail = ctx.Err(), p.Tail()
			return e
		case over.Err() != nil:
			e.timeout, e.Tail = true, p.Tail()
			return e
		}
	}
}

// ask makes one attempt. It has a limit of its own, so that a server which
// accepts a connection and then replaces itself is asked again.
func ask(ctx context.Context, client *http.Client, c Check) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return unwrapURL(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReadyBody))
	switch {
	case resp.StatusCode/100 != 2:
		return fmt.Errorf("status %d: %s", resp.StatusCode, format.Excerpt(body))
	case err != nil:
		return fmt.Errorf("status %d, and the body broke off: %w", resp.StatusCode, err)
	case c.Body != nil && !bytes.Equal(body, c.Body):
		return fmt.Errorf("status %d with the wrong body %s, wanted %s", resp.StatusCode, format.Excerpt(body), format.Excerpt(c.Body))
	}
	return nil
}

// unwrapURL drops the method and the URL, which ReadyError tells already.
func unwrapURL(err error) error {
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}
