// Package systemd is the little that a server needs to be run by systemd, or
// by anything that follows its two agreements: sockets that it is given
// (LISTEN_FDS) and word of how it does (NOTIFY_SOCKET, WATCHDOG_USEC).
package systemd

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// firstFD is the first descriptor that is passed on (SD_LISTEN_FDS_START).
const firstFD = 3

// Socket returns the listening descriptor that this process has been given,
// and whether it has been given one. The variables that say so are removed, so
// that no child takes them for its own. More than one is an error, as are
// variables that make no sense.
func Socket() (fd uintptr, given bool, err error) {
	pid, count := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	if pid != strconv.Itoa(os.Getpid()) {
		return 0, false, nil // none, or meant for another process
	}
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		os.Unsetenv(name)
	}
	switch n, err := strconv.Atoi(count); {
	case err != nil || n < 0:
		return 0, false, fmt.Errorf("LISTEN_FDS=%s is not a number of sockets", count)
	case n == 0:
		return 0, false, nil
	case n > 1:
		return 0, false, fmt.Errorf("LISTEN_FDS=%d: one socket can be served, so the unit must have one ListenStream", n)
	}
	return firstFD, true, nil
}

// Strip returns env without what a service manager has told this process alone.
func Strip(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains([]string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"}, name)
	})
}

// States for Notify.
const (
	Ready    = "READY=1"
	Stopping = "STOPPING=1"
	Alive    = "WATCHDOG=1"
)

// Reloading is the state at the beginning of a reload; Ready ends it.
func Reloading() string { return "RELOADING=1\nMONOTONIC_USEC=" + strconv.FormatInt(monotonic(), 10) }

// watchdog is how often the manager wants to be told that this process is alive, at
// the least: 0 if it does not, or means another process.
func watchdog() time.Duration {
	if pid := os.Getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || usec <= 0 || usec > int64(1<<63-1)/1000 {
		return 0
	}
	return time.Duration(usec) * time.Microsecond
}

// Watchdog tells the manager that this process is alive, twice as often as it must
// be told, until stop is called. failed gets the first error of those in a row.
func Watchdog(failed func(error)) (stop func()) {
	every := watchdog() / 2
	if every <= 0 {
		return func() {}
	}
	end, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for told := true; ; {
			err := Notify(Alive)
			if err != nil && told {
				failed(err)
			}
			told = err == nil
			select {
			case <-tick.C:
			case <-end:
				return
			}
		}
	}()
	return func() {
		close(end)
		<-done
	}
}

// Notify tells the service manager of a state, if there is one to be told.
func Notify(state string) error {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"}) // "@…" is an abstract one
	if err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	defer c.Close()
	c.SetWriteDeadline(time.Now().Add(time.Second)) //nolint:errcheck // the write tells
	if _, err := c.Write([]byte(state)); err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	return nil
}
