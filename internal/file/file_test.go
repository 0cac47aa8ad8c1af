package file

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func only(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("the folder has %q, want %q", got, names)
	}
}

func TestReplace(t *testing.T) {
	dir := t.TempDir()
	old := syscall.Umask(0o027)
	defer syscall.Umask(old)
	at := func(name string) string { return filepath.Join(dir, name) }
	mode := func(name string) fs.FileMode {
		info, err := os.Lstat(at(name))
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode()
	}
	if err := Replace(at("new"), text("1")); err != nil || content(t, at("new")) != "1" || mode("new") != 0o640 {
		t.Errorf("new: %v, mode %v", err, mode("new"))
	}
	os.Chmod(at("new"), 0o604) //nolint:errcheck // seen below
	if err := Replace(at("new"), text("2")); err != nil || content(t, at("new")) != "2" || mode("new") != 0o604 {
		t.Errorf("again: %v, mode %v", err, mode("new"))
	}
	os.Mkdir(at("sub"), 0o777)             //nolint:errcheck // seen below
	os.Symlink("sub/real", at("link"))     //nolint:errcheck
	os.Symlink("../link", at("sub/other")) //nolint:errcheck
	for _, name := range []string{"link", "sub/other"} {
		if err := Writable(at(name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := Replace(at(name), text(name)); err != nil || content(t, at("sub/real")) != name || mode(name)&fs.ModeSymlink == 0 {
			t.Errorf("%s: %v, mode %v", name, err, mode(name))
		}
	}
	os.Symlink("loop", at("loop")) //nolint:errcheck // seen below
	if err := Replace(at("loop"), text("")); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("a loop of links: %v", err)
	}
	broken := errors.New("broken")
	if err := Replace(at("new"), func(w io.Writer) error { io.WriteString(w, "part"); return broken }); !errors.Is(err, broken) || content(t, at("new")) != "2" { //nolint:errcheck // it is what is tested
		t.Errorf("a writer that fails: %v, %q", err, content(t, at("new")))
	}
	if err := Replace("/dev/null", text("x")); err != nil {
		t.Error(err)
	}
	if err := Writable(dir); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("a folder: %v", err)
	}
	if err := Writable(at("none/file")); err == nil {
		t.Error("a file in no folder is writable")
	}
	only(t, dir, "link", "loop", "new", "sub")
	only(t, at("sub"), "other", "real")
}

func TestIn(t *testing.T) {
	dir, away := t.TempDir(), filepath.Join(t.TempDir(), "precious")
	os.WriteFile(away, []byte("mine"), 0o600)                   //nolint:errcheck // seen below
	os.Symlink(away, filepath.Join(dir, "link"))                //nolint:errcheck
	os.Link(away, filepath.Join(dir, "hard"))                   //nolint:errcheck
	os.Mkdir(filepath.Join(dir, "folder"), 0o777)               //nolint:errcheck
	os.WriteFile(filepath.Join(dir, "run"), []byte("r"), 0o600) //nolint:errcheck
	os.Symlink("run", filepath.Join(dir, "within"))             //nolint:errcheck
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close() //nolint:errcheck // a test's
	for _, name := range []string{"link", "folder", "within", "../x", "a/b"} {
		if err := In(root, name, text("forged")); err == nil {
			t.Errorf("%s is written", name)
		}
	}
	for _, name := range []string{"hard", "new"} {
		if err := In(root, name, text("right")); err != nil || content(t, filepath.Join(dir, name)) != "right" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if content(t, away) != "mine" || content(t, filepath.Join(dir, "run")) != "r" {
		t.Error("what a link points to was written")
	}
	only(t, dir, "folder", "hard", "link", "new", "run", "within")
}

func TestSame(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, to := range map[string]string{"link": "old", "dangling": "new", "folder": "."} {
		if err := os.Symlink(to, name); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"old", "other"} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link("old", "hard"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"old", "old", true}, {"old", "./old", true}, {"link", "old", true}, {"hard", "old", true}, {"folder/old", "old", true},
		{"new", "new", true}, {"dangling", "new", true}, {"folder/new", "./new", true},
		{"old", "other", false}, {"new", "old", false}, {"new", "newer", false}, {"nowhere/a", "nowhere/a", false},
		{os.DevNull, os.DevNull, false},
	} {
		if got := Same(tt.a, tt.b); got != tt.want || Same(tt.b, tt.a) != tt.want {
			t.Errorf("%s and %s: %t", tt.a, tt.b, got)
		}
	}
}
