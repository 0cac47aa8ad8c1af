package results

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Latest is the name by which Find knows the newest run.
const Latest = "latest"

// Find returns the folder or document that name means: a path to either, or
// below the folder runs the id of a run, the start of an id that only one run
// has, or "latest". A path goes first where both exist.
//
// The newest run is the one that was created last, by what its document says;
// folders are copied and renamed.
func Find(runs, name string) (string, error) { return find(runs, name, nil) }

// FindPair returns what two names mean that are to be compared. "latest" is
// never the run on the other side: it is the newest one beside it. Where both
// are "latest", they are the newest two in the order in which they were made.
func FindPair(runs, old, new string) (oldPath, newPath string, err error) {
	if isLatest(old) {
		if newPath, err = Find(runs, new); err == nil {
			oldPath, err = find(runs, old, head(newPath))
		}
		return oldPath, newPath, err
	}
	if oldPath, err = Find(runs, old); err != nil {
		return "", "", err
	}
	var other *entry
	if isLatest(new) {
		other = head(oldPath)
	}
	newPath, err = find(runs, new, other)
	return oldPath, newPath, err
}

// isLatest tells whether name means the newest run rather than a path.
func isLatest(name string) bool {
	_, err := os.Stat(name)
	return name == Latest && err != nil
}

// find is Find; other, where not nil, is a run that "latest" does not mean.
func find(runs, name string, other *entry) (string, error) {
	if name == "" {
		return "", errors.New("no run named: give a folder, a run.json, an id or \"latest\"")
	}
	if _, err := os.Stat(name); err == nil {
		return name, nil
	}
	if strings.ContainsRune(name, filepath.Separator) {
		return "", fmt.Errorf("there is no run at %s", name)
	}
	all, err := entries(runs)
	if err != nil {
		return "", err
	}
	if len(all) == 0 {
		return "", fmt.Errorf("there is no run %q: %s holds no runs yet; dyno run stores one", name, runs)
	}
	if name == Latest {
		for i := range all {
			if other == nil || !all[i].same(other) {
				return filepath.Join(runs, all[i].name), nil
			}
		}
		return "", fmt.Errorf("%s holds no run other than %s, which is already the other side: name two runs", runs, all[0].name)
	}
	var ids, matches []string
	for _, e := range all {
		ids = append(ids, e.name)
		if strings.HasPrefix(e.name, name) {
			matches = append(matches, e.name)
		}
	}
	switch {
	case slices.Contains(matches, name):
		return filepath.Join(runs, name), nil
	case len(matches) == 1:
		return filepath.Join(runs, matches[0]), nil
	case matches == nil:
		return "", fmt.Errorf("there is no run %q in %s; the newest there: %s", name, runs, few(ids))
	}
	return "", fmt.Errorf("%q may be any of %d runs in %s: %s", name, len(matches), runs, few(matches))
}

// few returns the first ids in a line.
func few(ids []string) string {
	const shown = 5
	if len(ids) <= shown {
		return strings.Join(ids, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(ids[:shown], ", "), len(ids)-shown)
}

// List returns the ids of the runs stored below the folder runs, newest first.
// A folder that does not exist holds none.
func List(runs string) ([]string, error) {
	all, err := entries(runs)
	var ids []string
	for _, e := range all {
		ids = append(ids, e.name)
	}
	return ids, err
}

// entry is a stored run, by what its document begins with. A document that
// cannot be read that far has neither id nor time, and is the oldest.
type entry struct {
	name    string // of its folder
	info    os.FileInfo
	id      string
	created time.Time
}

// same reports whether two entries are one run: one document, or a copy of it.
func (e *entry) same(o *entry) bool {
	return os.SameFile(e.info, o.info) || e.id != "" && e.id == o.id && e.created.Equal(o.created)
}

// entries are the runs below the folder runs, newest first.
func entries(runs string) ([]entry, error) {
	folders, err := os.ReadDir(runs)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	var all []entry
	for _, f := range folders {
		if e := head(filepath.Join(runs, f.Name(), RunFile)); e != nil {
			e.name = f.Name()
			all = append(all, *e)
		}
	}
	slices.SortFunc(all, func(a, b entry) int { return cmp.Or(b.created.Compare(a.created), strings.Compare(b.name, a.name)) })
	return all, nil
}

// head reads the beginning of a run's document, which may be long; path is its
// folder or the document itself. It is nil if there is none.
func head(path string) *entry {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, RunFile)
	}
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	e := &entry{info: info}
	f, err := os.Open(path)
	if err != nil {
		return e
	}
	defer f.Close()
	d := json.NewDecoder(bufio.NewReader(f))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return e
	}
	for d.More() && (e.id == "" || e.created.IsZero()) {
		key, err := d.Token()
		if err != nil {
			return e
		}
		var skipped json.RawMessage
		var into any = &skipped
		switch key {
		case "id":
			into = &e.id
		case "created":
			into = &e.created
		}
		if d.Decode(into) != nil {
			return e
		}
	}
	return e
}
