package netio

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// A kernel that is 40 to 60 µs late each time, and now and then by
// milliseconds, is made up for by what it usually is late at the least.
func TestWakeLearns(t *testing.T) {
	var w Wake
	r := rand.New(rand.NewPCG(1, 2))
	early := 0
	var late []int64
	for i := range 5000 {
		due := int64(i) * 1e6
		alarm := w.Alarm(due)
		at := alarm + 40e3 + r.Int64N(20e3)
		if i%100 == 0 {
			at += 3e6
		}
		w.Woke(alarm, at)
		if i < 1000 {
			continue
		}
		if late = append(late, at-due); at < due {
			early++
			if due-at > 20e3 {
				t.Fatalf("awake %d ns before it is due", due-at)
			}
			if !w.Dozes(due, at) {
				t.Fatal("falls asleep again")
			}
		}
	}
	slices.Sort(late)
	if median := late[len(late)/2]; median > 15e3 {
		t.Errorf("half of the wake-ups are more than %d ns late, though the kernel is predictable", median)
	}
	if early < len(late)/20 || early > len(late)/5 {
		t.Errorf("%d of %d wake-ups came early, expected one in ten", early, len(late))
	}
}

// A host that changes is followed, within bounds.
func TestWakeFollows(t *testing.T) {
	var w Wake
	for range 1000 {
		w.Woke(0, 1e9)
	}
	if w.usual != mostEarly {
		t.Fatalf("%d ns expected of a kernel that is late by a second", w.usual)
	}
	for range 1000 {
		w.Woke(0, 5e3)
	}
	if w.usual > 8e3 {
		t.Errorf("%d ns expected of a kernel that has come to be late by 5 µs", w.usual)
	}
	for range 1000 {
		w.Woke(10, 0)
	}
	if w.usual != 0 {
		t.Errorf("%d ns expected of a kernel that is early", w.usual)
	}
}
