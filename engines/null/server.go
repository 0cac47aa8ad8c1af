package null

import "sync/atomic"

// A server is the virtual one: it serves one request at a time, in the order
// of arrival, each for the same time. It is only a number, when it will have
// served all that has arrived, and may be shared by any number of loops.
//
// A departure is computed from the one before, and not from when that was
// carried out, so that a late wake-up delays one answer and slows nothing down.
type server struct {
	service int64        // ns
	last    atomic.Int64 // departure of the last request that has arrived
}

// admit takes a request that arrives at the time given and returns when its
// answer leaves.
func (s *server) admit(at int64) int64 {
	for {
		last := s.last.Load()
		leaves := max(at, last) + s.service
		if s.last.CompareAndSwap(last, leaves) {
			return leaves
		}
	}
}

// A customer is a request being served or waiting for it. The connection may
// be gone by then and its descriptor be another's, so each has a number.
type customer struct {
	leaves int64
	fd     int
	visit  uint64
}

// A queue holds the customers of one loop. They leave in the order in which
// they joined, since a server admits in that order.
type queue struct {
	waiting []customer // from head on
	head    int
	visits  uint64         // so far, the first being 1
	visit   map[int]uint64 // of the connections that are open
}

func (q *queue) open(fd int) {
	q.visits++
	q.visit[fd] = q.visits
}

func (q *queue) has(fd int) bool { return q.visit[fd] > 0 }

func (q *queue) join(fd int, leaves int64) {
	q.waiting = append(q.waiting, customer{leaves, fd, q.visit[fd]})
}

// leave takes the next customer whose time has come by now and whose
// connection is still there. A request takes its time of the server even if
// nobody waits for the answer any more.
func (q *queue) leave(now int64) (fd int, ok bool) {
	for q.head < len(q.waiting) && q.waiting[q.head].leaves <= now {
		c := q.waiting[q.head]
		q.head++
		if q.visit[c.fd] == c.visit {
			return c.fd, true
		}
	}
	return -1, false
}

// next is when the next customer leaves, 0 if there is none.
func (q *queue) next() int64 {
	if q.head == len(q.waiting) {
		q.waiting, q.head = q.waiting[:0], 0
		return 0
	}
	if q.head > len(q.waiting)/2 { // as much free before as in use behind
		q.waiting = q.waiting[:copy(q.waiting, q.waiting[q.head:])]
		q.head = 0
	}
	return q.waiting[q.head].leaves
}
