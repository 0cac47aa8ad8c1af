package cli

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestSuccessorTakesThePlace has a second server take the place of a first one, by
// renaming its sockets: the end of the first must leave them alone.
func TestSuccessorTakesThePlace(t *testing.T) {
	for _, engine := range []string{"goroutine", "prefork:eventloop,processes=1"} {
		t.Run(engine, func(t *testing.T) {
			dir := t.TempDir()
			var servers []*logged
			names := []string{"s", "stats", "pprof"}
			for _, suffix := range []string{"", ".next"} {
				args := []string{"--engine", engine}
				for i, flag := range []string{"--listen", "--stats", "--pprof"} {
					args = append(args, flag, "unix:"+filepath.Join(dir, names[i]+suffix))
				}
				servers = append(servers, serveLogged(t, nil, args...))
			}
			for _, name := range names {
				if err := os.Rename(filepath.Join(dir, name+".next"), filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
			servers[0].cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // Wait tells
			if err := servers[0].cmd.Wait(); err != nil {
				t.Errorf("exit: %v", err)
			}
			for _, name := range names {
				c, err := net.Dial("unix", filepath.Join(dir, name))
				if err != nil {
					t.Errorf("%s of the second server: %v", name, err)
					continue
				}
				c.Close()
			}
		})
	}
}

// TestPIDFileOfAnotherServer: a second server with the same pid file says who runs,
// and leaves nothing behind; after a kill the file is replaced.
func TestPIDFileOfAnotherServer(t *testing.T) {
	dir := t.TempDir()
	pidFile := filepath.Join(dir, "pid")
	for range 2 {
		first := serveLogged(t, nil, "--pid-file", pidFile)
		second := exec.Command("dyno", "serve", "--listen", "unix:"+filepath.Join(dir, "s"), "--pid-file", pidFile)
		out, err := second.CombinedOutput()
		pid, _ := os.ReadFile(pidFile)
		want := "belongs to a running server, process " + strings.TrimSpace(string(pid))
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%v, want %q in:\n%s", err, want, out)
		}
		if _, err := os.Lstat(filepath.Join(dir, "s")); !os.IsNotExist(err) {
			t.Errorf("its socket: %v", err)
		}
		first.cmd.Process.Kill() //nolint:errcheck // Wait tells
		first.cmd.Wait()         //nolint:errcheck // by SIGKILL
	}
}
