package stats

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// dependence estimates the correlation of successive rounds from how far each
// known target is away from the others in them.
//
// For each target the mean square of successive differences is put in relation
// to twice the variance (von Neumann 1941), which is 1 on average where rounds
// are independent, however few they are, and however noisy the target is.
// The mean over the targets is compared with what it would be for an
// autoregressive process: whatever has the same short memory has about the same
// effect on a mean.
func (b *Blocks) dependence() float64 {
	sum, n := 0.0, 0
	for i, known := range b.known {
		if !known {
			continue
		}
		e, _ := b.apart(i)
		if len(e) < MinTrials {
			continue
		}
		squares := 0.0
		for r := range e[1:] {
			squares += (e[r+1] - e[r]) * (e[r+1] - e[r])
		}
		if v := Variance(e); v > rounding {
			sum, n = sum+squares/float64(len(e)-1)/(2*v), n+1
		}
	}
	if n < few {
		return 0
	}
	ratio, m := sum/float64(n), float64(b.Rounds())
	// For one target the ratio has the standard deviation √((m−2)/(m²−1)) where
	// rounds are independent; taking the others' mean away costs one of them.
	sd := math.Sqrt((m - 2) / (m*m - 1) / float64(n-1))
	b.depends = distuv.UnitNormal.CDF((ratio-1)/sd) < dependAt
	rho := correlation(ratio, b.Rounds())
	// Few rounds tell little of it: what is found counts for as much as it is
	// surer than what is usual.
	sd /= (1 - neumann(0.1, b.Rounds())) / 0.1
	return rho * usual * usual / (usual*usual + sd*sd)
}

// usual is how large a correlation of rounds may be expected to be.
const usual = 0.3

// dependAt is the chance that independent rounds are said to depend on each other.
const dependAt = 0.01

// few targets do not tell the correlation: taking it at its word would cost more
// power than it saves false alarms.
const few = 4

// mostDependence is where what successive rounds tell ends: all of them are one.
const mostDependence = 0.8

// correlation returns that of an autoregressive process of n values whose von
// Neumann ratio is the given one on average.
func correlation(ratio float64, n int) float64 {
	lo, hi := 0.0, mostDependence
	if ratio >= 1 {
		return 0
	}
	for range 30 {
		if mid := (lo + hi) / 2; neumann(mid, n) > ratio {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi
}

// neumann returns the von Neumann ratio of such a process, about.
func neumann(rho float64, n int) float64 { return (1 - rho) / (1 - (mean(rho, n)-1)/float64(n-1)) }

// mean returns how many times the variance of the mean of n values is that of
// independent ones, when each has the correlation rho with the one before.
func mean(rho float64, n int) float64 {
	f, power := 1.0, 1.0
	for lag := 1; lag < n; lag++ {
		power *= rho
		f += 2 * (1 - float64(lag)/float64(n)) * power
	}
	return f
}

// inflation returns by how much the variance of the mean of n such values is
// larger than their variance, over n, says: the mean moves more, and they lie
// closer together.
func inflation(rho float64, n int) float64 {
	f := mean(rho, n)
	return f / (1 - (f-1)/float64(n-1))
}
