package supervise

import (
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Dial makes a connection to the worker in the place with that ID, which gets
// its end by the control socket: there is no address that another process could
// connect to. What is spoken on it is up to the worker's OnConn.
func (m *Master) Dial(id int) (net.Conn, error) {
	m.mu.Lock()
	places := m.places
	m.mu.Unlock()
	if id < 1 || id > len(places) {
		return nil, fmt.Errorf("worker %d: there are workers 1 to %d", id, len(places))
	}
	w := places[id-1].current()
	if w == nil || !w.isReady() {
		return nil, fmt.Errorf("worker %d does not run at the moment", id)
	}
	ours, theirs, err := socketpair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	control, ok := w.control.(*net.UnixConn)
	if !ok {
		ours.Close()
		return nil, fmt.Errorf("worker %d: its control socket is a %T", id, w.control)
	}
	control.SetWriteDeadline(time.Now().Add(askTime)) //nolint:errcheck // writing tells
	if _, _, err := control.WriteMsgUnix([]byte{orderConn}, unix.UnixRights(int(theirs.Fd())), nil); err != nil {
		ours.Close()
		return nil, fmt.Errorf("worker %d: %w", id, err)
	}
	return ours, nil
}

// OnConn has use called, from one goroutine, with each connection that the
// master makes. It owns it. Without OnConn they are closed.
func (w *Work) OnConn(use func(net.Conn)) {
	w.mu.Lock()
	w.use = use
	w.mu.Unlock()
}

// order reads the next order and the connection that may come with it.
func (w *Work) order() (order byte, handed net.Conn, err error) {
	var b [1]byte
	control, ok := w.control.(*net.UnixConn)
	if !ok {
		_, err = w.control.Read(b[:])
		return b[0], nil, err
	}
	oob := make([]byte, unix.CmsgSpace(4))
	n, m, _, _, err := control.ReadMsgUnix(b[:], oob)
	if err == nil && n == 0 {
		err = fmt.Errorf("the end of the control socket")
	}
	if err != nil || m == 0 {
		return b[0], nil, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:m])
	if err != nil || len(messages) == 0 {
		return b[0], nil, nil
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) == 0 {
		return b[0], nil, nil
	}
	file := os.NewFile(uintptr(fds[0]), "handed over")
	defer file.Close()
	handed, _ = net.FileConn(file)
	return b[0], handed, nil
}

// take gives a connection to whom it is for.
func (w *Work) take(c net.Conn) {
	if c == nil {
		return
	}
	w.mu.Lock()
	use := w.use
	w.mu.Unlock()
	if use == nil {
		c.Close()
		return
	}
	use(c)
}
