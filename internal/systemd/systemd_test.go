package systemd

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestSocket(t *testing.T) {
	self := strconv.Itoa(os.Getpid())
	for _, c := range []struct {
		name, pid, fds string
		given          bool
		err            string
	}{
		{"nothing", "", "", false, ""},
		{"one", self, "1", true, ""},
		{"none", self, "0", false, ""},
		{"another's", "1", "1", false, ""},
		{"two", self, "2", false, "one ListenStream"},
		{"nonsense", self, "x", false, "not a number"},
		{"negative", self, "-1", false, "not a number"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("LISTEN_PID", c.pid)
			t.Setenv("LISTEN_FDS", c.fds)
			fd, given, err := Socket()
			if given != c.given || given && fd != 3 {
				t.Errorf("descriptor %d, given %v; want 3, %v", fd, given, c.given)
			}
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want one with %q", err, c.err)
			}
			if _, left := os.LookupEnv("LISTEN_FDS"); left && c.pid == self {
				t.Error("children must not take the variables for theirs")
			}
		})
	}
}

func TestNotify(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if err := Notify(Ready); err != nil {
		t.Errorf("nobody to be told is no error: %v", err)
	}
	path := filepath.Join(t.TempDir(), "notify")
	ln, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	for _, state := range []string{Ready, Reloading(), Stopping} {
		if err := Notify(state); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 256)
		n, err := ln.Read(buf)
		if err != nil || string(buf[:n]) != state {
			t.Errorf("told %q, %v; want %q", buf[:n], err, state)
		}
	}
	t.Setenv("NOTIFY_SOCKET", path+".gone")
	if err := Notify(Ready); err == nil {
		t.Error("a manager that cannot be told must be an error")
	}
}
