package gateway_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dynobench/dyno/protocol/gateway"
)

func drain(t *testing.T, b gateway.Body) (string, error) {
	t.Helper()
	var all bytes.Buffer
	for {
		chunk, err := b.Next()
		all.Write(chunk)
		if err == io.EOF {
			return all.String(), nil
		}
		if err != nil {
			return all.String(), err
		}
	}
}

func TestBytes(t *testing.T) {
	for _, s := range []string{"", "hello"} {
		for _, body := range []gateway.Body{gateway.Bytes([]byte(s)), gateway.String(s)} {
			if size := body.(gateway.Sized).Size(); size != int64(len(s)) {
				t.Errorf("Size = %d, want %d", size, len(s))
			}
			if got, err := drain(t, body); got != s || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
			if err := errors.Join(body.Close(), body.Close()); err != nil {
				t.Error(err)
			}
		}
	}
}

// A Body closed twice must not be given to two requests.
func TestBytesClosedTwice(t *testing.T) {
	for range 100 {
		b := gateway.Bytes([]byte("x"))
		b.Close()
		b.Close()
		one, two := gateway.Bytes([]byte("1")), gateway.Bytes([]byte("2"))
		if one == two {
			t.Fatal("two requests got the same Body")
		}
		one.Close()
		two.Close()
	}
}

func TestChunks(t *testing.T) {
	errBroken := errors.New("broken")
	stopped := false
	endless := func(yield func([]byte, error) bool) {
		defer func() { stopped = true }()
		for yield([]byte("a"), nil) {
		}
	}
	b := gateway.Chunks(endless)
	for range 3 {
		if chunk, err := b.Next(); string(chunk) != "a" || err != nil {
			t.Fatalf("got %q, %v", chunk, err)
		}
	}
	b.Close()
	b.Close()
	if !stopped {
		t.Error("the generator goes on after Close")
	}
	if _, err := b.Next(); err != io.EOF {
		t.Errorf("Next after Close: %v", err)
	}

	b = gateway.Chunks(func(yield func([]byte, error) bool) {
		_ = yield([]byte("a"), nil) && yield(nil, nil) && yield(nil, errBroken)
	})
	if got, err := drain(t, b); got != "a" || err != errBroken {
		t.Errorf("got %q, %v", got, err)
	}
	b.Close()

	b = gateway.Chunks(func(func([]byte, error) bool) { t.Error("a generator runs that nobody has pulled") })
	b.Close()
}

func TestChunksPanicIsTheRequestsFailure(t *testing.T) {
	var x gateway.Exchange
	out := drive(t, &x, func(_ *gateway.Environ, start gateway.StartResponse) gateway.Body {
		return gateway.Chunks(func(yield func([]byte, error) bool) {
			start(200, plain, nil) // lazily, from within the generator
			yield([]byte("a"), nil)
			panic("boom")
		})
	}, &gateway.Environ{})
	if !errors.Is(out.err, gateway.ErrPanic) || len(out.chunks) != 1 || !out.left {
		t.Errorf("got %+v", out)
	}
}

func openFile(t *testing.T, content string) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestFile(t *testing.T) {
	content := strings.Repeat("0123456789", 20_000)
	f := openFile(t, content)
	f.Seek(5, io.SeekStart)
	b, err := gateway.File(f)
	if err != nil {
		t.Fatal(err)
	}
	if b.Size() != int64(len(content)-5) {
		t.Errorf("Size = %d", b.Size())
	}
	if got, err := drain(t, b); got != content[5:] || err != nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	b.Close()
	if _, err := f.Stat(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the file is open after Close: %v", err)
	}
	if b, err := gateway.File(openFile(t, "")); err != nil {
		t.Error(err)
	} else if got, err := drain(t, b); got != "" || err != nil {
		t.Errorf("empty file: %q, %v", got, err)
	}
}

func TestFileShrinks(t *testing.T) {
	f := openFile(t, "0123456789")
	b, err := gateway.File(f)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := os.Truncate(f.Name(), 4); err != nil {
		t.Fatal(err)
	}
	if got, err := drain(t, b); got != "0123" || err != io.ErrUnexpectedEOF {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestFileRefuses(t *testing.T) {
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if _, err := gateway.File(dir); err == nil {
		t.Error("a folder is accepted")
	}
}
