package meter

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// ReadLimits reads the limits of this host. Whatever cannot be read is left
// out.
func ReadLimits() (Limits, error) {
	l := limitsUnder("/")
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		l.OpenFilesHard = limit.Max
	}
	return l, nil
}

// limitsUnder reads the limits that are files.
func limitsUnder(root string) Limits {
	line := func(path string) string { return lineUnder(root, path) }
	l := Limits{
		TimeWaitReuse:     line("proc/sys/net/ipv4/tcp_tw_reuse"),
		CongestionControl: line("proc/sys/net/ipv4/tcp_congestion_control"),
		IOUringDisabled:   line("proc/sys/kernel/io_uring_disabled"),
		QuotaCPUs:         quota(root),
	}
	if _, err := fmt.Sscan(line("proc/sys/net/ipv4/ip_local_port_range"), &l.FirstPort, &l.LastPort); err != nil {
		l.FirstPort, l.LastPort = 0, 0
	}
	switch {
	case line("sys/devices/system/cpu/intel_pstate/no_turbo") == "0", line("sys/devices/system/cpu/cpufreq/boost") == "1":
		l.Turbo = "on"
	case line("sys/devices/system/cpu/intel_pstate/no_turbo") == "1", line("sys/devices/system/cpu/cpufreq/boost") == "0":
		l.Turbo = "off"
	}
	if fs, err := procfs.NewFS(filepath.Join(root, "proc")); err == nil {
		if mem, err := fs.Meminfo(); err == nil {
			if mem.SwapTotalBytes != nil && mem.SwapFreeBytes != nil {
				l.SwapBytes = int64(*mem.SwapTotalBytes)
				l.SwapUsedBytes = l.SwapBytes - int64(*mem.SwapFreeBytes)
			}
			if mem.MemAvailableBytes != nil {
				l.FreeBytes = int64(*mem.MemAvailableBytes)
			}
		}
	}
	return l
}

// quota is the smallest share of CPU time that this process's control group or
// one above it is held to, in CPUs; 0 if none is. Both versions of the
// hierarchy are read, at their usual places; inside a container the group's
// own path may not exist below the mount, and the mount's root is it.
func quota(root string) float64 {
	groups, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return 0
	}
	least := 0.0
	take := func(quota, period string) {
		q, err1 := strconv.ParseFloat(quota, 64)
		p, err2 := strconv.ParseFloat(period, 64)
		if err1 != nil || err2 != nil || q <= 0 || p <= 0 { // "max", or −1
			return
		}
		if least == 0 || q/p < least {
			least = q / p
		}
	}
	for group := range strings.Lines(string(groups)) {
		fields := strings.SplitN(strings.TrimSpace(group), ":", 3)
		if len(fields) != 3 {
			continue
		}
		for dir := filepath.Clean(fields[2]); ; dir = filepath.Dir(dir) {
			if fields[1] == "" { // version 2
				quota, period, _ := strings.Cut(lineUnder(root, filepath.Join("sys/fs/cgroup", dir, "cpu.max")), " ")
				take(quota, period)
			} else if strings.Contains(","+fields[1]+",", ",cpu,") {
				at := filepath.Join("sys/fs/cgroup", fields[1], dir)
				take(lineUnder(root, filepath.Join(at, "cpu.cfs_quota_us")), lineUnder(root, filepath.Join(at, "cpu.cfs_period_us")))
			}
			if dir == "/" || dir == "." {
				break
			}
		}
	}
	return least
}
