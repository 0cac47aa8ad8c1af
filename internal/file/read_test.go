package file

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := Read(path, 5); err != nil || string(b) != "12345" {
		t.Errorf("%q, %v", b, err)
	}
	if b, err := Read(path, 4); err == nil || b != nil || !strings.HasPrefix(err.Error(), path+": larger than") {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := Read(filepath.Join(path, "none"), 5); err == nil {
		t.Error("no error for a file that is not there")
	}
}

// What is being read is known as long as it is, and by the name that it was given.
func TestReading(t *testing.T) {
	r, w := io.Pipe()
	done := make(chan string)
	go func() {
		b, _ := ReadFrom("the pipe", r, 10)
		done <- string(b)
	}()
	w.Write([]byte("half")) //nolint:errcheck // a pipe's write returns when it has been read
	if Reading() != "the pipe" {
		t.Errorf("%q is being read", Reading())
	}
	w.Close() //nolint:errcheck // it always works
	if b := <-done; b != "half" || Reading() != "" {
		t.Errorf("%q, then %q is being read", b, Reading())
	}
}
