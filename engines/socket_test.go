//go:build unix

package engines

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func listen(t *testing.T, addr string) *Socket {
	t.Helper()
	s, err := Listen(addr, SocketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestListenInUse(t *testing.T) {
	dir := t.TempDir()
	for _, addr := range []string{"127.0.0.1:0", "unix:" + filepath.Join(dir, "s")} {
		s := listen(t, addr)
		again := strings.TrimPrefix(s.URL("tcp"), "tcp://")
		_, err := Listen(again, SocketOptions{})
		if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), again) {
			t.Errorf("Listen(%s): %v, want one that names the address and matches EADDRINUSE", again, err)
		}
		// The attempt has not harmed the first.
		if c, err := net.Dial(s.Addr().Network(), s.Addr().String()); err != nil {
			t.Error(err)
		} else {
			c.Close()
		}
	}
}

func TestListenBadAddress(t *testing.T) {
	for _, addr := range []string{"", "localhost", "unix:", "127.0.0.1:http:x", "127.0.0.1:99999", ":no-such-service", "[::1"} {
		s, err := Listen(addr, SocketOptions{})
		if err == nil {
			s.Close()
		}
		var malformed *AddressError
		if !errors.As(err, &malformed) {
			t.Errorf("Listen(%q): %v, want an *AddressError", addr, err)
		}
	}
}

func TestListenStaleUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	left.Close()
	s := listen(t, "unix:"+path)
	if got := s.URL("http"); got != "unix:"+path {
		t.Errorf("URL %q", got)
	}
	s.Close()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the file must be gone after Close: %v", err)
	}
}

// The file of a socket is removed by whoever made it, and by nobody else.
func TestSocketFileOfOthers(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	old := listen(t, "unix:"+path)
	next := listen(t, "unix:"+path+".next")
	if err := os.Rename(path+".next", path); err != nil { // it takes the other's place
		t.Fatal(err)
	}
	old.Close()
	old.Close()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatalf("the file of another socket has been removed: %v", err)
	}
	c.Close()
	next.Close() // which knows its file by another name
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("whose path is not known to be its own is left: %v", err)
	}
}

// TestSocketFileInAnotherFolder: it is found again when the process has moved on.
func TestSocketFileInAnotherFolder(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	s := listen(t, "unix:s")
	t.Chdir(t.TempDir())
	s.Close()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestSocketMode(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o022))
	dir := t.TempDir()
	for _, mode := range []os.FileMode{0, 0o600, 0o660, 0o777} {
		path := filepath.Join(dir, "s")
		s, err := Listen("unix:"+path, SocketOptions{Mode: mode})
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Lstat(path)
		if mode == 0 {
			mode = 0o755
		}
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%v, %v; want %v", info.Mode(), err, mode)
		}
		s.Close()
	}
	if got := syscall.Umask(0o022); got != 0o022 {
		t.Errorf("the umask is %o afterwards", got)
	}
	if os.Getuid() != 0 {
		return
	}
	path := filepath.Join(dir, "s")
	s, err := Listen("unix:"+path, SocketOptions{Owner: &Owner{UID: 4711, GID: -1}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if is := info.Sys().(*syscall.Stat_t); is.Uid != 4711 || is.Gid != uint32(os.Getgid()) {
		t.Errorf("it belongs to %d:%d", is.Uid, is.Gid)
	}
}

// TestSocketPathLimit: a path of the greatest length is taken, one byte more is
// refused in words.
func TestSocketPathLimit(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, strings.Repeat("s", longestPath-len(dir)-1))
	listen(t, "unix:"+path).Close()
	_, err := Listen("unix:"+path+"s", SocketOptions{})
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("has %d bytes, and a unix socket allows %d", longestPath+1, longestPath)) {
		t.Errorf("%v, want an error that names the limit", err)
	}
}

// A file that is not a socket may be somebody's data.
func TestListenSparesFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(path, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Listen("unix:"+path, SocketOptions{}); err == nil {
		s.Close()
		t.Error("must fail")
	} else if !strings.Contains(err.Error(), "is not a socket") { // and not that a server uses it
		t.Error(err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "data" {
		t.Errorf("the file has been touched: %q, %v", b, err)
	}
}

func TestURL(t *testing.T) {
	for addr, want := range map[string]string{
		":0":          "http://127.0.0.1:",
		"127.0.0.1:0": "http://127.0.0.1:",
	} {
		if got := listen(t, addr).URL("http"); !strings.HasPrefix(got, want) || strings.HasSuffix(got, ":0") {
			t.Errorf("%s: %s", addr, got)
		}
	}
}

func TestSibling(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	if !balances {
		if _, err := s.Sibling(); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%v, want ErrUnsupported", err)
		}
		return
	}
	sib, err := s.Sibling()
	if err != nil {
		t.Fatal(err)
	}
	defer sib.Close()
	if sib.Addr().String() != s.Addr().String() {
		t.Errorf("%s is not %s", sib.Addr(), s.Addr())
	}
	// Both are accepted from: the kernel chooses by a hash of the addresses.
	got := make(chan *Socket, 128)
	for _, l := range []*Socket{s, sib} {
		go func() {
			for {
				c, err := l.Listener().Accept()
				if err != nil {
					return
				}
				got <- l
				c.Close()
			}
		}()
	}
	count := map[*Socket]int{}
	for range 100 {
		c, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		count[<-got]++
		c.Close()
	}
	if len(count) != 2 {
		t.Errorf("of 100 connections all came to one socket")
	}
	if _, err := listen(t, "unix:"+filepath.Join(t.TempDir(), "s")).Sibling(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a unix socket has no sibling: %v", err)
	}
	if _, err := Listen(s.Addr().String(), SocketOptions{}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("who does not ask for a share must not get one: %v", err)
	}
}

func TestInheritRefuses(t *testing.T) {
	fd, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0) // no os.File: it would close the number again
	if err != nil {
		t.Fatal(err)
	}
	if s, err := Inherit(uintptr(fd)); err == nil {
		s.Close()
		t.Error("a file is not a socket")
	}
}

// TestWaiting: the kernel tells how many connections nobody has accepted yet.
func TestWaiting(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "unix:" + filepath.Join(t.TempDir(), "s")} {
		s, err := Listen(addr, SocketOptions{Backlog: 7})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		check := func(want int64) {
			t.Helper()
			waiting, most := s.Waiting()
			if !balances { // not on this system
				want = -1
			}
			if waiting != want || want >= 0 && most != 7 {
				t.Errorf("%s: %d of %d wait, want %d of 7", addr, waiting, most, want)
			}
		}
		check(0)
		for range 3 {
			c, err := net.Dial(s.Addr().Network(), s.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
		}
		check(3)
		c, err := s.Listener().Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		check(2)
	}
}

// TestTurns: of two processes' sockets, here two of one, only one accepts.
func TestTurns(t *testing.T) {
	first := listen(t, "127.0.0.1:0")
	f, err := first.File()
	if err != nil {
		t.Fatal(err)
	}
	dup, err := unix.Dup(int(f.Fd()))
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	second, err := Inherit(uintptr(dup))
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	lock := filepath.Join(t.TempDir(), "lock")
	if err := os.WriteFile(lock, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*Socket{first, second} {
		if err := s.TakeTurns(lock); err != nil {
			t.Fatal(err)
		}
	}
	end, err := first.Turn()
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", first.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	accepted := make(chan error)
	go func() {
		c, err := second.Listener().Accept()
		if err == nil {
			c.Close()
		}
		accepted <- err
	}()
	select {
	case err := <-accepted:
		t.Errorf("accepted out of turn: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	end()
	if err := <-accepted; err != nil {
		t.Errorf("in turn: %v", err)
	}
	if end, err = first.Turn(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_, err := second.Listener().Accept()
		accepted <- err
	}()
	second.Close()
	if err := <-accepted; !errors.Is(err, net.ErrClosed) {
		t.Errorf("the end of the socket must end the wait for a turn: %v", err)
	}
	end()
}
