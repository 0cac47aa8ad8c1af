package crowd

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/dynobench/dyno/bench/load/record"
)

// The heap rings each alarm once, the earliest first, as a plain search would.
func TestAlarms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "slots")
		a := alarms{slots: make([]slot, n)}
		want := map[int32]int64{}
		for i := range a.slots {
			a.slots[i].init(int32(i), 0)
		}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			i := int32(rapid.IntRange(0, n-1).Draw(t, "slot"))
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0, 1:
				at := int64(rapid.IntRange(0, 50).Draw(t, "time"))
				a.set(i, at)
				want[i] = at
			case 2:
				a.cancel(i)
				delete(want, i)
			case 3:
				if len(want) > 0 {
					first, popped := a.first(), a.pop()
					if at, ok := want[popped]; !ok || at != first {
						t.Fatalf("slot %d rings at %d, it wants %d", popped, first, at)
					}
					delete(want, popped)
				}
			}
			first := int64(record.Never)
			for _, at := range want {
				first = min(first, at)
			}
			if a.first() != first || len(a.heap) != len(want) {
				t.Fatalf("first at %d of %d, want %d of %d", a.first(), len(a.heap), first, len(want))
			}
		}
	})
}
