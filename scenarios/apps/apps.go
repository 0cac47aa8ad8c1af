// Package apps holds the applications that scenarios ask for, written against
// gateway, so that every engine runs the very same code. Their twins in other
// languages, for outside servers, lie in the sub-folders and are unpacked by
// Unpack; a twin answers byte for byte what its Go app answers.
package apps

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/dynobench/dyno/internal/suggest"
	"github.com/dynobench/dyno/protocol/conformance"
	"github.com/dynobench/dyno/protocol/gateway"
)

// Info describes an app.
type Info struct{ Name, Summary string }

var apps = map[string]struct {
	app     gateway.App
	summary string
}{
	"bench":       {Bench, "one path for each way to spend time: /hello, /json, /wait, /block, /cpu, /bytes, /stream, /echo"},
	"conformance": {conformance.NewApp(), "what dyno check asks; not for service"},
}

// Names returns the names that Lookup knows, sorted.
func Names() []string { return slices.Sorted(maps.Keys(apps)) }

// List describes the apps, sorted by name.
func List() []Info {
	var list []Info
	for _, name := range Names() {
		list = append(list, Info{name, apps[name].summary})
	}
	return list
}

// Lookup returns the app of that name. The error of an unknown one lists those there are.
func Lookup(name string) (gateway.App, error) {
	if known, ok := apps[name]; ok {
		return known.app, nil
	}
	return nil, suggest.Unknown("app", name, Names())
}

// twins are the apps for outside servers, as <language interface>/<file>.
//
//go:embed wsgi/app.py
var twins embed.FS

// Folder returns a folder that holds the twins, unpacked: the same one for the
// same twins, in the user's cache, so that a command line that names it can be
// run again later.
func Folder() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no place for the twins of the apps: %w; set HOME or XDG_CACHE_HOME", err)
	}
	sum := sha256.New()
	err = eachTwin(func(path string, data []byte) error {
		fmt.Fprintf(sum, "%s %d\n%s", path, len(data), data)
		return nil
	})
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "dyno", fmt.Sprintf("apps-%.6x", sum.Sum(nil)))
	if err := Unpack(dir); err != nil {
		return "", fmt.Errorf("unpack the twins of the apps: %w; XDG_CACHE_HOME names another place", err)
	}
	return dir, nil
}

// Unpack writes the twins into dir, which is made where needed: wsgi/app.py
// for Python. A file that is there and right is left alone: a server may be
// reading it.
func Unpack(dir string) error {
	return eachTwin(func(path string, data []byte) error {
		file := filepath.Join(dir, filepath.FromSlash(path))
		if there, err := os.ReadFile(file); err == nil && bytes.Equal(there, data) {
			return nil
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		return os.WriteFile(file, data, 0o644)
	})
}

// eachTwin calls f for each file, in the order of their paths.
func eachTwin(f func(path string, data []byte) error) error {
	return fs.WalkDir(twins, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := twins.ReadFile(path)
		if err != nil {
			return err
		}
		return f(path, data)
	})
}
