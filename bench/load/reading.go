package load

import "github.com/dynobench/dyno/results"

// A reading is what a generator has to tell.
type reading struct {
	warmup      int64   // ns
	start, end  int64   // of the window
	utilisation float64 // of the busiest thread, 0 to 1
	processCPU  int64   // ns of CPU that the whole process used in the window
	stepped     int64   // ns that the wall clock was set forward by, or back
	interrupted bool
	short       float64 // ns that the warm-up was too short by

	recorders []*recorder    // one for each thread
	tls       *results.TLS   // https, native
	groups    []*groupRecord // native
	groupsCPU int64          // ns that their thread used in the window
}

// merged is the record of all threads together. It is called once.
func (m *reading) merged() *recorder {
	for _, one := range m.recorders {
		one.quiet.finish(m.start, m.end, one.gaveUp)
	}
	r := m.recorders[0]
	for _, other := range m.recorders[1:] {
		r.add(other)
	}
	return r
}
