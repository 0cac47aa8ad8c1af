package scenarios

import (
	"embed"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dynobench/dyno/internal/suggest"
	"github.com/dynobench/dyno/internal/yamlfile"
	"github.com/dynobench/dyno/scenarios/workload"
)

//go:embed hello.yaml json.yaml wait.yaml block.yaml cpu.yaml mixed.yaml hello-rate.yaml hello-bursts.yaml
var builtin embed.FS

// TargetsYAML lists the servers that dyno measures unless told otherwise.
//
//go:embed targets.yaml
var TargetsYAML []byte

// SchemaJSON is the JSON Schema (2020-12) of a scenario file, for editors.
//
//go:embed scenario.schema.json
var SchemaJSON []byte

// order is that of reports: from the plainest request to the mixed ones.
var order = []string{"hello", "json", "wait", "block", "cpu", "mixed", "hello-rate", "hello-bursts"}

// Names returns the names of the built-in scenarios, in the order of reports.
func Names() []string { return slices.Clone(order) }

// List returns the built-in scenarios, in the order of Names.
func List() []*Scenario {
	list := make([]*Scenario, len(order))
	for i, name := range order {
		s, err := load(name)
		if err != nil {
			panic(err) // built in: a test loads each
		}
		list[i] = s
	}
	return list
}

// Load returns the built-in scenario of that name or, where nameOrPath has a
// separator or ends in .yaml or .yml, the one in that file, with its data.
func Load(nameOrPath string) (*Scenario, error) {
	ext := path.Ext(nameOrPath)
	if strings.ContainsRune(filepath.ToSlash(nameOrPath), '/') || ext == ".yaml" || ext == ".yml" {
		data, err := yamlfile.ReadFile(nameOrPath)
		if err != nil {
			return nil, fmt.Errorf("scenario: %w", err)
		}
		return parse(nameOrPath, nameOrPath, data, func(file string) (*workload.Data, error) {
			if !filepath.IsAbs(file) {
				file = filepath.Join(filepath.Dir(nameOrPath), filepath.FromSlash(file))
			}
			return workload.LoadData(file)
		})
	}
	if !slices.Contains(order, nameOrPath) {
		return nil, fmt.Errorf("%w (a file is named by its path, as ./my.yaml)", suggest.Unknown("scenario", nameOrPath, order))
	}
	return load(nameOrPath)
}

func load(name string) (*Scenario, error) {
	data, err := builtin.ReadFile(name + ".yaml")
	if err != nil {
		return nil, err
	}
	return parse(name, name+".yaml", data, nil)
}

func parse(source, file string, data []byte, open opener) (*Scenario, error) {
	s, err := parseFile(file, data, open)
	if err != nil {
		return nil, err
	}
	s.Source = source
	return s, nil
}

// Restore returns the scenario of a definition that was kept, and whether
// source, which Load was asked for, still has it. Where it has not, Source is
// empty: the definition has to be written somewhere for it to be loaded again.
// Data that it names beside itself is looked for beside source.
func Restore(source, definition string) (s *Scenario, stands bool, err error) {
	if source != "" {
		if s, err = Load(source); err == nil && s.Definition == definition {
			return s, true, nil
		}
	}
	s, err = parse("", "the definition in the run", []byte(definition), func(file string) (*workload.Data, error) {
		if !filepath.IsAbs(file) {
			return nil, fmt.Errorf("%s has changed or is gone, and its data is named relative to it: restore it", source)
		}
		return workload.LoadData(file)
	})
	return s, false, err
}
