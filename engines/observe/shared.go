package observe

import "sync"

// shared has many who ask for the same thing at the same time share the answers:
// each gets one that has begun to be made after it asked, and one is made at a time.
type shared[T any] struct {
	make func() T

	mu      sync.Mutex
	next    *answerOf[T] // for those who ask now; nil: nobody has
	running bool
}

type answerOf[T any] struct {
	done  chan struct{}
	value T
}

func (s *shared[T]) get() T {
	s.mu.Lock()
	if s.next == nil {
		s.next = &answerOf[T]{done: make(chan struct{})}
	}
	a := s.next
	if !s.running {
		s.running = true
		go s.run()
	}
	s.mu.Unlock()
	<-a.done
	return a.value
}

func (s *shared[T]) run() {
	for {
		s.mu.Lock()
		a := s.next
		s.next = nil
		s.running = a != nil
		s.mu.Unlock()
		if a == nil {
			return
		}
		a.value = s.make()
		close(a.done)
	}
}
