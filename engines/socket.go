//go:build unix

package engines

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/engines/kernel"
)

// DefaultBacklog is how many connections may wait to be accepted unless
// SocketOptions say otherwise. The kernel caps it at net.core.somaxconn.
const DefaultBacklog = 4096

// SocketOptions are for Listen. The zero value is what most want.
type SocketOptions struct {
	Backlog   int         // connections that may wait to be accepted; 0 means DefaultBacklog
	ReusePort bool        // SO_REUSEPORT: other sockets may listen on the same address
	Mode      os.FileMode // of a unix socket's file: who may write to it may connect; 0 leaves it to the umask
	Owner     *Owner      // of a unix socket's file; nil leaves it to the process
}

// Owner is whose a file is to be; −1 leaves one or the other as it is.
type Owner struct{ UID, GID int }

// Socket is a listening stream socket. It is bound and listening from the
// start: clients may connect before an engine serves it.
type Socket struct {
	ln      net.Listener
	file    *socketFile // nil: there is none, or it is another process's
	backlog int
	turns   *turns // nil: every process accepts when it likes
}

// AddressError is an address that cannot be listened on anywhere, since it is none.
type AddressError struct{ Addr, Msg string }

func (e *AddressError) Error() string { return fmt.Sprintf("listen on %q: %s", e.Addr, e.Msg) }

// checkAddress returns what is wrong with host:port or :port.
func checkAddress(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	var form *net.AddrError
	if errors.As(err, &form) {
		return &AddressError{addr, form.Err + "; the form is host:port, :port or unix:/path"}
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return &AddressError{addr, "the port is 0 to 65535, or the name of a service"}
	}
	return nil
}

// Listen opens a socket on addr: host:port, :port (port 0 takes a free one) or
// unix:/path. One that is malformed is an *AddressError.
//
// A unix socket file that nobody answers on is left over from a process that
// was killed, and is replaced. An address that is in use is an error that
// matches syscall.EADDRINUSE and names the address.
func Listen(addr string, o SocketOptions) (*Socket, error) {
	if o.Backlog <= 0 {
		o.Backlog = DefaultBacklog
	}
	network, address := "tcp", addr
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		network, address = "unix", path
		if err := checkPath(path); err != nil {
			return nil, err
		}
	} else if err := checkAddress(addr); err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	// Multipath TCP, Go's default for listeners, takes another way through the
	// kernel; keep-alive probes cost four system calls per connection, and the
	// limits on time find a dead client sooner. No peer server uses either.
	lc.SetMultipathTCP(false)
	lc.KeepAlive = -1
	if o.ReusePort && network == "tcp" {
		lc.Control = func(_, _ string, c syscall.RawConn) error { return kernel.Control(c, setReusePort) }
	}
	if network == "unix" && o.Mode != 0 { // nobody may connect before the file has its mode
		defer syscall.Umask(syscall.Umask(0o777))
	}
	ln, err := lc.Listen(context.Background(), network, address)
	if errors.Is(err, syscall.EADDRINUSE) && network == "unix" && removeStale(address) {
		ln, err = lc.Listen(context.Background(), network, address)
	}
	if info, bad := os.Lstat(address); errors.Is(err, syscall.EADDRINUSE) && network == "unix" && bad == nil && info.Mode().Type() != fs.ModeSocket {
		return nil, fmt.Errorf("listen on %s: the file there is not a socket: remove it, or choose another path", addr)
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listen on %s: %w: stop the server that uses it, or choose another address", addr, syscall.EADDRINUSE)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	s := &Socket{ln: ln, backlog: o.Backlog}
	if u, ok := ln.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // it would remove whatever stands there by then
		s.file, err = newSocketFile(address, o)
	}
	if err == nil {
		err = s.prepare()
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	return s, nil
}

// Inherit makes a Socket of a listening descriptor that another process has
// opened and passed on. It takes fd over. The file of a unix socket stays the
// other process's.
func Inherit(fd uintptr) (*Socket, error) {
	f := os.NewFile(fd, "socket")
	if f == nil {
		return nil, fmt.Errorf("inherited socket: %d is not a descriptor", fd)
	}
	defer f.Close()
	ln, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("inherited socket: %w", err)
	}
	switch ln.(type) {
	case *net.TCPListener, *net.UnixListener:
	default:
		ln.Close()
		return nil, fmt.Errorf("inherited socket: %s is not a stream socket", ln.Addr().Network())
	}
	return &Socket{ln: ln, backlog: DefaultBacklog}, nil
}

// Waiting is kernel.Backlog of s.
func (s *Socket) Waiting() (waiting, most int64) { return kernel.Backlog(s.ln.(syscall.Conn)) }

// Listener accepts connections, which are *net.TCPConn or *net.UnixConn. It is
// the Socket's; to close one is to close the other.
func (s *Socket) Listener() net.Listener {
	if s.turns != nil {
		return turnListener{s.ln, s}
	}
	return s.ln
}

// Addr is where the socket listens, with the port that was taken.
func (s *Socket) Addr() net.Addr { return s.ln.Addr() }

// URL is Addr for a client: http://127.0.0.1:8000, unix:/path where the scheme is
// http, or uwsgi://unix:/path where it is another one. An address
// that stands for all interfaces is shown as the loopback one, which a client
// on this machine can use.
func (s *Socket) URL(scheme string) string {
	switch a := s.Addr().(type) {
	case *net.UnixAddr:
		if scheme != "http" {
			return scheme + "://unix:" + a.Name
		}
		return "unix:" + a.Name
	case *net.TCPAddr:
		if a.IP == nil || a.IP.IsUnspecified() {
			return fmt.Sprintf("%s://127.0.0.1:%d", scheme, a.Port)
		}
	}
	return scheme + "://" + s.Addr().String()
}

// File is a duplicate of the descriptor, the caller's to close, for engines
// that do their own system calls and for other processes. It shares the state
// of the socket, O_NONBLOCK among it, which must stay set. (It does: unlike
// net's own File, this one does not clear it when exec.Cmd asks for Fd.)
func (s *Socket) File() (*os.File, error) {
	c, err := s.ln.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil, err
	}
	var f *os.File
	err = kernel.Control(c, func(fd int) error {
		dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err == nil {
			f = os.NewFile(uintptr(dup), "socket")
		}
		return os.NewSyscallError("fcntl", err)
	})
	return f, err
}

// Sibling opens another socket on the same address, for another process to
// accept from: the kernel spreads connections over them (SO_REUSEPORT). It
// fails with errors.ErrUnsupported on unix sockets and where the system does
// not balance.
//
// The option is set on s only now, which Linux takes, so that Listen told an
// address in use from a free one: had it been set there, a second server
// would have joined the first unasked.
func (s *Socket) Sibling() (*Socket, error) {
	tcp, ok := s.ln.(*net.TCPListener)
	if !ok || !balances {
		return nil, errors.ErrUnsupported
	}
	c, err := tcp.SyscallConn()
	if err != nil {
		return nil, err
	}
	if err := kernel.Control(c, setReusePort); err != nil {
		return nil, err
	}
	return Listen(s.Addr().String(), SocketOptions{Backlog: s.backlog, ReusePort: true})
}

// Close stops listening. Connections that wait to be accepted are reset. The file
// of a unix socket is removed, if it is still the one that Listen has made.
func (s *Socket) Close() error {
	s.file.remove()
	if s.turns != nil {
		s.turns.close()
	}
	return s.ln.Close()
}

// prepare sets what Go's net package has no option for.
func (s *Socket) prepare() error {
	c, err := s.ln.(syscall.Conn).SyscallConn()
	if err != nil {
		return err
	}
	return kernel.Control(c, func(fd int) error {
		// A second listen changes the backlog of the first.
		if err := syscall.Listen(fd, s.backlog); err != nil {
			return os.NewSyscallError("listen", err)
		}
		if _, ok := s.ln.(*net.TCPListener); ok {
			// On Linux accepted sockets inherit it, which saves raw engines a call.
			err := syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
			return os.NewSyscallError("setsockopt", err)
		}
		return nil
	})
}
