package report

import (
	"fmt"
	"slices"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/stats"
)

// A groupTable tells what became of one group of connections beside the busy
// ones, for each target.
type groupTable struct {
	Spec  string // what was asked for
	Head  []string
	Lines []line
}

// groupColumn is one of its columns: a count, which is summed up over the valid
// trials, or a time, of which the median over them is told, as its histogram is
// not stored.
type groupColumn struct {
	head  string
	count func(*results.Group) int64
	time  func(*results.Group) float64 // µs
}

var groupColumns = []groupColumn{
	{"opened", func(g *results.Group) int64 { return g.Opened }, nil},
	{"refused", func(g *results.Group) int64 { return g.Refused }, nil},
	{"not opened", func(g *results.Group) int64 { return g.Unopened }, nil},
	{"closed", func(g *results.Group) int64 { return g.Closed }, nil},
	{"after", nil, func(g *results.Group) float64 { return g.HeldUS.P50 }},
	{"standing", func(g *results.Group) int64 { return g.Standing }, nil},
	{"answered", func(g *results.Group) int64 { return g.Requests }, nil},
	{"failed", func(g *results.Group) int64 { return g.Errors }, nil},
	{"p50", nil, func(g *results.Group) float64 { return g.LatencyUS.P50 }},
	{"p99", nil, func(g *results.Group) float64 { return g.LatencyUS.P99 }},
}

// groupBasis says what the figures of the tables of groups are.
const groupBasis = "Below each target, its connection groups: counts over the n valid trials; closed: by the server, with the median time before; standing: at the end. Times are medians over the trials; p50 and p99 are of the group's own responses."

// groupTables returns a table for each group of the scenario. A column that
// would be empty all the way down is left out.
func (s *Scenario) groupTables() []groupTable {
	var tables []groupTable
	for i := range s.Rows {
		for _, t := range s.Rows[i].Valid {
			for _, g := range t.Groups {
				if !slices.ContainsFunc(tables, func(t groupTable) bool { return t.Spec == g.Spec }) {
					tables = append(tables, groupTable{Spec: g.Spec})
				}
			}
		}
	}
	for i := range tables {
		tables[i].fill(s)
	}
	return tables
}

func (t *groupTable) fill(s *Scenario) {
	seen := make([][]results.Group, len(s.Rows)) // by row, of each trial
	for i := range s.Rows {
		for _, trial := range s.Rows[i].Valid {
			for _, g := range trial.Groups {
				if g.Spec == t.Spec {
					seen[i] = append(seen[i], g)
				}
			}
		}
	}
	t.Head = []string{"target", "n"}
	for i := range s.Rows {
		if r := &s.Rows[i]; len(seen[i]) > 0 {
			t.Lines = append(t.Lines, line{Row: r, Cells: []string{colTarget.cell(r), fmt.Sprint(len(seen[i]))}})
		}
	}
	for _, c := range groupColumns {
		var cells []string
		empty := true
		for _, groups := range seen {
			if len(groups) > 0 {
				cell, some := c.cell(groups)
				cells, empty = append(cells, cell), empty && !some
			}
		}
		if empty {
			continue
		}
		t.Head = append(t.Head, c.head)
		for i := range t.Lines {
			t.Lines[i].Cells = append(t.Lines[i].Cells, cells[i])
		}
	}
}

// cell tells also whether there is anything to tell.
func (c groupColumn) cell(groups []results.Group) (text string, some bool) {
	if c.count != nil {
		sum := int64(0)
		for i := range groups {
			sum += c.count(&groups[i])
		}
		return format.Count(sum), sum > 0
	}
	var times []float64
	for i := range groups {
		if v := c.time(&groups[i]); v > 0 {
			times = append(times, v)
		}
	}
	if len(times) == 0 {
		return format.None, false
	}
	return format.Duration(stats.Median(times)), true
}

// terminal is the table for so many columns: the times go first where there is
// no room, then the ends of long names.
func (t groupTable) terminal(width int) string {
	head, lines := t.Head, t.Lines
	for {
		table := format.Table{Head: head, Left: []bool{true}}
		for _, l := range lines {
			table.Add(l.Cells...)
		}
		text := table.Text()
		if over := longest(text) - width; over <= 0 {
			return text
		} else if head[len(head)-1] != "p50" && head[len(head)-1] != "p99" {
			return cutTable(table, over)
		}
		head = head[:len(head)-1]
		lines = slices.Clone(lines)
		for i := range lines {
			lines[i].Cells = lines[i].Cells[:len(head)]
		}
	}
}
