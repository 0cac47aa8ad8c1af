package kernel

import (
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pair is two ends of a connection, the first as a descriptor.
func pair(t *testing.T) (fd int, client net.Conn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fds[1]), "client")
	defer f.Close()
	if client, err = net.FileConn(f); err != nil {
		t.Fatal(err)
	}
	return fds[0], client
}

// off waits until the watch has given everything back.
func (h *hangups) off(t *testing.T) {
	t.Helper()
	givenBack(t, func() (bool, int) {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.on, len(h.watched)
	})
}

// Whoever watches a connection is told once that its client has gone, be that
// before or after, and nobody else is; nothing is left behind.
func TestHangups(t *testing.T) {
	var h hangups
	const all = 200
	told := make(chan int, 2*all)
	var fds []int
	var clients []net.Conn
	var stops []func()
	for i := range all {
		fd, client := pair(t)
		fds, clients = append(fds, fd), append(clients, client)
		if i%4 == 0 {
			client.Close() // before anybody watches
		}
		stops = append(stops, h.watch(fd, func() { told <- i }))
	}
	for i, client := range clients {
		switch i % 4 {
		case 1:
			client.Close()
		case 2:
			client.(*net.UnixConn).CloseWrite()
		}
	}
	var got []int
	for range all / 4 * 3 {
		select {
		case i := <-told:
			got = append(got, i)
		case <-time.After(20 * time.Second):
			t.Fatalf("%d told", len(got))
		}
	}
	for i := range all { // those that are left go when nobody watches any more
		stops[i]()
		clients[i].Close()
		unix.Close(fds[i])
	}
	h.off(t)
	slices.Sort(got)
	if n := len(slices.Compact(got)); n != all/4*3 || len(told) > 0 || slices.ContainsFunc(got, func(i int) bool { return i%4 == 3 }) {
		t.Errorf("%d were told, %d more after that: %v", n, len(told), got)
	}
}

// A number that is in use again is another connection's: to end the watch of the
// first, late, must not end that of the second.
func TestHangupsOfReusedNumber(t *testing.T) {
	var h hangups
	first, client := pair(t)
	stop := h.watch(first, func() { t.Error("the first is told of the second") })
	spare, other := pair(t)
	defer client.Close()
	if err := unix.Dup3(spare, first, unix.O_CLOEXEC); err != nil { // closes the first
		t.Fatal(err)
	}
	unix.Close(spare)
	told := make(chan bool, 1)
	again := h.watch(first, func() { told <- true })
	stop()
	other.Close()
	select {
	case <-told:
	case <-time.After(20 * time.Second):
		t.Fatal("the second is not told")
	}
	again()
	unix.Close(first)
	h.off(t)
}
