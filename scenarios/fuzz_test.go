package scenarios_test

import (
	"errors"
	"testing"

	"github.com/dynobench/dyno/scenarios"
)

func FuzzScenario(f *testing.F) {
	f.Add([]byte(minimal))
	f.Add([]byte("\ufeffname: x\r\nsummary: s\r\nshows: |\r\n  a\r\nrequests:\r\n- &r {path: '/${seq}', weight: 010, headers: {Host: a}}\r\n- {<<: *r, path: /b, expect: {bytes: 0}}\r\nload: {model: open, rate: '1..5@1s,2@2s'}\r\n"))
	f.Add([]byte("name: x\nsummary: s\nrequests: [{path: '${data.a}', body: '${json.a}'}]\ndata: {file: a.csv}\nload: {model: closed, groups: [{kind: storm, every: 0}]}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := scenarios.Parse("x.yaml", data) // must neither panic nor take long
		var at *scenarios.SyntaxError
		switch {
		case err != nil && !errors.As(err, &at):
			t.Errorf("%T has no place: %v", err, err)
		case err == nil && (len(s.Requests) == 0 || s.Duration <= 0 || s.Load.Connections < 1):
			t.Errorf("a scenario without sense: %+v", s)
		}
	})
}
