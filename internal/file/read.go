package file

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
)

// reading is the name of what is being read, nil most of the time.
var reading atomic.Pointer[string]

// Reading tells which input the process is reading, "" if none. A pipe may never
// end, nor even open, and nothing else can interrupt that.
func Reading() string {
	if name := reading.Load(); name != nil {
		return *name
	}
	return ""
}

// Read returns the content of the file or pipe at path, an error if it has more
// than limit bytes.
func Read(path string, limit int64) ([]byte, error) {
	done := begin(path)
	defer done()
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it is only read
	return readAll(path, f, limit)
}

// ReadFrom is Read of what is open, as standard input is.
func ReadFrom(name string, r io.Reader, limit int64) ([]byte, error) {
	done := begin(name)
	defer done()
	return readAll(name, r, limit)
}

func begin(name string) (done func()) {
	reading.Store(&name)
	return func() { reading.CompareAndSwap(&name, nil) }
}

func readAll(name string, r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", name, err)
	case int64(len(b)) > limit:
		return nil, fmt.Errorf("%s: larger than %d MiB, the most that dyno reads", name, limit>>20)
	}
	return b, nil
}
