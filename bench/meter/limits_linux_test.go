package meter

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLimits(t *testing.T) {
	root := write(t, map[string]string{
		"proc/meminfo":                               "MemTotal:        2048 kB\nMemAvailable:    1024 kB\nSwapTotal:       512 kB\nSwapFree:        500 kB\n",
		"proc/sys/net/ipv4/tcp_tw_reuse":             "2\n",
		"proc/sys/net/ipv4/tcp_congestion_control":   "bbr\n",
		"proc/sys/net/ipv4/ip_local_port_range":      "32768\t60999\n",
		"proc/sys/kernel/io_uring_disabled":          "1\n",
		"sys/devices/system/cpu/cpufreq/boost":       "1\n",
		"proc/self/cgroup":                           "0::/a/b\n",
		"sys/fs/cgroup/a/cpu.max":                    "150000 100000\n",
		"sys/fs/cgroup/a/b/cpu.max":                  "max 100000\n",
		"sys/devices/system/cpu/cpu0/irrelevant/one": "",
	})
	want := Limits{
		FirstPort: 32768, LastPort: 60999, TimeWaitReuse: "2", CongestionControl: "bbr", IOUringDisabled: "1",
		SwapBytes: 512 << 10, SwapUsedBytes: 12 << 10, FreeBytes: 1 << 20, QuotaCPUs: 1.5, Turbo: "on",
	}
	if diff := cmp.Diff(want, limitsUnder(root)); diff != "" {
		t.Error(diff)
	}
	if got := limitsUnder(t.TempDir()); got != (Limits{}) {
		t.Errorf("an empty system has %+v", got)
	}
	here, err := ReadLimits()
	if err != nil {
		t.Fatal(err)
	}
	if here.OpenFilesHard == 0 || here.FirstPort == 0 || here.LastPort < here.FirstPort || here.CongestionControl == "" {
		t.Errorf("this host has %+v", here)
	}
}

func TestQuota(t *testing.T) {
	for name, test := range map[string]struct {
		files map[string]string
		want  float64
	}{
		"none":      {nil, 0},
		"unlimited": {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 0},
		"a container's root": {map[string]string{
			"proc/self/cgroup": "0::/not/mounted/here\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}, 0.5},
		"the least of all levels": {map[string]string{
			"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "400000 100000\n", "sys/fs/cgroup/a/b/cpu.max": "200000 100000\n"}, 2},
		"version 1": {map[string]string{
			"proc/self/cgroup": "4:cpu,cpuacct:/x\n3:memory:/\n", "sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us": "25000\n",
			"sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us": "100000\n"}, 0.25},
		"version 1, unlimited": {map[string]string{
			"proc/self/cgroup": "1:cpu:/\n", "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}, 0},
		"nonsense": {map[string]string{"proc/self/cgroup": "x\n0::relative\n", "sys/fs/cgroup/cpu.max": "many\n"}, 0},
	} {
		if got := quota(write(t, test.files)); got != test.want {
			t.Errorf("%s: %v CPUs, want %v", name, got, test.want)
		}
	}
}
