package cgroup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
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

const (
	unified = "30 20 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
	joint   = "32 20 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
)

// What a group has used is read in both versions.
func TestUsage(t *testing.T) {
	root := write(t, map[string]string{
		"two/cpu.stat":      "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\nnr_throttled 0\n",
		"one/cpuacct.usage": "2500000\n", "one/cpuacct.stat": "user 3\nsystem 4\n",
	})
	for name, test := range map[string]struct {
		g    Group
		want Usage
		ok   bool
	}{
		"version 2": {Group{filepath.Join(root, "two"), true}, Usage{1500 * time.Microsecond, time.Millisecond, 500 * time.Microsecond}, true},
		"version 1": {Group{filepath.Join(root, "one"), false}, Usage{2500 * time.Microsecond, 30 * time.Millisecond, 40 * time.Millisecond}, true},
		"neither":   {Group{root, true}, Usage{}, false},
		"nor":       {Group{root, false}, Usage{}, false},
	} {
		if got, ok := test.g.Usage(); got != test.want || ok != test.ok {
			t.Errorf("%s: %+v, %v; want %+v, %v", name, got, ok, test.want, test.ok)
		}
	}
}

// What a process that is no more has left is removed, and nobody else's.
func TestSweep(t *testing.T) {
	root := write(t, map[string]string{"proc/self/cgroup": "0::/\n", "proc/7/stat": "", "proc/self/mountinfo": unified, "sys/fs/cgroup/cpu.stat": "usage_usec 7\n", "sys/fs/cgroup/dyno-8-2/cgroup.procs": "9"})
	at := filepath.Join(root, "sys/fs/cgroup")
	for _, name := range []string{Name(7, 1), Name(8, 1) + "/a/b", "dyno-8-1x", "dyno-x"} {
		if err := os.MkdirAll(filepath.Join(at, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := makeUnder(root, Name(9, 1)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"dyno-7-1": true, "dyno-8-1": false, "dyno-8-2": true, "dyno-8-1x": true, "dyno-x": true, "dyno-9-1": true} {
		if _, err := os.Stat(filepath.Join(at, name)); (err == nil) != want {
			t.Errorf("%s is there: %v, want %v", name, err == nil, want)
		}
	}
}

// A group is made below one's own, where CPU time is counted; it takes processes
// and goes again.
func TestMake(t *testing.T) {
	for name, test := range map[string]struct {
		files map[string]string
		want  string
	}{
		"version 2": {map[string]string{
			"proc/self/cgroup": "0::/user/session\n", "proc/self/mountinfo": unified, "sys/fs/cgroup/user/session/cpu.stat": "usage_usec 7\n",
		}, "/sys/fs/cgroup/user/session/x"},
		"version 1": {map[string]string{
			"proc/self/cgroup": "4:cpu,cpuacct:/docker/a\n0::/\n", "proc/self/mountinfo": joint, "sys/fs/cgroup/cpu,cpuacct/docker/a/cpuacct.usage": "7\n",
		}, "/sys/fs/cgroup/cpu,cpuacct/docker/a/x"},
		"a container's root": {map[string]string{
			"proc/self/cgroup": "0::/../../host/path\n", "proc/self/mountinfo": unified, "sys/fs/cgroup/cpu.stat": "usage_usec 7\n",
		}, "/sys/fs/cgroup/x"},
		"none": {map[string]string{"proc/self/cgroup": "0::/\n"}, ""},
	} {
		root := write(t, test.files)
		g, err := makeUnder(root, "x")
		if test.want == "" {
			if err == nil || !strings.Contains(err.Error(), "counts CPU time") {
				t.Errorf("%s: %+v, %v; want an error", name, g, err)
			}
			continue
		}
		if err != nil || strings.TrimPrefix(g.Dir, root) != test.want {
			t.Errorf("%s: %+v, %v; want %s", name, g, err, test.want)
			continue
		}
		if _, err := makeUnder(root, "x"); err == nil {
			t.Errorf("%s: a group is made twice", name)
		}
		if err := g.Add(7); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if b, _ := os.ReadFile(filepath.Join(g.Dir, "cgroup.procs")); string(b) != "7" {
			t.Errorf("%s: %q is in it", name, b)
		}
		os.Remove(filepath.Join(g.Dir, "cgroup.procs")) //nolint:errcheck // the kernel's files need no removing
		if err := g.Remove(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
