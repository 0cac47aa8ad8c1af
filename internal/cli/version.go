package cli

import (
	"runtime"
	"runtime/debug"

	"github.com/dynobench/dyno/results"
)

// version and commit are set by the Makefile; a build without it (go install)
// falls back on what the Go toolchain recorded.
var (
	version = "dev"
	commit  = ""
)

func build() results.Build {
	b := results.Build{Version: version, Commit: commit, Go: runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok && version == "dev" {
		if v := info.Main.Version; v != "" && v != "(devel)" {
			b.Version = v
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				b.Commit = s.Value
			}
		}
	}
	return b
}
