package bench

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

// splitCPUs gives server and generator CPUs of their own, unless the caller
// has chosen.
func (o *Options) splitCPUs() error {
	available, err := meter.CPUs()
	if err != nil {
		if errors.Is(err, meter.ErrUnsupported) {
			return nil // no pinning on this system; meter says so when it is asked
		}
		return err
	}
	for _, set := range [][]int{o.ServerCPUs, o.GeneratorCPUs} {
		for _, cpu := range set {
			if !slices.Contains(available, cpu) {
				return fmt.Errorf("CPU %d is not among those that this process may use, %v", cpu, available)
			}
		}
	}
	if len(o.ServerCPUs) > 0 && len(o.GeneratorCPUs) > 0 {
		return nil
	}
	if len(o.ServerCPUs) > 0 || len(o.GeneratorCPUs) > 0 {
		return errors.New("the CPUs of both the server and the generator must be given, or of neither")
	}
	split := meter.Split(available, 0, meter.ReadTopology())
	o.ServerCPUs, o.GeneratorCPUs, o.oneCore = split.Server, split.Generator, split.SplitCore
	return nil
}

// sharedCPUs tells whether server and generator get in each other's way.
func (p *Plan) sharedCPUs() bool {
	return len(p.ServerCPUs) == 0 || slices.ContainsFunc(p.ServerCPUs, func(cpu int) bool {
		return slices.Contains(p.GeneratorCPUs, cpu)
	})
}

// hostCPUs are all CPUs that a trial uses.
func (p *Plan) hostCPUs() []int {
	all := slices.Concat(p.ServerCPUs, p.GeneratorCPUs)
	slices.Sort(all)
	return slices.Compact(all)
}

// Environment is what the figures of the plan will depend on.
func (p *Plan) Environment() results.Environment {
	e, err := meter.ReadFacts()
	if err != nil { // then only Go knows something
		e.CPUs = runtime.NumCPU()
	}
	env := results.Environment{
		OS: runtime.GOOS, Arch: runtime.GOARCH, Kernel: e.Kernel, CPUModel: e.CPUModel, CPUs: e.CPUs,
		ServerCPUs: p.ServerCPUs, GeneratorCPUs: p.GeneratorCPUs, CPUsShared: p.sharedCPUs(), CPUsOneCore: p.oneCore,
		MemoryBytes: e.MemoryBytes, Virtual: e.Virtual, ClockSource: e.ClockSource, Governor: e.Governor,
		OpenFiles: e.OpenFiles, SoMaxConn: e.SoMaxConn,
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
