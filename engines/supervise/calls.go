package supervise

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/dynobench/dyno/protocol/gateway"
)

// calls are the requests that a worker has in hand, to find the one that takes
// too long. They cost a lock at the beginning and the end of each and around each
// piece of an answer, and are kept only where there is a limit.
type calls struct {
	limit time.Duration
	mu    sync.Mutex
	open  map[*call]struct{}
}

// call is one request, from the call of the app to the Close of its Body. Its
// time is the app's: it stops when the app has given a piece of the answer and
// goes on when the next one is asked for, since the client may take as long as it
// likes to read what lies between. An empty piece stops nothing: the app has
// given up its turn, not its work.
type call struct {
	of   *calls
	body gateway.Body
	line [3]string // of the request; valid while the call is open

	// The rest is written with of.mu held.
	began time.Time     // zero while the client's time runs
	spent time.Duration // before began
}

func newCalls(limit time.Duration) *calls {
	return &calls{limit: limit, open: make(map[*call]struct{})}
}

// watch has the requests of app known.
func (c *calls) watch(app gateway.App) gateway.App {
	return func(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
		k := &call{of: c, line: [3]string{env.Method, env.RequestURI, env.Proto}, began: time.Now()}
		c.mu.Lock()
		c.open[k] = struct{}{}
		c.mu.Unlock()
		defer func() {
			if k.body == nil { // the app has panicked, or has given none
				k.end()
			}
		}()
		k.body = app(env, start)
		switch b := k.body.(type) {
		case nil:
			return nil
		case gateway.Sized:
			return &sizedCall{k, b.Size()}
		}
		return k
	}
}

func (k *call) end() {
	k.of.mu.Lock()
	delete(k.of.open, k)
	k.of.mu.Unlock()
}

// resume has the app's time run, unless it does.
func (k *call) resume() {
	k.of.mu.Lock()
	if k.began.IsZero() {
		k.began = time.Now()
	}
	k.of.mu.Unlock()
}

// pause has the client's time run.
func (k *call) pause() {
	k.of.mu.Lock()
	k.spent += time.Since(k.began)
	k.began = time.Time{}
	k.of.mu.Unlock()
}

// took is the app's time at now; of.mu is held.
func (k *call) took(now time.Time) time.Duration {
	if k.began.IsZero() {
		return k.spent
	}
	return k.spent + now.Sub(k.began)
}

// Next implements gateway.Body.
func (k *call) Next() ([]byte, error) {
	k.resume()
	chunk, err := k.body.Next()
	if len(chunk) > 0 || err != nil {
		k.pause()
	}
	return chunk, err
}

// Close implements gateway.Body.
func (k *call) Close() error {
	k.resume()
	defer k.end()
	return k.body.Close()
}

type sizedCall struct {
	*call
	size int64
}

var _ gateway.Sized = (*sizedCall)(nil)

// Size implements gateway.Sized.
func (s *sizedCall) Size() int64 { return s.size }

// look tells of the oldest request that takes too long, once, and then no more:
// it is the end of the process.
func (c *calls) look(ctx context.Context, tell func(line string, took time.Duration)) {
	t := time.NewTicker(max(c.limit/8, 5*time.Millisecond))
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return // in the drain its limit holds
		case <-t.C:
		}
		if line, took := c.oldest(time.Now()); took > c.limit {
			tell(line, took)
			return
		}
	}
}

// oldest is the request on which the app has spent most time.
func (c *calls) oldest(now time.Time) (line string, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var first *call
	for k := range c.open {
		if t := k.took(now); first == nil || t > took {
			first, took = k, t
		}
	}
	if first == nil {
		return "", 0
	}
	return strings.Join(first.line[:], " "), took
}
