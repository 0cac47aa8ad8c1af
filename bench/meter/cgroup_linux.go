package meter

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A group is a control group that shares out CPU time, as a folder.
type group struct {
	dir string
	v2  bool
}

// groups are the control groups of a process ("self" is this one) by which its
// CPU time is bounded or counted under controller, cpu or cpuacct, and all
// above them, the innermost first. Both versions of the hierarchy are read. A
// container may see its groups by paths that do not exist below its own mount;
// then the mount's root is it.
func groups(root, process, controller string) []group {
	return groupsIn(root, memberships(root, process), controller, cgroupMounts(root))
}

func memberships(root, process string) string {
	b, err := os.ReadFile(filepath.Join(root, "proc", process, "cgroup"))
	if err != nil {
		return "" // it has ended, or its system has none
	}
	return string(b)
}

func groupsIn(root, memberships, controller string, mounts cgroupMountList) (all []group) {
	for line := range strings.Lines(memberships) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		v2 := fields[1] == ""
		if !v2 && !slices.Contains(strings.Split(fields[1], ","), controller) {
			continue
		}
		at := mounts.find(fields[1], v2)
		path := filepath.Clean("/" + fields[2])
		if rest, inside := strings.CutPrefix(path, at.root); inside && at.root != "/" {
			path = filepath.Clean("/" + rest)
		}
		for ; ; path = filepath.Dir(path) {
			dir := filepath.Join(root, at.dir, path)
			if info, err := os.Stat(dir); err == nil && info.IsDir() {
				all = append(all, group{dir, v2})
			}
			if path == "/" {
				break
			}
		}
	}
	return all
}

// A cgroupMount is where a hierarchy is mounted, and which part of it.
type cgroupMount struct {
	v2          bool
	controllers []string
	dir, root   string
}

type cgroupMountList []cgroupMount

// cgroupMounts lists them, as /proc tells.
func cgroupMounts(root string) (all cgroupMountList) {
	mounts, err := os.ReadFile(filepath.Join(root, "proc/self/mountinfo"))
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(mounts)) {
		// 36 35 0:31 ROOT DIR OPTIONS [TAGS…] - TYPE SOURCE SUPER
		head, tail, ok := strings.Cut(strings.TrimSpace(line), " - ")
		from, kind := strings.Fields(head), strings.Fields(tail)
		if !ok || len(from) < 5 || len(kind) < 3 || kind[0] != "cgroup" && kind[0] != "cgroup2" {
			continue
		}
		m := cgroupMount{v2: kind[0] == "cgroup2", root: from[3], dir: from[4]}
		if !m.v2 {
			m.controllers = strings.Split(kind[2], ",")
		}
		all = append(all, m)
	}
	return all
}

// find returns the mount of a hierarchy, or its usual place.
func (all cgroupMountList) find(controllers string, v2 bool) cgroupMount {
	first, _, _ := strings.Cut(controllers, ",")
	for _, m := range all {
		if m.v2 == v2 && (v2 || slices.Contains(m.controllers, first)) {
			return m
		}
	}
	return cgroupMount{v2: v2, root: "/", dir: filepath.Join("/sys/fs/cgroup", controllers)}
}

// quota is the share of CPU time that g is held to, in CPUs; 0 if to none.
func (g group) quota() float64 {
	var quota, period string
	if g.v2 {
		quota, period, _ = strings.Cut(lineUnder(g.dir, "cpu.max"), " ")
	} else {
		quota, period = lineUnder(g.dir, "cpu.cfs_quota_us"), lineUnder(g.dir, "cpu.cfs_period_us")
	}
	q, err1 := strconv.ParseFloat(quota, 64)
	p, err2 := strconv.ParseFloat(period, 64)
	if err1 != nil || err2 != nil || q <= 0 || p <= 0 { // "max", or −1
		return 0
	}
	return q / p
}

// throttled is for how long g has been held back by its quota since it was made.
func (g group) throttled() (time.Duration, bool) {
	key, unit := "throttled_time ", time.Nanosecond
	if g.v2 {
		key, unit = "throttled_usec ", time.Microsecond
	}
	b, err := os.ReadFile(filepath.Join(g.dir, "cpu.stat"))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
			return time.Duration(n) * unit, err == nil
		}
	}
	return 0, false // a group without a quota need not say
}

// quota is the smallest share of CPU time that this process's control group or
// one above it is held to, in CPUs; 0 if none is.
func quota(root string) float64 {
	least := 0.0
	for _, g := range groups(root, "self", "cpu") {
		if q := g.quota(); q > 0 && (least == 0 || q < least) {
			least = q
		}
	}
	return least
}

// Quotas are the control groups that bound the CPU time of some processes, and
// how long each has been held back so far.
type Quotas []quotaSample

type quotaSample struct {
	group
	throttled time.Duration
}

// ReadQuotas reads those of processes, and of every group above theirs.
func ReadQuotas(pids ...int) Quotas { return readQuotas("/", pids) }

func readQuotas(root string, pids []int) (q Quotas) {
	known, mounts := map[string]bool{}, cgroupMounts(root)
	for _, pid := range pids {
		in := memberships(root, strconv.Itoa(pid))
		if known[in] { // as most are
			continue
		}
		known[in] = true
		for _, g := range groupsIn(root, in, "cpu", mounts) {
			if known[g.dir] {
				continue
			}
			known[g.dir] = true
			if d, ok := g.throttled(); ok {
				q = append(q, quotaSample{g, d})
			}
		}
	}
	return q
}

// Since reads the groups again and returns the one that was held back most
// since then.
func (q Quotas) Since() (worst Throttled) {
	for _, before := range q {
		now, ok := before.group.throttled()
		if d := now - before.throttled; ok && d > worst.For {
			worst = Throttled{Group: before.dir, CPUs: before.quota(), For: d}
		}
	}
	return worst
}
