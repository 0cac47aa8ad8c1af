// Package measure is what every measurement of dyno's stands on, beside servers
// (bench/target) and meters (bench/meter): which CPUs the server and the
// generator get, what else of the host the figures depend on, and one run of a
// generator process against a running server, metered at the edges of its
// window. bench makes trials of it, bench/doctor looks at the host with it.
package measure

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/dynobench/dyno/bench/meter"
	"github.com/dynobench/dyno/results"
)

// CPUs is who runs where. The zero value pins nobody.
type CPUs struct {
	Server, Generator []int // ascending
	OneCore           bool  // they are siblings on one core
}

// ChooseCPUs gives server and generator CPUs of their own, unless the caller
// has chosen for both. On systems without pinning nobody gets any.
func ChooseCPUs(server, generator []int) (CPUs, error) {
	c := CPUs{Server: server, Generator: generator}
	available, err := meter.CPUs()
	if err != nil {
		if errors.Is(err, meter.ErrUnsupported) {
			return c, nil // meter says so when it is asked
		}
		return c, err
	}
	for _, cpu := range slices.Concat(server, generator) {
		if !slices.Contains(available, cpu) {
			return c, fmt.Errorf("CPU %d is not one that this process may use (%v)", cpu, available)
		}
	}
	if len(server) > 0 && len(generator) > 0 {
		return c, nil
	}
	if len(server) > 0 || len(generator) > 0 {
		return c, errors.New("give the CPUs of both the server and the generator, or of neither")
	}
	split := meter.Split(available, 0, meter.ReadTopology())
	return CPUs{Server: split.Server, Generator: split.Generator, OneCore: split.SplitCore}, nil
}

// Shared tells whether server and generator get in each other's way.
func (c CPUs) Shared() bool {
	return len(c.Server) == 0 || slices.ContainsFunc(c.Server, func(cpu int) bool {
		return slices.Contains(c.Generator, cpu)
	})
}

// All are the CPUs of both, ascending.
func (c CPUs) All() []int {
	all := slices.Concat(c.Server, c.Generator)
	slices.Sort(all)
	return slices.Compact(all)
}

// Threads is how many threads a generator gets.
func (c CPUs) Threads() int { return max(1, len(c.Generator)) }

// ServerShare is which part of the time of the server's CPUs was used, of what
// the hypervisor left of it. Close to 1 the server could not have done more.
func (c CPUs) ServerShare(used meter.Usage, onServer meter.HostUsage) float64 {
	left := used.Wall.Seconds() * float64(max(1, len(c.Server))) * (1 - onServer.StealPct/100)
	if left <= 0 {
		return 0
	}
	return used.CPU.Seconds() / left
}

// Environment is what figures measured on these CPUs depend on.
func (c CPUs) Environment() results.Environment {
	f, err := meter.ReadFacts()
	if err != nil { // then only Go knows something
		f.CPUs = runtime.NumCPU()
	}
	env := results.Environment{
		OS: runtime.GOOS, Arch: runtime.GOARCH, Kernel: f.Kernel, CPUModel: f.CPUModel, CPUs: f.CPUs,
		ServerCPUs: c.Server, GeneratorCPUs: c.Generator, CPUsShared: c.Shared(), CPUsOneCore: c.OneCore,
		MemoryBytes: f.MemoryBytes, Virtual: f.Virtual, ClockSource: f.ClockSource, Governor: f.Governor,
		OpenFiles: f.OpenFiles, SoMaxConn: f.SoMaxConn,
	}
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if slices.Contains([]string{"GOGC", "GOMEMLIMIT", "GOMAXPROCS", "GODEBUG", "GOAMD64"}, name) {
			env.Variables = append(env.Variables, v)
		}
	}
	slices.Sort(env.Variables)
	return env
}
