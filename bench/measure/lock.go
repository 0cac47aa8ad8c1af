package measure

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/internal/format"
)

// LockDirVariable names the folder of the locks instead of the host's own, or
// says "none": then nobody is kept out. It is for tests that run beside each
// other, and for hosts with no folder for all.
const LockDirVariable = "DYNO_LOCK_DIR"

// lockDirs are where a file can stand that all users of a host find and that
// nobody can take away: whichever of them is everybody's comes first for all.
var lockDirs = []string{"/run/lock", "/var/lock", "/tmp"}

// ErrNoLocks is returned where there is no place for locks: a second measurement
// on the same CPUs is then not kept out.
var ErrNoLocks = errors.New("no folder for locks is writable for all users")

// Lock keeps other measurements off some CPUs, by a flock on a file for each. It
// cannot outlive its process, however that ends, and no child inherits it.
type Lock struct{ files []*os.File }

// LockCPUs locks CPUs, no CPUs meaning all. Where one is taken it says by whom;
// or, where waiting is not nil, calls that once and waits until all are free.
func LockCPUs(ctx context.Context, cpus []int, waiting func(by error)) (*Lock, error) {
	dir, err := lockDir()
	if err != nil || dir == "" {
		return nil, err
	}
	names := []string{"dyno-all-cpus.lock"}
	if len(cpus) > 0 {
		names = nil
		for _, cpu := range (CPUs{Server: cpus}).All() { // ascending, so that two who wait never hold each other up
			names = append(names, fmt.Sprintf("dyno-cpu-%d.lock", cpu))
		}
	}
	l := &Lock{}
	for _, name := range names {
		f, err := openLock(filepath.Join(dir, name))
		if err != nil {
			l.Release()
			return nil, fmt.Errorf("%w: %w", ErrNoLocks, err)
		}
		l.files = append(l.files, f)
		for {
			err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
			if err == nil {
				break
			}
			if !errors.Is(err, unix.EWOULDBLOCK) {
				l.Release()
				return nil, fmt.Errorf("%w: %s: %w", ErrNoLocks, f.Name(), err)
			}
			taken := fmt.Errorf("another measurement uses %s%s: the two would disturb each other", what(name), holder(f))
			if waiting == nil {
				l.Release()
				return nil, taken
			}
			waiting(taken)
			waiting = func(error) {}
			if !Sleep(ctx, 100*time.Millisecond) {
				l.Release()
				return nil, context.Cause(ctx)
			}
		}
	}
	return l, nil
}

// Release lets the CPUs go. The files stay: to remove one that somebody else has
// just opened would leave two who both believe that they have it.
func (l *Lock) Release() {
	if l == nil {
		return
	}
	for _, f := range l.files {
		f.Close() //nolint:errcheck // it is only read
	}
	l.files = nil
}

func what(name string) string {
	if cpu, ok := strings.CutPrefix(strings.TrimSuffix(name, ".lock"), "dyno-cpu-"); ok {
		return "CPU " + cpu
	}
	return "the CPUs"
}

// lockDir is the folder of the locks, "" for none at all.
func lockDir() (string, error) {
	switch dir := os.Getenv(LockDirVariable); dir {
	case "none":
		return "", nil
	case "":
	default:
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return "", fmt.Errorf("%w: %s: %w", ErrNoLocks, LockDirVariable, err)
		}
		return dir, nil
	}
	for _, dir := range lockDirs {
		const everybodys = os.ModeSticky | 0o002 // anybody may put a file there, and only its owner remove it
		if info, err := os.Stat(dir); err == nil && info.IsDir() && info.Mode()&everybodys == everybodys {
			return dir, nil
		}
	}
	return "", ErrNoLocks
}

// openLock opens a lock file, and makes it if it is not there. Another user's is
// only read: that is enough for a lock, and where files in folders for all are
// protected it is all that is allowed.
func openLock(path string) (*os.File, error) {
	for range 2 {
		f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if !errors.Is(err, os.ErrNotExist) {
			return f, err
		}
		f, err = os.OpenFile(path, os.O_RDONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o644)
		if err == nil {
			return f, f.Chmod(0o644) // whatever the umask is
		}
		if !errors.Is(err, os.ErrExist) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%s comes and goes", path)
}

// holder names the process that has the lock on f, as far as /proc tells.
func holder(f *os.File) string {
	var st unix.Stat_t
	locks, err := os.ReadFile("/proc/locks")
	if err != nil || unix.Fstat(int(f.Fd()), &st) != nil {
		return ""
	}
	inode := ":" + strconv.FormatUint(uint64(st.Ino), 10)
	for line := range strings.Lines(string(locks)) {
		// 1: FLOCK ADVISORY WRITE 1234 08:01:5678 0 EOF
		fields := strings.Fields(line)
		if len(fields) < 6 || fields[1] != "FLOCK" || !strings.HasSuffix(fields[5], inode) {
			continue
		}
		command, _ := os.ReadFile("/proc/" + fields[4] + "/cmdline") //nolint:errcheck // then it has none
		words := strings.TrimSpace(strings.ReplaceAll(string(command), "\x00", " "))
		return fmt.Sprintf(" (process %s: %s)", fields[4], format.LastLines(strings.ReplaceAll(words, "\n", " "), 1))
	}
	return ""
}
