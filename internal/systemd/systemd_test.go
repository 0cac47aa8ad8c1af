package systemd

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
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

func TestWatchdog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	ln, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	self := strconv.Itoa(os.Getpid())
	for _, c := range []struct {
		usec, pid string
		fed       bool
	}{
		{"2000", self, true}, {"2000", "", true}, {"2000", "1", false}, {"", self, false}, {"0", self, false}, {"-1", self, false}, {"x", self, false}, {"99999999999999999999", self, false},
	} {
		t.Setenv("WATCHDOG_USEC", c.usec)
		t.Setenv("WATCHDOG_PID", c.pid)
		stop := Watchdog(func(err error) { t.Error(err) })
		if (watchdog() > 0) != c.fed {
			t.Errorf("%+v: every %v", c, watchdog())
		}
		if c.fed {
			buf := make([]byte, 256)
			for range 3 {
				if n, err := ln.Read(buf); err != nil || string(buf[:n]) != Alive {
					t.Errorf("told %q, %v", buf[:n], err)
				}
			}
		}
		stop()
		ln.SetReadDeadline(time.Now().Add(-1)) //nolint:errcheck // reading tells
		for buf := make([]byte, 256); ; {
			if _, err := ln.Read(buf); err != nil {
				break
			}
		}
		ln.SetReadDeadline(time.Time{}) //nolint:errcheck // reading tells
	}
}

// TestStrip: what the manager has told this process is not for others.
func TestStrip(t *testing.T) {
	env := []string{"A=1", "NOTIFY_SOCKET=/n", "WATCHDOG_USEC=1", "WATCHDOG_PID=1", "LISTEN_FDS=1", "LISTEN_PID=1", "LISTEN_FDNAMES=x", "B=2"}
	if got := strings.Join(Strip(env), " "); got != "A=1 B=2" {
		t.Errorf("left: %s", got)
	}
}
