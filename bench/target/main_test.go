package target

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dynobench/dyno/internal/testkit"
)

// helperVariable makes the test binary one of the programs below, which take
// the place of servers.
const helperVariable = "DYNO_TARGET_TEST_HELPER"

func TestMain(m *testing.M) {
	MaybeWatchdog()
	if mode := os.Getenv(helperVariable); mode != "" {
		helpers[mode](os.Args[1:])
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

var helpers = map[string]func(args []string){
	// serve ADDR: answers /hello, ends on SIGTERM with status 7.
	"serve": func(args []string) {
		http.HandleFunc("/hello", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "Hello") })
		http.HandleFunc("/broken", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no luck", http.StatusServiceUnavailable) })
		go func() {
			fmt.Fprintln(os.Stderr, http.ListenAndServe(args[0], nil))
			os.Exit(1)
		}()
		term := make(chan os.Signal, 1)
		signal.Notify(term, syscall.SIGTERM)
		<-term
		os.Exit(7)
	},
	"fail": func([]string) {
		fmt.Fprintln(os.Stderr, "cannot load the app: no module named app")
		os.Exit(3)
	},
	// hang FOLDER: says that it is there and does nothing for long.
	"hang": func(args []string) {
		fmt.Fprintln(os.Stderr, "still loading")
		checkIn(args[0])
		time.Sleep(time.Hour)
	},
	"deaf": func(args []string) {
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT)
		checkIn(args[0])
		time.Sleep(time.Hour)
	},
	// tree FOLDER: a child, a grandchild in a group of its own whose parent
	// ends, and a daemon with a session of its own.
	"tree": func(args []string) {
		spawn("hang", nil, args[0])
		spawn("orphan", nil, args[0])
		spawn("hang", &syscall.SysProcAttr{Setsid: true}, args[0])
		term := make(chan os.Signal, 1)
		signal.Notify(term, syscall.SIGTERM)
		checkIn(args[0])
		<-term
	},
	"orphan": func(args []string) { spawn("hang", &syscall.SysProcAttr{Setpgid: true}, args[0]) },
	"status": func([]string) {
		b, _ := os.ReadFile("/proc/self/status")
		os.Stdout.Write(b)
		fmt.Println("FLAVOUR=" + os.Getenv("FLAVOUR"))
		wd, _ := os.Getwd()
		fmt.Println("WD=" + wd)
	},
	// file: writes to descriptor 3.
	"file": func([]string) { fmt.Fprint(os.NewFile(3, "three"), "through three") },
	// harness FOLDER: a program that uses this package and starts a tree.
	"harness": func(args []string) {
		c := helper("tree", args[0])
		if _, err := Start(context.Background(), c); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		time.Sleep(time.Hour)
	},
}

// helper is a command that runs one of the helpers.
func helper(mode string, args ...string) Command {
	return Command{Name: mode, Argv: append([]string{os.Args[0]}, args...), Env: map[string]string{helperVariable: mode}}
}

func spawn(mode string, attr *syscall.SysProcAttr, args ...string) {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), helperVariable+"="+mode)
	cmd.SysProcAttr = attr
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// checkIn leaves a file named by the process id.
func checkIn(folder string) {
	if err := os.WriteFile(filepath.Join(folder, strconv.Itoa(os.Getpid())), nil, 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// checkedIn waits until n processes have checked in and returns them.
func checkedIn(t *testing.T, folder string, n int) []int {
	t.Helper()
	var list []int
	testkit.Eventually(t, fmt.Sprintf("%d processes to check in", n), func() bool {
		entries, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		list = list[:0]
		for _, e := range entries {
			pid, err := strconv.Atoi(e.Name())
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, pid)
		}
		return len(list) == n
	})
	return list
}

// gone reports whether pid is no more, or a zombie that its parent neglects.
func gone(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(b), ") Z ")
}
