package cli

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// A flag that does nothing where it is given is refused there: every flag of
// dyno load, in every mode.
func TestIdleFlags(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	trace, rows := write("trace", "0.001\n0.002\n"), write("rows.csv", "a\n1\n")
	l, err := net.Listen("tcp", "127.0.0.1:0") // nobody is there any more: what is accepted fails at the probe
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()

	const all = "closed open recorded vegeta capacity sweep gateway groups scenario https"
	modes := map[string][]string{
		"closed":   {"http://" + addr + "/"},
		"open":     {"http://" + addr + "/", "--rate", "100"},
		"recorded": {"http://" + addr + "/", "--arrivals", "recorded", "--trace", trace},
		"vegeta":   {"http://" + addr + "/", "--generator", "vegeta"},
		"capacity": {"http://" + addr + "/", "--capacity", "--slo", "p50<1s"},
		"sweep":    {"http://" + addr + "/", "--sweep", "10,20"},
		"gateway":  {"fastcgi://" + addr + "/"},
		"groups":   {"http://" + addr + "/", "--group", "idle,connections=1"},
		"scenario": {"http://" + addr + "/", "--scenario", "hello"},
		"https":    {"https://" + addr + "/"},
	}
	// The value to try it with, and where it does something.
	flags := map[string]struct{ value, works string }{
		"connections": {"2", all}, "duration": {"10ms", all}, "timeout": {"1s", all}, "seed": {"3", all},
		"slo": {"p50<1s", all}, "tolerate": {"steal", all}, "progress": {"none", all}, "config": {write("c.yaml", "seed: 2\n"), all}, "json": {"", all},
		"generator": {"native", all},
		"rate":      {"50", "closed open vegeta gateway groups scenario https"},
		"threads":   {"2", all + " -vegeta"},
		"arrivals":  {"poisson", "open capacity sweep"}, // of recorded ones it would be another mode
		"trace":     {trace, "recorded"}, "speed": {"2", "recorded"},
		"warmup":   {"10ms", all + " -capacity -sweep"},
		"scenario": {"hello", all}, "method": {"POST", all + " -scenario"}, "header": {"A: b", all + " -scenario"},
		"body": {"x", all + " -scenario"}, "verbatim": {"", all + " -scenario"},
		"request": {"GET /x", all + " -scenario"}, "data": {rows, ""}, // no request takes a field from it
		"data-order": {"random", ""}, "param": {"A=b", "gateway"},
		"pipeline": {"2", all + " -vegeta -gateway"}, "transport": {"epoll", all + " -vegeta"},
		"fresh": {"", all + " -vegeta"}, "source": {"127.0.0.1", all + " -vegeta"},
		"spin": {"10us", "open recorded capacity sweep"}, "group": {"idle,connections=1", all + " -vegeta -gateway"},
		"hdr": {filepath.Join(dir, "a.hdr"), all + " -capacity -sweep"}, "hlog": {filepath.Join(dir, "a.hlog"), all + " -capacity -sweep"},
		"vegeta": {filepath.Join(dir, "a.csv"), all + " -capacity -sweep"}, "heatmap": {filepath.Join(dir, "a.svg"), all + " -capacity -sweep"},
		"steps":    {"", ""}, // without --json
		"capacity": {"", "capacity"}, "sweep": {"10,20", all + " -open -recorded -capacity"}, "plot": {filepath.Join(dir, "a.svg"), "capacity sweep"}, "budget": {"3s", "capacity sweep"},
	}
	for name, test := range flags {
		for mode, args := range modes {
			works := slices.Contains(strings.Fields(test.works), mode) && !slices.Contains(strings.Fields(test.works), "-"+mode)
			flag := "--" + name
			if test.value != "" {
				flag += "=" + test.value
			}
			var out, seen bytes.Buffer
			code := run(t.Context(), nil, slices.Concat([]string{"load"}, args, []string{flag}), &out, &seen)
			if refused := code == exitUsage; refused == works {
				t.Errorf("%s: %s: exit code %d, though it does something there is %v: %s", mode, flag, code, works, seen.String())
			}
		}
	}
	c := &cli{}
	c.loadCommand().Flags().VisitAll(func(f *pflag.Flag) {
		if _, tried := flags[f.Name]; !tried && !strings.HasPrefix(f.Usage, "https: ") {
			t.Errorf("--%s is not among those tried: where does it do something?", f.Name)
		}
	})
}
