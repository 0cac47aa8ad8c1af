package protocol

// Held is how many bytes of buffers a Session holds.
func (s *Session) Held() int {
	if s.w == nil {
		return 0
	}
	return cap(s.w.in) + cap(s.w.out)
}
