package native

import "testing"

func TestQueue(t *testing.T) {
	r := newQueue(5)
	for i := range 5 {
		r.push(int32(i))
	}
	for i := range 23 { // the longest free first, around the end
		slot := r.pop()
		if slot != int32(i%5) {
			t.Fatalf("slot %d as number %d", slot, i)
		}
		r.push(slot)
	}
	if r.n != 5 {
		t.Errorf("%d slots in the queue", r.n)
	}
}

func TestShare(t *testing.T) {
	for _, n := range []int{1, 7, 64, 1000} {
		for k := 1; k <= min(n, 9); k++ {
			sum := 0
			for i := range k {
				s := share(n, i, k)
				if s < n/k || s > n/k+1 {
					t.Errorf("thread %d of %d gets %d of %d", i, k, s, n)
				}
				sum += s
			}
			if sum != n {
				t.Errorf("%d threads get %d of %d", k, sum, n)
			}
		}
	}
}
