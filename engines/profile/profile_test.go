package profile

import (
	"bytes"
	"compress/gzip"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
)

func get(h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

// mustProfile fails the test unless b is a profile as pprof reads it.
func mustProfile(t *testing.T, b []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatalf("no profile: %v\n%.200q", err, b)
	}
	raw, err := io.ReadAll(z)
	if err != nil || len(raw) == 0 {
		t.Fatalf("no profile: %d bytes, %v", len(raw), err)
	}
	return raw
}

func TestHandler(t *testing.T) {
	h := Handler()
	for _, name := range []string{"heap?gc=1", "allocs", "goroutine", "mutex", "block", "threadcreate", "profile?seconds=0.01"} {
		t.Run(name, func(t *testing.T) {
			w := get(h, "/debug/pprof/"+name)
			if w.Code != http.StatusOK {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			mustProfile(t, w.Body.Bytes())
		})
	}
	if w := get(h, "/debug/pprof/trace?seconds=0.01"); w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), "go 1.") {
		t.Errorf("trace: %d %.40q", w.Code, w.Body)
	}
	for path, want := range map[string]int{
		"/debug/pprof/": http.StatusOK, "/debug/pprof/none": http.StatusNotFound, "/": http.StatusNotFound,
		"/debug/pprof/profile?seconds=-1": http.StatusBadRequest, "/debug/pprof/mutex?seconds=NaN": http.StatusBadRequest,
	} {
		if w := get(h, path); w.Code != want {
			t.Errorf("%s: %d %s, want %d", path, w.Code, w.Body, want)
		}
	}
}

// TestMutexOnlyWhileAsked has a lock contended while nobody asks and while
// somebody does.
func TestMutexOnlyWhileAsked(t *testing.T) {
	contend := func() {
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for range 200 {
					mu.Lock()
					runtime.Gosched()
					mu.Unlock()
				}
			})
		}
		all.Wait()
	}
	h := Handler()
	sampled := func() bool {
		return bytes.Contains(mustProfile(t, get(h, "/debug/pprof/mutex").Body.Bytes()), []byte("TestMutexOnlyWhileAsked"))
	}
	contend()
	if sampled() {
		t.Error("locks were sampled though nobody had asked")
	}
	stop := make(chan struct{})
	var busy sync.WaitGroup
	busy.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				contend()
			}
		}
	})
	w := get(h, "/debug/pprof/mutex?seconds=0.1")
	close(stop)
	busy.Wait()
	if !bytes.Contains(mustProfile(t, w.Body.Bytes()), []byte("TestMutexOnlyWhileAsked")) {
		t.Error("a contended lock is not in the profile")
	}
	if got := runtime.SetMutexProfileFraction(-1); got != 0 {
		t.Errorf("afterwards one wait in %d is sampled still", got)
	}
}

func TestOneAtATime(t *testing.T) {
	takingTrace.Lock()
	w := get(Handler(), "/debug/pprof/trace?seconds=1")
	takingTrace.Unlock()
	if w.Code != http.StatusConflict {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// unread is a client that takes nothing until it is released.
type unread struct {
	*httptest.ResponseRecorder
	began chan struct{} // closed by the first write
	once  sync.Once
	gate  chan struct{}
}

func (u *unread) Write(p []byte) (int, error) {
	u.once.Do(func() { close(u.began) })
	<-u.gate
	return u.ResponseRecorder.Write(p)
}

// TestUnread: while one of each kind is not read, all others are still to be had,
// and of those that are not read in one piece a second one, too.
func TestUnread(t *testing.T) {
	h := Handler()
	names := []string{"trace?seconds=0.01", "profile?seconds=0.01", "mutex?seconds=0.01", "block?seconds=0.01", "heap", "goroutine"}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			u := &unread{ResponseRecorder: httptest.NewRecorder(), began: make(chan struct{}), gate: make(chan struct{})}
			var all sync.WaitGroup
			all.Go(func() { h.ServeHTTP(u, httptest.NewRequest(http.MethodGet, "/debug/pprof/"+name, nil)) })
			<-u.began
			for _, other := range names {
				want := http.StatusOK
				if other == name && strings.HasPrefix(name, "trace") {
					want = http.StatusConflict
				}
				if w := get(h, "/debug/pprof/"+other); w.Code != want {
					t.Errorf("%s while %s is not read: %d %s, want %d", other, name, w.Code, w.Body, want)
				}
			}
			close(u.gate)
			all.Wait()
		})
	}
}

func TestWorkers(t *testing.T) {
	dial := func(id int) (net.Conn, error) {
		if id != 2 {
			return nil, io.ErrUnexpectedEOF
		}
		a, b := net.Pipe()
		go ServeConn(b, Handler())
		return a, nil
	}
	h := Workers(Handler(), func() []int { return []int{2, 3} }, dial)
	if w := get(h, "/workers"); w.Body.String() != `["/worker/2/debug/pprof/","/worker/3/debug/pprof/"]`+"\n" {
		t.Errorf("workers: %s", w.Body)
	}
	mustProfile(t, get(h, "/worker/2/debug/pprof/heap").Body.Bytes())
	mustProfile(t, get(h, "/debug/pprof/heap").Body.Bytes())
	for path, want := range map[string]int{"/worker/3/debug/pprof/heap": http.StatusBadGateway, "/worker/x/debug/pprof/heap": http.StatusBadGateway, "/worker/2/debug/pprof/none": http.StatusNotFound} {
		if w := get(h, path); w.Code != want {
			t.Errorf("%s: %d %s, want %d", path, w.Code, w.Body, want)
		}
	}
}
