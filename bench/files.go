package bench

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dynobench/dyno/results"
)

// Files are those that the targets' commands name, as they are now: programs,
// scripts, settings. By them a run that was cut knows whether it would go on
// with the same servers. {dyno} itself is not among them.
func (p *Plan) Files(of int) ([]results.File, error) {
	s := Step{Scenario: p.Scenarios[0], Target: p.Targets[of]}
	command, err := p.Server(s, Addresses{})
	if err != nil {
		return nil, err
	}
	var files []results.File
	add := func(word string, program bool) {
		if program && !strings.ContainsRune(word, filepath.Separator) {
			if path, err := exec.LookPath(word); err == nil {
				word = path
			}
		}
		if f := FileOf(word); f != nil && word != p.Dyno && !slices.Contains(files, *f) {
			files = append(files, *f)
		}
	}
	for i, word := range command.Argv {
		add(word, i == 0)
		if i > 0 && command.Argv[i-1] == "-c" && i == 2 { // a shell's line
			program := true
			for _, w := range strings.Fields(word) {
				w = strings.Trim(w, `'"`)
				add(w, program)
				program = program && (w == "exec" || w == "env" || strings.Contains(w, "="))
			}
		}
	}
	return files, nil
}

// FileOf is the regular file at path as it is now, or nil.
func FileOf(path string) *results.File {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return nil
	}
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	return &results.File{Path: path, Bytes: n, SHA256: hex.EncodeToString(h.Sum(nil))}
}
