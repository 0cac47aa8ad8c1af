// Package apps holds the applications that scenarios ask for, written against
// gateway, so that every engine runs the very same code. Their twins in other
// languages, for outside servers, lie in the sub-folders and are unpacked by
// Unpack; a twin answers byte for byte what its Go app answers.
package apps

import (
	"embed"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/dynobench/dyno/internal/suggest"
	"github.com/dynobench/dyno/protocol/gateway"
)

// Info describes an app.
type Info struct{ Name, Summary string }

var apps = map[string]struct {
	app     gateway.App
	summary string
}{
	"bench": {Bench, "one path for each way to spend time: /hello, /json, /wait, /block, /cpu, /bytes, /stream, /echo"},
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

// Unpack writes the twins into dir, which is made where needed: wsgi/app.py
// for Python. Files already there are overwritten.
func Unpack(dir string) error {
	return fs.WalkDir(twins, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(dir, filepath.FromSlash(path))
		if entry.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		data, err := twins.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, data, 0o644)
	})
}
