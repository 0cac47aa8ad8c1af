package native

// maxFrame is how long an answer may be to be remembered: parsing a longer one
// costs little beside reading it.
const maxFrame = 4 << 10

// maxMissed is how many answers in a row may differ from what is remembered
// before no special effort is made to remember the next.
const maxMissed = 8

// A frame is the last right answer to a class of requests, whole, as it came.
// Most servers answer the same request with the same bytes, but for the date
// once a second. An answer that equals one that has been parsed, and compared
// with what is expected, is as right as that one to the last byte; whatever
// differs is parsed. The zero value remembers nothing.
type frame struct {
	bytes  []byte
	status int
	missed int // answers parsed since the last that was the same
}

// matches tells whether b begins with the answer.
func (f *frame) matches(b []byte) bool {
	n := len(f.bytes)
	if n == 0 || len(b) < n || string(b[:n]) != string(f.bytes) {
		return false
	}
	f.missed = 0
	return true
}

// wanted tells whether the next answer that is parsed should be compared with
// what is expected, so that it can be remembered.
func (f *frame) wanted() bool { return f.missed < maxMissed }

// learn is told of each answer that is parsed; right tells that b is the whole
// of it, that it has an end of its own and has been compared.
func (f *frame) learn(b []byte, status int, right bool) {
	f.missed++
	if right && len(b) <= maxFrame {
		f.bytes, f.status = append(f.bytes[:0], b...), status
	}
}
