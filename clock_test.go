package dyno_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// Deadlines, back-off, drains and all other waiting of a server go by the
// monotonic clock, which nobody can set: a time.Time has it beside the wall
// clock's for as long as nothing takes it away. These take it away, or are of
// the wall clock alone.
var wallClock = map[string]bool{
	"AddDate": true, "In": true, "Local": true, "Round": true, "Truncate": true, "UTC": true,
	"Unix": true, "UnixMicro": true, "UnixMilli": true, "UnixNano": true, "ModTime": true,
	"Gettimeofday": true, "CLOCK_REALTIME": true, "CLOCK_TAI": true,
}

// wallClockUses are where servers ask for it all the same, and why they may.
var wallClockUses = map[string]string{
	"engines/kernel/alarm_linux.go Unix": "a deadline that has passed, whatever the clock says",
	"engines/blocking/conn.go Unix":      "a deadline that has passed, whatever the clock says",
	"engines/kernel/wait_linux.go Unix":  "a deadline that has passed, whatever the clock says",
	"protocol/client/conn.go Unix":       "a deadline that has passed, whatever the clock says",
	"engines/observe/observe.go Unix":    "shown to people: when a process was started",
	"protocol/http1/encoder.go Unix":     "the Date field, made anew when the second is another one",
	"protocol/http1/encoder.go UTC":      "the Date field",
}

// A clock that is set must neither hold a server up nor hurry it.
func TestServersGoByTheMonotonicClock(t *testing.T) {
	used := map[string]bool{}
	for _, root := range []string{"engines", "protocol", "internal/systemd", "internal/iouring"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			files := token.NewFileSet()
			f, err := parser.ParseFile(files, path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					n = call.Fun
				} else if s, ok := n.(*ast.SelectorExpr); !ok || !strings.HasPrefix(s.Sel.Name, "CLOCK_") {
					return true // a field
				}
				s, ok := n.(*ast.SelectorExpr)
				if !ok || !wallClock[s.Sel.Name] {
					return true
				}
				what := path + " " + s.Sel.Name
				used[what] = true
				if wallClockUses[what] == "" {
					t.Errorf("%v: %s is of the wall clock, which may be set at any time: wait by durations, or say in wallClockUses why it is needed", files.Position(s.Sel.Pos()), s.Sel.Name)
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for what := range wallClockUses {
		if !used[what] {
			t.Errorf("wallClockUses names %q, which is no more", what)
		}
	}
}
