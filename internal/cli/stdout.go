package cli

import "io"

// output is standard output. It remembers the first error, so that no verb can
// succeed whose output nobody has got, whether it looks or not.
type output struct {
	io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	if err != nil && o.err == nil {
		o.err = err
	}
	return n, err
}
