package results

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/dynobench/dyno/internal/file"
)

// RunFile is the name of a run's document inside its folder.
const RunFile = "run.json"

// Store is a run on its way to disk: one folder, rewritten after every trial.
// It is not safe for concurrent use.
type Store struct {
	dir  string
	run  *Run
	lock *os.File // of the folder: two processes must not write one run
}

// Create makes a folder for run below runs (which it makes too), named by the time
// in UTC and four random characters so that names sort by age as long as nobody
// renames them, and two runs in one second do not meet. It fills in run.Schema,
// and run.ID and run.Created where they are empty, and writes the document for the
// first time, so that a folder that cannot be written is found before anything is
// measured. The Store keeps run and owns it from now on.
func Create(runs string, run *Run) (*Store, error) {
	run.Schema = RunSchema
	if run.Trials == nil {
		run.Trials = []Trial{} // a list, if an empty one
	}
	if run.Created.IsZero() {
		run.Created = time.Now()
	}
	if err := os.MkdirAll(runs, 0o777); err != nil {
		return nil, storeError(runs, err)
	}
	for chosen := run.ID != ""; ; {
		if !chosen {
			run.ID = run.Created.UTC().Format("20060102-150405") + "-" + shortID()
		}
		s := &Store{dir: filepath.Join(runs, run.ID), run: run}
		err := os.Mkdir(s.dir, 0o777)
		if errors.Is(err, fs.ErrExist) && !chosen {
			continue
		}
		if err != nil {
			return nil, storeError(s.dir, err)
		}
		s.lock, _, _ = lockFolder(s.dir) // a file system that has no locks is no reason not to measure
		if err := s.save(); err != nil {
			s.Close()        //nolint:errcheck // nothing was written
			os.Remove(s.dir) //nolint:errcheck // what went wrong is reported; an empty folder is all that can stay
			return nil, err
		}
		return s, nil
	}
}

// Open takes up the run stored in path, its folder or the run.json in it, to go
// on with it. It fails while another process writes it.
func Open(path string) (*Store, error) {
	dir := path
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		if filepath.Base(path) != RunFile {
			return nil, fmt.Errorf("%s is a copy of a run's document: to resume a run, give its folder", path)
		}
		dir = filepath.Dir(path)
	}
	lock, busy, err := lockFolder(dir)
	switch {
	case busy:
		return nil, fmt.Errorf("%s is being measured by another process: wait for it, or end it", dir)
	case err != nil:
		return nil, fmt.Errorf("cannot keep others from writing to %s: %w", dir, err)
	}
	s := &Store{dir: dir, lock: lock}
	if s.run, err = Read(dir); err != nil { // once nobody else writes it
		s.Close() //nolint:errcheck // nothing was written
		return nil, err
	}
	if s.run.Trials == nil {
		s.run.Trials = []Trial{}
	}
	return s, nil
}

// Close lets other processes go on with the run.
func (s *Store) Close() error {
	if s.lock == nil {
		return nil
	}
	return s.lock.Close()
}

// shortID returns four random characters that are hard to confuse.
func shortID() string {
	const letters = "23456789abcdefghjkmnpqrstuvwxyz"
	b := make([]byte, 4)
	rand.Read(b) //nolint:errcheck // never fails
	for i := range b {
		b[i] = letters[int(b[i])%len(letters)]
	}
	return string(b)
}

// Dir returns the run's folder.
func (s *Store) Dir() string { return s.dir }

// Path returns the run's document.
func (s *Store) Path() string { return filepath.Join(s.dir, RunFile) }

// Run returns the run as it stands. The caller only reads it.
func (s *Store) Run() *Run { return s.run }

// Append adds a finished trial and stores the run. When storing fails (no
// space left, say) the document on disk stays the one from before, whole and
// readable, and the trial is kept in memory, so that the next Append stores it
// as well.
func (s *Store) Append(t Trial) error {
	s.run.Trials = append(s.run.Trials, t)
	return s.save()
}

// Update changes the run by f, for what is known late (that the run was
// interrupted, that a target was skipped), and stores it as Append does.
func (s *Store) Update(f func(*Run)) error {
	f(s.run)
	return s.save()
}

// save replaces the document in one step: a reader, and whoever comes after a
// crash, sees the old one or the new one, never a part.
func (s *Store) save() error {
	b, err := json.MarshalIndent(s.run, "", " ")
	if err != nil {
		return fmt.Errorf("encode run %s: %w", s.run.ID, err)
	}
	if err := replaceFile(s.Path(), append(b, '\n')); err != nil {
		return storeError(s.dir, err)
	}
	return nil
}

// replaceFile writes b to path as a whole or not at all.
func replaceFile(path string, b []byte) error {
	return file.Replace(path, func(w io.Writer) error { _, err := w.Write(b); return err })
}

// storeError says what could not be stored, where, and what to do about it.
func storeError(where string, err error) error {
	hint := "choose another folder for the runs"
	switch {
	case errors.Is(err, fs.ErrPermission):
		hint = "make it writable for this user, or " + hint
	case isFull(err):
		hint = "free some space, or " + hint + "; what was stored before is whole"
	}
	return fmt.Errorf("cannot store in %s: %w: %s", where, err, hint)
}
