package peer

import (
	"bytes"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long a server may take to start and to end.
const patience = time.Minute

// Run runs a server in the foreground until the test ends, and returns once it
// takes connections at all addresses: paths of Unix sockets, or host:port. What
// it says is shown if the test fails, unless cmd.Stderr takes it.
func Run(t testing.TB, cmd *exec.Cmd, addrs ...string) {
	t.Helper()
	var said bytes.Buffer
	if cmd.Stderr == nil {
		cmd.Stdout, cmd.Stderr = &said, &said
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it may have ended
		select {
		case <-ended:
		case <-time.After(patience):
			cmd.Process.Kill() //nolint:errcheck // likewise
			t.Errorf("%s does not end; it was killed", cmd.Path)
			<-ended
		}
		if t.Failed() && said.Len() > 0 {
			t.Logf("%s says:\n%s", cmd.Path, &said)
		}
	})
	for until := time.Now().Add(patience); len(addrs) > 0; time.Sleep(5 * time.Millisecond) {
		network := "tcp"
		if strings.Contains(addrs[0], "/") {
			network = "unix"
		}
		c, err := net.DialTimeout(network, addrs[0], patience)
		if err == nil {
			c.Close()
			addrs = addrs[1:]
			continue
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("%s ended: %v", cmd.Path, err)
		default:
		}
		if time.Now().After(until) {
			t.Fatalf("%s does not listen on %s", cmd.Path, addrs[0])
		}
	}
}
