package results

import "math"

// Measure is the figure that a Warning is about and the bound that it broke, so
// that the worst of several warnings can be told without reading them.
type Measure struct {
	Value       float64 `json:"value"`
	Limit       float64 `json:"limit"` // beyond it there is a warning
	Unit        string  `json:"unit"`  // as "%" or "requests"
	LessIsWorse bool    `json:"less_is_worse,omitempty"`
}

// Above is the Measure of a figure that must not exceed limit, Below of one
// that must reach it. A figure that is no number has none.
func Above(value, limit float64, unit string) *Measure { return measure(value, limit, unit, false) }

func Below(value, limit float64, unit string) *Measure { return measure(value, limit, unit, true) }

func measure(value, limit float64, unit string, less bool) *Measure {
	for _, v := range []float64{value, limit} {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
	}
	return &Measure{value, limit, unit, less}
}

// Worse reports whether w tells of something worse than v does. Warnings that
// have no measures, or measures of different things, cannot be told apart by
// them: neither is worse.
func (w Warning) Worse(v Warning) bool {
	a, b := w.Measure, v.Measure
	switch {
	case a == nil || b == nil || a.Unit != b.Unit || a.LessIsWorse != b.LessIsWorse:
		return false
	case a.LessIsWorse:
		return a.Value < b.Value
	}
	return a.Value > b.Value
}
