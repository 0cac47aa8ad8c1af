// Package cgroup finds the control groups of a process, reads what they bound and
// count of CPU time, and makes one of its own for a server. Both versions of the
// hierarchy are known; a group is a folder, so all but its making works on any
// tree of files.
package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Group is a control group, as a folder.
type Group struct {
	Dir string
	V2  bool
}

// Of are the control groups of a process ("self" is this one) by which its
// CPU time is bounded or counted under controller, cpu or cpuacct, and all
// above them, the innermost first. Both versions of the hierarchy are read. A
// container may see its groups by paths that do not exist below its own mount;
// then the mount's root is it.
func Of(root, process, controller string) []Group {
	return ReadMounts(root).Groups(Memberships(root, process), controller)
}

// Memberships is what /proc tells of the groups of a process.
func Memberships(root, process string) string {
	b, err := os.ReadFile(filepath.Join(root, "proc", process, "cgroup"))
	if err != nil {
		return "" // it has ended, or its system has none
	}
	return string(b)
}

// Groups are those of Of for what Memberships returned.
func (mounts Mounts) Groups(memberships, controller string) (all []Group) {
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
			dir := filepath.Join(mounts.root, at.dir, path)
			if info, err := os.Stat(dir); err == nil && info.IsDir() {
				all = append(all, Group{dir, v2})
			}
			if path == "/" {
				break
			}
		}
	}
	return all
}

// Mounts are where the hierarchies are mounted, below a root.
type Mounts struct {
	root string
	all  []mount
}

// A mount is where a hierarchy is mounted, and which part of it.
type mount struct {
	v2          bool
	controllers []string
	dir, root   string
}

// ReadMounts lists them, as /proc tells.
func ReadMounts(root string) Mounts {
	m := Mounts{root: root}
	mounts, err := os.ReadFile(filepath.Join(root, "proc/self/mountinfo"))
	if err != nil {
		return m
	}
	for line := range strings.Lines(string(mounts)) {
		// 36 35 0:31 ROOT DIR OPTIONS [TAGS…] - TYPE SOURCE SUPER
		head, tail, ok := strings.Cut(strings.TrimSpace(line), " - ")
		from, kind := strings.Fields(head), strings.Fields(tail)
		if !ok || len(from) < 5 || len(kind) < 3 || kind[0] != "cgroup" && kind[0] != "cgroup2" {
			continue
		}
		at := mount{v2: kind[0] == "cgroup2", root: from[3], dir: from[4]}
		if !at.v2 {
			at.controllers = strings.Split(kind[2], ",")
		}
		m.all = append(m.all, at)
	}
	return m
}

// find returns the mount of a hierarchy, or its usual place.
func (mounts Mounts) find(controllers string, v2 bool) mount {
	first, _, _ := strings.Cut(controllers, ",")
	for _, m := range mounts.all {
		if m.v2 == v2 && (v2 || slices.Contains(m.controllers, first)) {
			return m
		}
	}
	return mount{v2: v2, root: "/", dir: filepath.Join("/sys/fs/cgroup", controllers)}
}

// Quota is the share of CPU time that g is held to, in CPUs; 0 if to none.
func (g Group) Quota() float64 {
	var quota, period string
	if g.V2 {
		quota, period, _ = strings.Cut(g.line("cpu.max"), " ")
	} else {
		quota, period = g.line("cpu.cfs_quota_us"), g.line("cpu.cfs_period_us")
	}
	q, err1 := strconv.ParseFloat(quota, 64)
	p, err2 := strconv.ParseFloat(period, 64)
	if err1 != nil || err2 != nil || q <= 0 || p <= 0 { // "max", or −1
		return 0
	}
	return q / p
}

// Throttled is for how long g has been held back by its quota since it was made.
func (g Group) Throttled() (time.Duration, bool) {
	key, unit := "throttled_time", time.Nanosecond
	if g.V2 {
		key, unit = "throttled_usec", time.Microsecond
	}
	n, ok := g.pairs("cpu.stat")[key] // a group without a quota need not say
	return time.Duration(n) * unit, ok
}

// Usage is the CPU time that the processes of a group have used since it was
// made, the ended ones included. Of those that are running, the time since their
// last tick may be missing.
type Usage struct{ CPU, User, System time.Duration }

// Usage reads it.
func (g Group) Usage() (u Usage, ok bool) {
	if !g.V2 {
		ns, err := strconv.ParseInt(g.line("cpuacct.usage"), 10, 64)
		u.CPU = time.Duration(ns)
		const tick = time.Second / 100 // USER_HZ
		for key, v := range g.pairs("cpuacct.stat") {
			switch key {
			case "user":
				u.User = time.Duration(v) * tick
			case "system":
				u.System = time.Duration(v) * tick
			}
		}
		return u, err == nil
	}
	for key, v := range g.pairs("cpu.stat") {
		d := time.Duration(v) * time.Microsecond
		switch key {
		case "usage_usec":
			u.CPU, ok = d, true
		case "user_usec":
			u.User = d
		case "system_usec":
			u.System = d
		}
	}
	return u, ok
}

func (g Group) line(name string) string {
	b, err := os.ReadFile(filepath.Join(g.Dir, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// pairs are the numbers of a file with a name and a number on each line.
func (g Group) pairs(name string) map[string]int64 {
	all := map[string]int64{}
	for line := range strings.Lines(g.line(name)) {
		if key, text, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			if n, err := strconv.ParseInt(text, 10, 64); err == nil {
				all[key] = n
			}
		}
	}
	return all
}

// Make makes a group for counting below that of this process, in the unified
// hierarchy or, where CPU time is not counted there, with the cpuacct controller
// of version 1. The error says what is missing, privileges mostly.
func Make(name string) (Group, error) { return makeUnder("/", name) }

// Name is what a process calls the groups that it makes.
func Name(pid, n int) string { return fmt.Sprintf("dyno-%d-%d", pid, n) }

// sweep removes what processes that are no more have left below dir. Only empty
// groups can be removed.
func sweep(root, dir string) {
	entries, _ := os.ReadDir(dir) //nolint:errcheck // then there is nothing to sweep
	for _, e := range entries {
		var pid, n int
		if k, _ := fmt.Sscanf(e.Name(), "dyno-%d-%d", &pid, &n); k != 2 || e.Name() != Name(pid, n) { //nolint:errcheck // so it is another's
			continue
		}
		if _, err := os.Stat(filepath.Join(root, "proc", strconv.Itoa(pid))); errors.Is(err, os.ErrNotExist) {
			_ = Group{Dir: filepath.Join(dir, e.Name())}.Remove() //nolint:errcheck // something lives in it
		}
	}
}

func makeUnder(root, name string) (Group, error) {
	var errs []error
	mounts, in := ReadMounts(root), Memberships(root, "self")
	for _, g := range slices.Concat(mounts.own(in, true), mounts.own(in, false)) {
		made := Group{filepath.Join(g.Dir, name), g.V2}
		if _, counts := g.Usage(); !counts {
			continue
		}
		sweep(root, g.Dir)
		if err := os.Mkdir(made.Dir, 0o755); err != nil {
			errs = append(errs, err)
			continue
		}
		return made, nil
	}
	if errs == nil {
		return Group{}, errors.New("no hierarchy of control groups counts CPU time")
	}
	return Group{}, errors.Join(errs...)
}

// own is the innermost group of a version.
func (mounts Mounts) own(memberships string, v2 bool) []Group {
	for _, g := range mounts.Groups(memberships, "cpuacct") {
		if g.V2 == v2 {
			return []Group{g}
		}
	}
	return nil
}

// Add moves a process into g, with what it starts from then on.
func (g Group) Add(pid int) error {
	return os.WriteFile(filepath.Join(g.Dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0)
}

// Remove removes g, which must be empty but for zombies, and the groups that its
// processes have made in it.
func (g Group) Remove() error {
	entries, _ := os.ReadDir(g.Dir) //nolint:errcheck // told by the removal
	for _, e := range entries {
		if e.IsDir() {
			_ = Group{filepath.Join(g.Dir, e.Name()), g.V2}.Remove() //nolint:errcheck // likewise
		}
	}
	return os.Remove(g.Dir)
}
