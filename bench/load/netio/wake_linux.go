package netio

// A Wake knows how late the kernel wakes this thread, nine times out of ten at
// the least, and sets its alarms earlier by as much: some tens of µs on an idle
// CPU of a virtual machine. The tenth time the thread is awake early, and looks
// for events for the few µs that are left. The zero value expects the kernel in
// time.
type Wake struct {
	usual int64 // ns
}

const (
	// mostEarly bounds what is made up for: more is no delay of the kernel's
	// but a CPU that was busy.
	mostEarly = int64(100e3)
	// learns is by how much a later wake-up moves what is expected, in ns; an
	// earlier one moves it nine times as far, so that it comes to rest where one
	// in ten is early.
	learns = int64(200)
)

// Alarm is for when to set the alarm to be awake at t.
func (w *Wake) Alarm(t int64) int64 { return t - w.usual }

// Woke is told when the thread came back to life after an alarm.
func (w *Wake) Woke(alarm, at int64) {
	if at-alarm < w.usual {
		w.usual = max(w.usual-9*learns, 0)
	} else {
		w.usual = min(w.usual+learns, mostEarly)
	}
}

// Dozes tells whether there is so little time until t that it is not worth
// falling asleep again.
func (w *Wake) Dozes(t, at int64) bool { return at < t && t-at <= w.usual }
