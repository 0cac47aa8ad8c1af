package report

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results"
)

// link is a file beside the report.
type link struct{ Name, File string }

// profiles are the profiles that were taken of the servers, row by row.
func (s *Scenario) profiles() []link {
	var all []link
	for i := range s.Rows {
		for _, t := range s.Rows[i].Trials {
			for j, file := range t.Profiles {
				name := fmt.Sprintf("%s #%d", s.Rows[i].name(), t.Trial)
				if len(t.Profiles) > 1 {
					name += fmt.Sprintf(" worker %d", j+1)
				}
				if !filepath.IsLocal(file) || strings.ContainsAny(file, ":\\") {
					continue // it is no file beside the report, where dyno puts them
				}
				all = append(all, link{name, (&url.URL{Path: file}).EscapedPath()})
			}
		}
	}
	return all
}

// profilesNote says where the profiles are and what reads them.
func (s *Scenario) profilesNote(run *results.Run) string {
	n := len(s.profiles())
	if n == 0 {
		return ""
	}
	tool := "pprof"
	if run.Plan.Profile == "trace" {
		tool = "trace"
	}
	return fmt.Sprintf("%s in the folder profiles beside this report; go tool %s FILE reads one.", sentence(format.Plural(n, run.Plan.Profile+" profile")), tool)
}

func markdownLinks(links []link) string {
	parts := make([]string, len(links))
	for i, l := range links {
		parts[i] = fmt.Sprintf("[%s](<%s>)", escape(l.Name), l.File) // what would end it is percent-encoded
	}
	return strings.Join(parts, " · ")
}
