package phases

import "testing"

func TestSteady(t *testing.T) {
	for name, test := range map[string]struct {
		slices []int64
		want   int // after how many slices, 0 never
	}{
		"at once":      {[]int64{1000, 1010, 990, 1000}, 4},
		"ramp":         {[]int64{10, 300, 900, 2000, 4000, 8000, 8010, 7990, 8000}, 9},
		"rare":         {[]int64{2, 1, 3, 2}, 4},
		"nothing":      {[]int64{0, 0, 0, 0, 0, 0}, 0},
		"swinging":     {[]int64{1000, 3000, 1000, 3000, 1000, 3000}, 0},
		"not yet long": {[]int64{1000, 1000, 1000}, 0},
	} {
		var s steady
		got := 0
		for i, n := range test.slices {
			if s.slice(n) {
				got = i + 1
				break
			}
		}
		if got != test.want {
			t.Errorf("%s: steady after %d slices, expected %d", name, got, test.want)
		}
	}
}
