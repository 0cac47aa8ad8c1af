package load

import (
	"math"
	"testing"
)

func TestJain(t *testing.T) {
	for _, c := range []struct {
		answers []int64
		want    float64
	}{{[]int64{5, 5, 5, 5}, 1}, {[]int64{8, 0, 0, 0}, 0.25}, {[]int64{3, 1}, 0.8}, {[]int64{0, 0}, 0}, {nil, 0}} {
		if got := fairness(c.answers).Jain; math.Abs(got-c.want) > 1e-4 {
			t.Errorf("%v: %v, want %v", c.answers, got, c.want)
		}
	}
}
