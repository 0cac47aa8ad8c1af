package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
)

// TestLogWriter fills a pipe, of which nothing is read until much has been lost.
func TestLogWriter(t *testing.T) {
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	defer in.Close()
	w := newLogWriter(in)
	const records = 400
	line := strings.Repeat("x", 1000) + "\n"
	for i := range records { // would block for ever
		if n, err := fmt.Fprintf(w, "%d %s", i, line); err != nil || n <= len(line) {
			t.Fatalf("%d, %v", n, err)
		}
	}
	first := make([]byte, 40_000)
	if _, err := io.ReadFull(out, first); err != nil {
		t.Fatal(err)
	}
	w.Write([]byte("again\n")) //nolint:errcheck // it never fails
	in.Close()
	rest, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	all := append(first, rest...)
	kept := bytes.Count(all, []byte("xxx\n"))
	said := fmt.Sprintf("dyno: %d log records are lost: nobody read them\nagain\n", records-kept)
	if kept < 40 || !strings.HasSuffix(string(all), said) {
		t.Errorf("%d records of %d are there, and then %.200q, want %q", kept, records, all[max(0, len(all)-200):], said)
	}
	w.Write([]byte("to nobody\n")) //nolint:errcheck // it never fails
}
