package meter

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A quota is found in the group of the process or in any above it, in both
// versions of the hierarchy and wherever they are mounted, by how much longer
// it has held the group back.
func TestThrottled(t *testing.T) {
	const (
		unified = "30 20 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
		hybrid  = "31 20 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n32 20 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
		inside  = "33 20 0:27 /docker/abc /cg/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
	)
	for name, test := range map[string]struct {
		files map[string]string
		stat  string // the file that grows
		after string
		want  time.Duration
		cpus  float64
		group string
	}{
		"version 2": {map[string]string{
			"proc/7/cgroup": "0::/a/b\n", "proc/self/mountinfo": unified, "sys/fs/cgroup/a/cpu.max": "20000 100000\n",
			"sys/fs/cgroup/a/cpu.stat":   "usage_usec 5\nnr_throttled 2\nthrottled_usec 1000\n",
			"sys/fs/cgroup/a/b/cpu.stat": "usage_usec 5\nnr_throttled 0\nthrottled_usec 0\n",
		}, "sys/fs/cgroup/a/cpu.stat", "usage_usec 9\nnr_throttled 9\nthrottled_usec 81000\n", 80 * time.Millisecond, 0.2, "/sys/fs/cgroup/a"},
		"version 1": {map[string]string{
			"proc/7/cgroup": "1:cpu:/x\n0::/\n", "proc/self/mountinfo": hybrid, "sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "50000\n", "sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000\n",
			"sys/fs/cgroup/cpu/x/cpu.stat": "nr_periods 1\nnr_throttled 1\nthrottled_time 5\n", "sys/fs/cgroup/unified/cpu.stat": "usage_usec 1\n",
		}, "sys/fs/cgroup/cpu/x/cpu.stat", "nr_periods 9\nnr_throttled 9\nthrottled_time 30000005\n", 30 * time.Millisecond, 0.5, "/sys/fs/cgroup/cpu/x"},
		"a container's part of version 1": {map[string]string{
			"proc/7/cgroup": "4:cpu,cpuacct:/docker/abc/x\n", "proc/self/mountinfo": inside,
			"cg/cpu/cpu.stat": "throttled_time 0\n", "cg/cpu/x/cpu.stat": "throttled_time 0\n",
		}, "cg/cpu/cpu.stat", "throttled_time 1000000\n", time.Millisecond, 0, "/cg/cpu"},
		"a path that is not mounted": {map[string]string{
			"proc/7/cgroup": "0::/kubepods/pod1\n", "proc/self/mountinfo": unified, "sys/fs/cgroup/cpu.stat": "throttled_usec 0\n", "sys/fs/cgroup/cpu.max": "100000 100000\n",
		}, "sys/fs/cgroup/cpu.stat", "throttled_usec 7\n", 7 * time.Microsecond, 1, "/sys/fs/cgroup"},
		"no quota": {map[string]string{
			"proc/7/cgroup": "0::/a\n", "proc/self/mountinfo": unified, "sys/fs/cgroup/a/cpu.stat": "usage_usec 5\n",
		}, "sys/fs/cgroup/a/cpu.stat", "usage_usec 50\n", 0, 0, ""},
	} {
		root := write(t, test.files)
		before := readQuotas(root, []int{7, 7, 8})
		if err := os.WriteFile(filepath.Join(root, test.stat), []byte(test.after), 0o600); err != nil {
			t.Fatal(err)
		}
		got := before.Since()
		if got.For != test.want || got.CPUs != test.cpus || strings.TrimPrefix(got.Group, root) != test.group {
			t.Errorf("%s: %+v; want %v in %s with %v CPUs", name, got, test.want, test.group, test.cpus)
		}
	}
}
