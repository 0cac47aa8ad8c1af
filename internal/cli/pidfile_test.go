package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestPIDFile(t *testing.T) {
	ours := fmt.Sprintln(os.Getpid())
	for name, c := range map[string]struct {
		before, fails string
	}{
		"none":       {"", ""},
		"empty":      {"\n", ""},
		"stale":      {"4194000\n", ""},
		"recycled":   {"1\n", ""}, // the process is alive and is no server that holds the file
		"other data": {"precious", "not a process id"},
		"a negative": {"-1", "not a process id"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "pid")
			if c.before != "" {
				if err := os.WriteFile(path, []byte(c.before), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			p, err := writePIDFile(path)
			b, _ := os.ReadFile(path)
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) || string(b) != c.before {
					t.Errorf("%v, the file holds %q", err, b)
				}
				return
			}
			if err != nil || string(b) != ours {
				t.Fatalf("%v, the file holds %q", err, b)
			}
			p.remove()
			if left, _ := os.ReadDir(filepath.Dir(path)); len(left) > 0 {
				t.Errorf("%v is left", left)
			}
		})
	}
}

// TestPIDFileOfOthers: it is removed by whoever made it, and by nobody else.
func TestPIDFileOfOthers(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"replaced": func(path string) error {
			if err := os.WriteFile(path+".new", []byte("123\n"), 0o600); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		},
		"rewritten": func(path string) error { return os.WriteFile(path, []byte("123\n"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "pid")
			p, err := writePIDFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := change(path); err != nil {
				t.Fatal(err)
			}
			p.remove()
			if b, err := os.ReadFile(path); err != nil || string(b) != "123\n" {
				t.Errorf("%q, %v: another server's file", b, err)
			}
		})
	}
}

// TestPIDFileOfOne: of many who want it at the same time one gets it.
func TestPIDFileOfOne(t *testing.T) {
	for _, before := range []string{"", "4194000\n"} {
		path := filepath.Join(t.TempDir(), "pid")
		if before != "" {
			if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var wg sync.WaitGroup
		var got atomic.Int64
		for range 20 {
			wg.Go(func() {
				p, err := writePIDFile(path)
				if err == nil {
					got.Add(1)
					t.Cleanup(p.remove)
				} else if !strings.Contains(err.Error(), "belongs to a running server") {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got.Load() != 1 {
			t.Errorf("%d have it", got.Load())
		}
	}
}
