package record

import "testing"

// A request that hangs while the server answers others is one error. What is
// silent after the window, since only that one is waited for, is no standstill;
// where the youngest request hangs as well, it is.
func TestQuietAfterTheWindow(t *testing.T) {
	const end, gaveUp = 1000 * ms, 6000 * ms
	for name, test := range map[string]struct {
		hung []int64 // when those began that are never answered
		want int64   // the longest stretch
	}{
		"one of many":      {[]int64{300 * ms}, 0},
		"all from then on": {[]int64{996 * ms, 998 * ms}, gaveUp - 996*ms},
		"one, then all":    {[]int64{300 * ms, 997 * ms}, gaveUp - 995*ms},
	} {
		var q quietness
		for at := int64(0); at < 995*ms; at += 5 * ms { // an open loop's, each answered in its millisecond
			q.ended(at, at+ms, true, 0, end)
		}
		q.ended(994*ms, 995*ms, true, 0, end)
		for _, begun := range test.hung {
			q.ended(begun, gaveUp, false, 0, end)
		}
		q.finish(0, end, gaveUp)
		if got := q.Longest().Length(); got != test.want {
			t.Errorf("%s: %d ms, want %d ms", name, got/ms, test.want/ms)
		}
	}
}
