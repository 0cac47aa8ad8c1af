package meter

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// write makes files under a new folder that stands for the root.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestHost(t *testing.T) {
	read := func(files map[string]string) HostSample {
		h, err := readHost(filepath.Join(write(t, files), "proc"))
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	psi := "some avg10=0.00 avg60=0.00 avg300=0.00 total="
	a := read(map[string]string{
		"proc/stat":         "cpu  0 0 0 0 0 0 0 0 0 0\ncpu0 100 0 0 100 0 0 0 10 50 0\ncpu1 0 0 0 500 0 0 0 0 0 0\n",
		"proc/pressure/cpu": psi + "1000000\n", "proc/pressure/memory": psi + "0\n",
	})
	b := read(map[string]string{
		"proc/stat":         "cpu  0 0 0 0 0 0 0 0 0 0\ncpu0 150 0 0 130 0 0 0 30 90 0\ncpu1 0 0 0 600 0 0 0 0 0 0\n",
		"proc/pressure/cpu": psi + "1500000\n", "proc/pressure/memory": psi + "200000\n",
	})
	const ms = time.Millisecond
	a.Time, b.Time = 0, 2*time.Second
	for _, c := range []struct {
		cpus          []int
		steal, busy   float64
		n             int
		threads, away time.Duration
	}{{[]int{0}, 20, 50, 1, 1500 * ms, 200 * ms}, {[]int{1}, 0, 0, 1, 1000 * ms, 0}, {nil, 10, 25, 2, 2500 * ms, 200 * ms}, {[]int{0, 1}, 10, 25, 2, 2500 * ms, 200 * ms}, {[]int{7}, 0, 0, 0, 0, 0}} {
		want := HostUsage{StealPct: c.steal, BusyPct: c.busy, PSICPUSomePct: 25, PSIMemorySomePct: 10, HasPSI: true, CPUs: c.n, Wall: 2 * time.Second, Threads: c.threads, Away: c.away}
		if diff := cmp.Diff(want, b.Sub(a, c.cpus)); diff != "" {
			t.Errorf("CPUs %v: %s", c.cpus, diff)
		}
	}
	without := read(map[string]string{"proc/stat": "cpu  0 0 0 0 0 0 0 0 0 0\ncpu0 1 0 0 0 0 0 0 0 0 0\n"})
	if u := b.Sub(without, nil); without.HasPSI || u.HasPSI || u.PSICPUSomePct != 0 {
		t.Errorf("without PSI: %+v", u)
	}
}

// The time of interrupts is in the clocks of threads or beside them.
func TestInterruptTime(t *testing.T) {
	a := HostSample{CPUs: map[int]CPUTime{0: {}}}
	b := HostSample{Time: time.Second, CPUs: map[int]CPUTime{0: {Idle: 500 * time.Millisecond, IRQ: 100 * time.Millisecond}}}
	for apart, want := range map[bool]time.Duration{false: 500 * time.Millisecond, true: 400 * time.Millisecond} {
		b.IRQApart = apart
		if u := b.Sub(a, nil); u.Threads != want || u.Away != 100*time.Millisecond {
			t.Errorf("apart %v: %+v, want %v for threads", apart, u, want)
		}
	}
	for range 100 { // a busy host interrupts the reading
		if share, ok := unaccounted(5 * time.Millisecond); ok {
			if share < -0.1 || share > 0.9 {
				t.Errorf("a thread ran and waited for %v of the time", 1-share)
			}
			return
		}
	}
	t.Error("it could never be told what a thread did")
}

func TestReadHost(t *testing.T) {
	a, err := ReadHost()
	if err != nil {
		t.Fatal(err)
	}
	cpus, err := CPUs()
	if err != nil {
		t.Fatal(err)
	}
	for _, cpu := range cpus {
		if a.CPUs[cpu].Total <= 0 {
			t.Errorf("CPU %d has %+v", cpu, a.CPUs[cpu])
		}
	}
	b, err := ReadHost()
	if err != nil {
		t.Fatal(err)
	}
	if u := b.Sub(a, cpus); u.StealPct < 0 || u.StealPct > 100 || u.PSICPUSomePct < 0 || u.PSICPUSomePct > 100 {
		t.Errorf("usage %+v", u)
	}
}

func TestFacts(t *testing.T) {
	cpuinfo := "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Some CPU @ 3GHz\nflags\t\t: fpu hypervisor\n"
	root := write(t, map[string]string{
		"proc/cpuinfo":                cpuinfo,
		"proc/meminfo":                "MemTotal:        2048 kB\n",
		"proc/sys/kernel/osrelease":   "6.1.0\n",
		"proc/sys/net/core/somaxconn": "4096\n",
		"sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc\n",
		"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor":            "powersave\n",
		"sys/class/dmi/id/sys_vendor":                                     "QEMU\n",
		"sys/class/dmi/id/product_name":                                   "Standard PC\n",
	})
	got := factsUnder(root)
	want := Facts{Kernel: "6.1.0", MemoryBytes: 2 << 20, ClockSource: "tsc", Governor: "powersave", SoMaxConn: 4096, Virtual: "QEMU Standard PC"}
	if got.CPUModel != "" { // procfs reads the format of the architecture that it is built for
		want.CPUModel = "Some CPU @ 3GHz"
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := factsUnder(t.TempDir()); got != (Facts{}) {
		t.Errorf("an empty system has %+v", got)
	}
	here, err := ReadFacts()
	if err != nil {
		t.Fatal(err)
	}
	if here.Kernel == "" || here.CPUs < 1 || here.MemoryBytes <= 0 || here.OpenFiles == 0 || here.SoMaxConn == 0 {
		t.Errorf("this host has %+v", here)
	}
}

func TestTopology(t *testing.T) {
	root := write(t, map[string]string{
		"sys/devices/system/cpu/cpu0/topology/thread_siblings_list":  "0,8\n",
		"sys/devices/system/cpu/cpu8/topology/thread_siblings_list":  "0,8\n",
		"sys/devices/system/cpu/cpu10/topology/thread_siblings_list": "10\n",
		"sys/devices/system/cpu/cpufreq/boost":                       "1\n",
	})
	want := Topology{0: {0, 8}, 8: {0, 8}, 10: {10}}
	if diff := cmp.Diff(want, topologyUnder(root)); diff != "" {
		t.Error(diff)
	}
	for cpu, siblings := range ReadTopology() {
		if !slices.Contains(siblings, cpu) {
			t.Errorf("CPU %d is no sibling of itself: %v", cpu, siblings)
		}
	}
}
