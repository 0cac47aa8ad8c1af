package meter

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// ReadFacts reads the facts of this host. Whatever cannot be read is left out.
func ReadFacts() (Facts, error) {
	f := factsUnder("/")
	if cpus, err := CPUs(); err == nil {
		f.CPUs = len(cpus)
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		f.OpenFiles = limit.Cur
	}
	return f, nil
}

// factsUnder reads the facts that are files.
func factsUnder(root string) Facts {
	line := func(path string) string { return lineUnder(root, path) }
	f := Facts{
		Kernel:      line("proc/sys/kernel/osrelease"),
		ClockSource: line("sys/devices/system/clocksource/clocksource0/current_clocksource"),
		Governor:    line("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
	}
	f.SoMaxConn, _ = strconv.Atoi(line("proc/sys/net/core/somaxconn"))
	hypervisor := false
	if fs, err := procfs.NewFS(filepath.Join(root, "proc")); err == nil {
		if info, err := fs.CPUInfo(); err == nil && len(info) > 0 {
			f.CPUModel = info[0].ModelName
			hypervisor = slices.Contains(info[0].Flags, "hypervisor")
		}
		if mem, err := fs.Meminfo(); err == nil && mem.MemTotalBytes != nil {
			f.MemoryBytes = int64(*mem.MemTotalBytes)
		}
	}
	// ARM's cpuinfo has no flag and often no model; the firmware's tables
	// name both.
	f.CPUModel = cmp.Or(f.CPUModel, line("proc/device-tree/model"))
	f.Virtual = line("sys/hypervisor/type") // Xen
	machine := strings.TrimSpace(line("sys/class/dmi/id/sys_vendor") + " " + line("sys/class/dmi/id/product_name"))
	if f.Virtual == "" && (hypervisor || virtualMachine(machine)) {
		f.Virtual = cmp.Or(machine, "yes")
	}
	return f
}

// lineUnder is a file of one line, empty where it cannot be read.
func lineUnder(root, path string) string {
	b, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// virtualMachine knows the names that hypervisors give their machines.
func virtualMachine(machine string) bool {
	for _, name := range []string{"QEMU", "KVM", "VMware", "VirtualBox", "Virtual Machine", "Xen", "Amazon EC2", "Google Compute Engine", "Apple Virtualization"} {
		if strings.Contains(machine, name) && !strings.Contains(machine, ".metal") {
			return true
		}
	}
	return false
}

// CPUs are the CPUs that this process may use, ascending.
func CPUs() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("read the CPU affinity: %w", err)
	}
	var cpus []int
	for cpu := range len(set) * strconv.IntSize {
		if set.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	return cpus, nil
}

// ReadTopology reads which CPUs share a core. Where the system does not tell,
// the result is empty and each CPU counts as a core.
func ReadTopology() Topology { return topologyUnder("/") }

func topologyUnder(root string) Topology {
	t := Topology{}
	files, _ := filepath.Glob(filepath.Join(root, "sys/devices/system/cpu/cpu[0-9]*/topology/thread_siblings_list"))
	for _, file := range files {
		name := filepath.Base(filepath.Dir(filepath.Dir(file)))
		cpu, err := strconv.Atoi(strings.TrimPrefix(name, "cpu"))
		if err != nil {
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if siblings, err := ParseCPUs(string(b)); err == nil {
			t[cpu] = siblings
		}
	}
	return t
}
