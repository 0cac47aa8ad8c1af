package load

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dynobench/dyno/bench/load/loadtest"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/scenarios/workload"
)

// A witness is a server of net/http's that writes down what it is asked.
type witness struct {
	*httptest.Server
	mu   sync.Mutex
	seen []testimony
}

type testimony struct{ class, url, id, body string }

func testify(t *testing.T) *witness {
	w := &witness{}
	w.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.ContentLength >= 0 && int64(len(body)) != r.ContentLength {
			t.Errorf("%s: %d bytes of body, %d announced; %v", r.URL, len(body), r.ContentLength, err)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		class, _, _ := strings.Cut(r.URL.Path[1:], "/")
		w.seen = append(w.seen, testimony{class, r.URL.String(), r.Header.Get("X-Id"), string(body)})
	}))
	t.Cleanup(w.Close)
	return w
}

// take returns what was seen of each class and forgets it.
func (w *witness) take() map[string][]testimony {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := map[string][]testimony{}
	for _, s := range w.seen {
		seen[s.class] = append(seen[s.class], s)
	}
	w.seen = nil
	return seen
}

// run returns what one run came to that had so many answers, and what was seen
// of it: on a busy host others may have none.
func (w *witness) run(t *testing.T, c plan.Config, answers int64) (l *results.Load, seen map[string][]testimony) {
	t.Helper()
	l = until(func() *results.Load {
		l := mustRun(t, c)
		seen = w.take()
		return l
	}, func(l *results.Load) bool { return l.Requests >= answers })
	return l, seen
}

func templated(t *testing.T, w *witness) plan.Config {
	t.Helper()
	d, err := workload.ParseData("d.csv", []byte("id,name\n1,Anna\n2,\"B \"\"b\"\"\"\n3,c\n"))
	if err != nil {
		t.Fatal(err)
	}
	return plan.Config{
		URL: w.URL, Connections: 4, Duration: 200 * time.Millisecond, Timeout: 20 * time.Second, Data: d,
		Requests: []plan.Request{
			{Path: "/read/${seq}/${data.id}?r=${rand:1-1000000000}", Weight: 3, Length: -1, Header: [][2]string{{"X-Id", "${data.id}"}}},
			{Path: "/write/${seq}", Method: "POST", Length: -1, Body: []byte(`{"n": ${seq:100}, "name": "${json.name}", "u": "${uuid}"}`)},
			{Path: "/fixed/${seq}", Length: -1, Verbatim: true},
		},
	}
}

// number is the n of /class/n….
func (s testimony) number(t *testing.T) int {
	n, err := strconv.Atoi(strings.FieldsFunc(s.url, func(r rune) bool { return r == '/' || r == '?' })[1])
	if err != nil {
		t.Errorf("%s: %v", s.url, err)
	}
	return n
}

// numbers holds the requests of a class to their promises and returns them by
// number.
func numbers(t *testing.T, seen []testimony, gapless bool) map[int]testimony {
	t.Helper()
	byNumber, most := map[int]testimony{}, 0
	for _, s := range seen {
		n := s.number(t)
		if before, twice := byNumber[n]; twice && before != s {
			t.Errorf("number %d is of two requests, %q and %q", n, before, s)
		} else if twice {
			t.Errorf("number %d came twice", n)
		}
		byNumber[n], most = s, max(most, n)
	}
	if gapless && most != len(byNumber) {
		t.Errorf("%d requests with numbers up to %d", len(byNumber), most)
	}
	return byNumber
}

// Each number comes once, with the row that it is the turn of, and bodies are
// whole; weights are kept.
func TestTemplatedRequests(t *testing.T) {
	eachGenerator(t, func(t *testing.T, generator string) {
		for _, threads := range []int{1, 3} {
			if threads > 1 && generator == "vegeta" {
				continue // it has none
			}
			for _, model := range []plan.Model{plan.Closed, plan.Open} {
				w := testify(t)
				c := templated(t, w)
				c.Generator, c.Model, c.Threads, c.Warmup = generator, model, threads, 100*time.Millisecond
				if model == plan.Open {
					c.Rate = 1000
				}
				l, seen := w.run(t, c, 1)
				if e := l.Errors; e.Total() != e.Unsent || l.Requests == 0 {
					t.Fatalf("%d answers, %+v", l.Requests, e)
				}
				gapless := threads == 1
				for n, s := range numbers(t, seen["read"], gapless) {
					row := c.Data.Value((n-1)%3, 0)
					if s.id != row || !strings.HasPrefix(s.url, fmt.Sprintf("/read/%d/%s?r=", n, row)) {
						t.Errorf("number %d with row %s: %+v", n, row, s)
					}
				}
				for n, s := range numbers(t, seen["write"], gapless) {
					var body struct {
						N       int
						Name, U string
					}
					if err := json.Unmarshal([]byte(s.body), &body); err != nil || body.N != n+99 || body.Name != c.Data.Value((n-1)%3, 1) || len(body.U) != 36 {
						t.Errorf("number %d: %s, %v", n, s.body, err)
					}
				}
				for _, s := range seen["fixed"] {
					if s.url != "/fixed/$%7Bseq%7D" {
						t.Errorf("a verbatim request is %s", s.url)
					}
				}
				read, all := float64(len(seen["read"])), float64(len(seen["read"])+len(seen["write"])+len(seen["fixed"]))
				if sd := math.Sqrt(all * 0.6 * 0.4); math.Abs(read-all*0.6) > 5*sd {
					t.Errorf("%v of %v requests are of a class with 3 of 5 shares", read, all)
				}
			}
		}
	})
}

// A request of the window is the same in every run of a seed, and another with
// another seed; the generator and the number of threads make no difference.
func TestTemplatedRequestsRepeat(t *testing.T) {
	w := testify(t)
	run := func(generator string, threads int, seed uint64) map[int]testimony {
		c := templated(t, w)
		c.Generator, c.Threads, c.Seed, c.Model, c.Rate, c.DataOrder = generator, threadsOf(generator, threads), seed, plan.Open, 1000, workload.Random
		_, seen := w.run(t, c, 80)
		return numbers(t, seen["read"], false)
	}
	var first map[int]testimony
	eachGenerator(t, func(t *testing.T, generator string) {
		for _, threads := range []int{1, 2} {
			if first == nil {
				first = run(generator, threads, 5)
			}
			common := 0
			for n, s := range run(generator, threads, 5) {
				if before, ok := first[n]; ok {
					if common++; s != before {
						t.Errorf("%d threads: number %d is %+v, was %+v", threads, n, s, before)
					}
				}
			}
			if common < 20 {
				t.Errorf("%d threads: %d requests in common are too few to tell", threads, common)
			}
			for n, s := range run(generator, threads, 6) {
				if s.url == first[n].url {
					t.Errorf("number %d is %s with either seed", n, s.url)
				}
			}
		}
	})
}

// A request that takes many writes is one request all the way.
func TestLargeTemplatedBody(t *testing.T) {
	eachGenerator(t, func(t *testing.T, generator string) {
		w := testify(t)
		c := plan.Config{URL: w.URL, Generator: generator, Connections: 2, Duration: 100 * time.Millisecond, Timeout: 30 * time.Second}
		filler := strings.Repeat("x", 3<<20)
		c.Requests = []plan.Request{{Method: "PUT", Path: "/large/${seq}", Body: []byte("${uuid} ${seq} " + filler + " ${seq} ${rand:1-1000000}"), Length: -1}}
		l, seen := w.run(t, c, 1)
		if l.Requests == 0 || l.Errors.Total() != 0 {
			t.Fatalf("%d answers, %+v", l.Requests, l.Errors)
		}
		for n, s := range numbers(t, seen["large"], true) {
			words := strings.Fields(s.body)
			if number := strconv.Itoa(n); len(words) != 5 || words[1] != number || words[2] != filler || words[3] != number {
				t.Errorf("number %d: a body of %d bytes and %d words", n, len(s.body), len(words))
			}
		}
	})
}

// A request that is sent again, as its connection was closed, is the same one.
func TestTemplatedRequestAgain(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the native generator needs Linux")
	}
	var mu sync.Mutex
	heads := map[string]int{}
	r := loadtest.Respond(t, "tcp", func(r *loadtest.Responder) {
		r.Answer = func(w io.Writer, n int64, head []byte) bool {
			mu.Lock()
			heads[string(head)]++
			mu.Unlock()
			if n%5 == 0 {
				w.(net.Conn).Close() // read, and not answered
				return false
			}
			return loadtest.Reply(loadtest.Hello)(w, n, head)
		}
	})
	c := loadtest.Short(r)
	c.Generator, c.Requests = "native", []plan.Request{{Path: "/${seq}?${uuid}", Length: -1}}
	l := until(func() *results.Load {
		mu.Lock()
		clear(heads)
		mu.Unlock()
		return mustRun(t, c)
	}, func(l *results.Load) bool { return l.Resent > 0 })
	if l.Resent == 0 {
		t.Fatalf("nothing was sent again: %+v", l.Errors)
	}
	mu.Lock() // the server may be at a last one
	defer mu.Unlock()
	paths := map[string]bool{}
	for head := range heads {
		number, _, _ := strings.Cut(loadtest.Path([]byte(head)), "?")
		if paths[number] {
			t.Errorf("%s came with two random parts", number)
		}
		paths[number] = true
	}
}
