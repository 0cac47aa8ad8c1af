package meter

import (
	"fmt"
	"path/filepath"

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
