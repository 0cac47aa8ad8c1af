package record

import "github.com/dynobench/dyno/results"

// A Reading is what a generator has to tell.
type Reading struct {
	Warmup      int64   // ns
	Start, End  int64   // of the window
	Utilisation float64 // of the busiest thread, 0 to 1
	ProcessCPU  int64   // ns of CPU that the whole process used in the window
	Stepped     int64   // ns that the wall clock was set forward by, or back
	Interrupted bool
	Short       float64 // ns that the warm-up was too short by

	Recorders []*Recorder  // one for each thread
	Tls       *results.TLS // https, native
	Groups    []*Group     // native
	GroupsCPU int64        // ns that their thread used in the window
}

// Merged is the record of all threads together. It is called once.
func (m *Reading) Merged() *Recorder {
	for _, one := range m.Recorders {
		one.Quiet.finish(m.Start, m.End, one.gaveUp)
	}
	r := m.Recorders[0]
	for _, other := range m.Recorders[1:] {
		r.add(other)
	}
	return r
}
