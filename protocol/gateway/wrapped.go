package gateway

import "io"

// wrapBody is a Body with another Next and Close, for a middleware that
// watches body. It stays Sized if body is, so that to be watched does not cost
// an answer its Content-Length.
func wrapBody(body Body, next func() ([]byte, error), shut func() error) Body {
	w := wrapped{next, shut}
	if s, ok := body.(Sized); ok {
		return &wrappedSized{w, s.Size()}
	}
	return &w
}

type wrapped struct {
	next func() ([]byte, error)
	shut func() error
}

func (w *wrapped) Next() ([]byte, error) { return w.next() }
func (w *wrapped) Close() error          { return w.shut() }

type wrappedSized struct {
	wrapped
	size int64
}

var _ Sized = (*wrappedSized)(nil)

func (w *wrappedSized) Size() int64 { return w.size }

// pull and shut are Next and Close of a Body that may be nil.
func pull(b Body) ([]byte, error) {
	if b == nil {
		return nil, io.EOF
	}
	return b.Next()
}

func shut(b Body) error {
	if b == nil {
		return nil
	}
	return b.Close()
}
