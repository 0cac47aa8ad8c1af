package null

import (
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// TestServerIsLindleys: departures obey Lindley's recursion whatever the
// arrivals, and nothing is lost to when the loop looks.
func TestServerIsLindleys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &server{service: rapid.Int64Range(1, 1e6).Draw(t, "service")}
		gaps := rapid.SliceOf(rapid.Int64Range(0, 3e6)).Draw(t, "gaps")
		at, free := int64(1), int64(0)
		for i, gap := range gaps {
			at += gap
			want := max(at, free) + s.service
			if got := s.admit(at); got != want {
				t.Fatalf("request %d, at %d with the server free from %d, leaves at %d, want %d", i, at, free, got, want)
			}
			free = want
		}
	})
}

// TestServerIsShared: however many loops there are, there is one server.
func TestServerIsShared(t *testing.T) {
	s := &server{service: 10}
	var loops sync.WaitGroup
	for range 4 {
		loops.Go(func() {
			last := int64(0)
			for range 1000 {
				leaves := s.admit(5)
				if leaves <= last {
					t.Errorf("left at %d, after one that left at %d", leaves, last)
				}
				last = leaves
			}
		})
	}
	loops.Wait()
	if got, want := s.last.Load(), int64(5+4*1000*10); got != want {
		t.Errorf("4000 requests at time 5 are served by %d, want %d", got, want)
	}
}

// TestQueueAnswersWhoIsThere: in order, when it is time, and never a client
// that has got the descriptor of one that is gone.
func TestQueueAnswersWhoIsThere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := queue{visit: map[int]uint64{}}
		type asked struct {
			leaves int64
			fd     int
			gone   bool
		}
		var want []*asked
		standing := map[int][]*asked{} // by descriptor, of the connection that has it now
		now, leaves := int64(0), int64(0)
		t.Repeat(map[string]func(*rapid.T){
			"open": func(t *rapid.T) {
				fd := rapid.IntRange(3, 6).Draw(t, "fd")
				if q.has(fd) {
					t.Skip()
				}
				q.open(fd)
				standing[fd] = nil
			},
			"close": func(t *rapid.T) {
				fd := rapid.IntRange(3, 6).Draw(t, "fd")
				for _, a := range standing[fd] {
					a.gone = true
				}
				delete(standing, fd)
				delete(q.visit, fd)
			},
			"ask": func(t *rapid.T) {
				fd := rapid.IntRange(3, 6).Draw(t, "fd")
				if !q.has(fd) {
					t.Skip()
				}
				leaves = max(leaves, now) + rapid.Int64Range(1, 5).Draw(t, "service")
				a := &asked{leaves: leaves, fd: fd}
				want = append(want, a)
				standing[fd] = append(standing[fd], a)
				q.join(fd, leaves)
			},
			"wait": func(t *rapid.T) {
				now += rapid.Int64Range(0, 10).Draw(t, "time")
				for len(want) > 0 && want[0].leaves <= now {
					if a := want[0]; !a.gone {
						if fd, ok := q.leave(now); !ok || fd != a.fd {
							t.Fatalf("at %d: answered %d %v, want %d", now, fd, ok, a.fd)
						}
					}
					want = want[1:]
				}
				if fd, ok := q.leave(now); ok {
					t.Fatalf("at %d: answered %d, want none", now, fd)
				}
				next := int64(0)
				if len(want) > 0 {
					next = want[0].leaves
				}
				if got := q.next(); got != next {
					t.Fatalf("at %d: the next leaves at %d, want %d", now, got, next)
				}
			},
		})
	})
}
