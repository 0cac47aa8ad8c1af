package target

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/dynobench/dyno/internal/shell"
)

// Command is what Start runs.
type Command struct {
	Name string            // for messages; default: the program
	Argv []string          // the program, looked up on PATH, and its arguments
	Env  map[string]string // added to this process's environment
	Dir  string            // default: this process's
	CPUs []int             // that the tree may use; empty: any. Linux only

	// Urgent asks the kernel to run the tree before all else on its CPUs, on
	// Linux and as root; elsewhere it is nothing. It is for instruments, which
	// have CPUs of their own: what else runs there would show in what they read.
	Urgent bool

	// Counted asks for a control group of its own, which counts the CPU time of
	// the tree with all that nobody waits for. Where none can be made there is
	// none: see Process.Group.
	Counted bool

	Signal syscall.Signal // that asks the leader for an orderly end; default SIGTERM
	Drain  time.Duration  // how long after Signal the tree may live; default 5s

	// Stdout and Stderr, where not nil, get all that the tree writes there,
	// beside the tail that is kept of both. Writes come from one goroutine
	// per stream; where both are the same writer, from one.
	Stdout, Stderr io.Writer
	Files          []*os.File // inherited as descriptors 3, 4, …; the caller closes its own ends
}

func (c Command) name() string {
	if c.Name != "" || len(c.Argv) == 0 {
		return c.Name
	}
	return c.Argv[0]
}

// Words gives an argv that starts the same command on the same CPUs, by way
// of taskset and env. Files and Dir cannot be told in it.
func (c Command) Words() []string {
	var words []string
	if len(c.CPUs) > 0 {
		words = append(words, "taskset", "-c", FormatCPUs(c.CPUs))
	}
	if len(c.Env) > 0 {
		words = append(words, "env")
		for _, k := range slices.Sorted(maps.Keys(c.Env)) {
			words = append(words, k+"="+c.Env[k])
		}
	}
	return append(words, c.Argv...)
}

// String gives Words as a line for a POSIX shell, in Dir.
func (c Command) String() string {
	line := shell.Join(c.Words())
	if c.Dir != "" {
		line = shell.Join([]string{"cd", c.Dir}) + " && " + line
	}
	return line
}

// FormatCPUs writes a set of CPUs as taskset and the kernel do: 0-3,8.
func FormatCPUs(cpus []int) string {
	s := slices.Compact(slices.Sorted(slices.Values(cpus)))
	var b strings.Builder
	for i := 0; i < len(s); {
		j := i
		for j+1 < len(s) && s[j+1] == s[j]+1 {
			j++
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(s[i]))
		if j > i {
			fmt.Fprintf(&b, "-%d", s[j])
		}
		i = j + 1
	}
	return b.String()
}
