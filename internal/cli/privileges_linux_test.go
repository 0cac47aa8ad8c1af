package cli

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dynobench/dyno/internal/peer"
	"github.com/dynobench/dyno/internal/testkit"
)

// www is the user that Debian's web servers run as. The test is skipped unless it
// can become it.
func www(t *testing.T) (uid, gid int) {
	t.Helper()
	if os.Getuid() != 0 {
		peer.Missing(t, "needs root, to become somebody else")
	}
	u, err := user.Lookup("www-data")
	if err != nil {
		peer.Missing(t, "needs the user www-data: ", err)
	}
	uid, _ = strconv.Atoi(u.Uid)
	gid, _ = strconv.Atoi(u.Gid)
	return uid, gid
}

// publicDir is a folder that anybody can get to and only its owner can write to.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "dyno")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// publicProgram is a copy of dyno in a folder that anybody can get to.
func publicProgram(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(publicDir(t), "dyno")
	if err := os.WriteFile(path, b, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// credentials are the ids of all threads of a process, as /proc tells them.
func credentials(t *testing.T, pid int) map[string]string {
	t.Helper()
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if len(files) == 0 {
		t.Fatalf("process %d is gone", pid)
	}
	ids := make(map[string]string)
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		for line := range strings.Lines(string(b)) {
			name, value, _ := strings.Cut(line, ":")
			value = strings.Join(strings.Fields(value), " ")
			switch name {
			case "Uid", "Gid", "Groups", "CapEff", "CapPrm":
				if before, ok := ids[name]; ok && before != value {
					t.Errorf("%s of a thread of %d: %s, of another one: %s", name, pid, value, before)
				}
				ids[name] = value
			}
		}
	}
	return ids
}

// TestUser starts servers as root that become somebody else: sockets of root's are
// bound, everything that runs has given up all else, files belong to whom the
// server is, and reloads and the end work without the rights.
func TestUser(t *testing.T) {
	uid, gid := www(t)
	program := publicProgram(t)
	for _, mode := range []string{"goroutine", "prefork:eventloop,processes=1"} {
		for name, c := range map[string]struct {
			args []string
			gid  int
		}{
			"user":  {[]string{"--user", "www-data"}, gid},
			"both":  {[]string{"--user", "www-data", "--group", "daemon"}, 1},
			"by id": {[]string{"--user", strconv.Itoa(uid), "--group", "4712"}, 4712},
		} {
			t.Run(mode+"/"+name, func(t *testing.T) {
				dir, theirs := publicDir(t), publicDir(t)
				if err := os.Chown(theirs, uid, c.gid); err != nil {
					t.Fatal(err)
				}
				made := map[string]string{"listen": theirs + "/s", "stats": theirs + "/stats", "pprof": dir + "/pprof", "pid": theirs + "/pid"}
				l := serveLogged(t, func(cmd *exec.Cmd) { cmd.Path, cmd.Args[0] = program, program }, append(c.args, "--engine", mode,
					"--listen", "unix:"+made["listen"], "--stats", "unix:"+made["stats"], "--pprof", "unix:"+made["pprof"], "--pid-file", made["pid"])...)
				want := func(pid int) {
					t.Helper()
					four := func(id int) string { return strings.TrimSuffix(strings.Repeat(strconv.Itoa(id)+" ", 4), " ") }
					ids := credentials(t, pid)
					if ids["Uid"] != four(uid) || ids["Gid"] != four(c.gid) {
						t.Errorf("Uid %s, Gid %s; want %d and %d", ids["Uid"], ids["Gid"], uid, c.gid)
					}
					if slices.Contains(strings.Fields(ids["Groups"]), "0") || ids["CapEff"] != strings.Repeat("0", 16) || ids["CapPrm"] != strings.Repeat("0", 16) {
						t.Errorf("rights are left: %v", ids)
					}
				}
				worker := 0
				testkit.Eventually(t, "the server to answer", func() bool { return getUnix(made["listen"]) == nil })
				want(l.cmd.Process.Pid)
				if mode != "goroutine" {
					worker = l.worker(0)
					want(worker)
				}
				for what, path := range made {
					info, err := os.Lstat(path)
					if err != nil {
						t.Fatal(err)
					}
					if is := info.Sys().(*syscall.Stat_t); int(is.Uid) != uid || int(is.Gid) != c.gid {
						t.Errorf("%s belongs to %d:%d", what, is.Uid, is.Gid)
					}
				}
				if worker != 0 {
					l.cmd.Process.Signal(syscall.SIGHUP) //nolint:errcheck // what follows tells
					l.says("supervisor: reloaded")
					worker = l.worker(worker)
					want(worker)
					if err := syscall.Kill(worker, syscall.SIGKILL); err != nil {
						t.Fatal(err)
					}
					want(l.worker(worker))
				}
				if err := getUnix(made["listen"]); err != nil {
					t.Error(err)
				}
				l.cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // Wait tells
				if err := l.cmd.Wait(); err != nil {
					t.Errorf("exit: %v", err)
				}
				if left, _ := os.ReadDir(theirs); len(left) > 0 {
					t.Errorf("left in its own folder: %v", left)
				}
			})
		}
	}
}

// getUnix asks for /hello on a unix socket.
func getUnix(path string) error {
	client := http.Client{Transport: unixTransport(path), Timeout: time.Minute}
	resp, err := client.Get("http://unix/hello")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "Hello, World!" {
		return fmt.Errorf("%q, %v", b, err)
	}
	return nil
}

func unixTransport(path string) *http.Transport {
	return &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", path)
	}}
}

// TestUserMayNotRemoveItsPIDFile: where the user may not, the file names nobody.
func TestUserMayNotRemoveItsPIDFile(t *testing.T) {
	www(t)
	pidFile := filepath.Join(publicDir(t), "pid")
	for range 2 { // the second one finds what the first has left
		l := serveLogged(t, nil, "--user", "www-data", "--pid-file", pidFile)
		if b, err := os.ReadFile(pidFile); err != nil || string(b) != fmt.Sprintln(l.cmd.Process.Pid) {
			t.Errorf("%q, %v", b, err)
		}
		l.cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // Wait tells
		if err := l.cmd.Wait(); err != nil {
			t.Errorf("exit: %v", err)
		}
		if b, err := os.ReadFile(pidFile); err != nil || len(b) > 0 {
			t.Errorf("afterwards it holds %q, %v", b, err)
		}
	}
}

// TestUserTakesPrivilegedPort has workers with sockets of their own at a port that
// only root may take.
func TestUserTakesPrivilegedPort(t *testing.T) {
	www(t)
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if first, _ := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && first <= 1000 {
		t.Skip("needs ports that only root may take; here they begin at ", first)
	}
	program := publicProgram(t)
	l := serveLogged(t, func(cmd *exec.Cmd) { cmd.Path, cmd.Args[0] = program, program },
		"--user", "www-data", "--engine", "prefork:goroutine,processes=2,socket=reuseport", "--listen", "127.0.0.97:997")
	l.cmd.Process.Signal(syscall.SIGHUP) //nolint:errcheck // what follows tells
	l.says("supervisor: reloaded")
	l.alive()
}

// TestBehindNginxAsAnotherUser has a real nginx, run as www-data, reach a socket of
// root's in the way that docs/serve.md tells.
func TestBehindNginxAsAnotherUser(t *testing.T) {
	uid, gid := www(t)
	nginx := peer.Find(t, "nginx")
	dir, theirs := publicDir(t), publicDir(t)
	if err := os.Chown(theirs, uid, gid); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "app.sock")
	serveLogged(t, nil, "--listen", "unix:"+socket, "--socket-mode", "660", "--socket-owner", ":www-data")
	info, err := os.Lstat(socket)
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	port := freePort(t)
	startNginxAs(t, nginx, theirs, fmt.Sprintf("server { listen 127.0.0.1:%d; location / { proxy_pass http://unix:%s:; } }\n", port, socket), port,
		&syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)})
	resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/hello", port))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "Hello, World!" {
		t.Errorf("%s: %q, %v", resp.Status, b, err)
	}
}

func TestSocketFlags(t *testing.T) {
	for _, c := range []struct{ addr, mode, owner, fails string }{
		{"unix:/s", "660", "", ""},
		{"unix:/s", "0660", "root", ""},
		{"unix:/s", "", "root:root", ""},
		{"unix:/s", "", ":root", ""},
		{"127.0.0.1:0", "660", "", "for the file of a unix socket"},
		{"127.0.0.1:0", "", "root", "for the file of a unix socket"},
		{"unix:/s", "0", "", "octal number"},
		{"unix:/s", "1777", "", "octal number"},
		{"unix:/s", "680", "", "octal number"},
		{"unix:/s", "-660", "", "octal number"},
		{"unix:/s", "", ":", "USER:GROUP"},
		{"unix:/s", "", "root:", "USER:GROUP"},
		{"unix:/s", "", "no-such-user", "no user"},
		{"unix:/s", "", ":no-such-group", "no group"},
	} {
		_, err := socketFlags{c.mode, c.owner}.options(c.addr, nil)
		if (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	for _, args := range [][]string{{"--user", "no-such-user"}, {"--group", "no-such-group"}, {"--user", "3999999"}} {
		out, err := exec.Command("dyno", append([]string{"serve"}, args...)...).CombinedOutput()
		if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != exitUsage {
			t.Errorf("%v: %v, want exit code 2\n%s", args, err, out)
		}
	}
}
