package load

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dynobench/dyno/results"
)

func TestParseGroup(t *testing.T) {
	for _, test := range []struct {
		spec string
		want Group
	}{
		{"idle", Group{Kind: Idle}},
		{"idle,connections=1000,every=1m30s,path=/alive,name=still", Group{Kind: Idle, Connections: 1000, Every: 90 * time.Second, Path: "/alive", Name: "still"}},
		{"slow-send,connections=10,rate=0.5,part=body,size=99,every=2s", Group{Kind: SlowSend, Connections: 10, Rate: 0.5, Part: "body", Size: 99, Every: 2 * time.Second}},
		{"slow-read,rate=1000000,path=/a?b=c", Group{Kind: SlowRead, Rate: 1e6, Path: "/a?b=c"}},
		{"storm,rate=500,connections=5,limit=10", Group{Kind: Storm, Rate: 500, Connections: 5, Limit: 10}},
		{"storm,every=1ms,request=true,abort=false", Group{Kind: Storm, Every: time.Millisecond, Request: true}},
	} {
		got, err := ParseGroup(test.spec)
		if err != nil || got != test.want {
			t.Errorf("%s: %+v, %v", test.spec, got, err)
		}
	}
}

func TestParseGroupRefuses(t *testing.T) {
	for spec, says := range map[string]string{
		"":                  `unknown kind of group ""; known: idle, slow-read, slow-send, storm`,
		"idel":              `did you mean "idle"? Known: idle, slow-read, slow-send, storm; the form is kind[,key=value…]`,
		"Idle":              `unknown kind of group "Idle"`,
		"idle,":             `"" is not key=value`,
		"idle,connections":  `"connections" is not key=value`,
		"idle,conections=3": `unknown key "conections": did you mean "connections"? Known: connections, every, name, path`,
		"idle,rate=3":       `unknown key "rate"; known: connections, every, name, path`,
		"idle,connections=3,name=a,connections=3": "connections is set twice",
		"idle,connections=0":                      "connections=0: expected a whole number from 1",
		"idle,connections=-1":                     "expected a whole number from 1",
		"idle,connections=+1":                     "expected a whole number from 1",
		"idle,connections=1e3":                    "expected a whole number from 1",
		"idle,connections=1048577":                "between 1 and 1048576",
		"idle,every=0s":                           "expected a duration with its unit, as 100ms",
		"idle,every=5":                            "expected a duration",
		"idle,every=-5s":                          "expected a duration",
		"idle,every=+5s":                          "expected a duration",
		"idle,every=1µs":                          "between 1ms and 24h",
		"idle,every=25h":                          "between 1ms and 24h",
		"idle,path=x":                             "starts with /",
		"idle,path=/a b":                          "spaces escaped",
		"idle,path=":                              "expected something",
		"idle,name=A":                             "lower-case letters",
		"slow-read,rate=0":                        "expected a number above 0",
		"slow-read,rate=inf":                      "expected a number above 0",
		"slow-read,rate=0x10":                     "expected a number above 0",
		"slow-read,rate=1e3":                      "expected a number above 0",
		"slow-read,rate=0.001":                    "between 0.01 and 1000000 per second",
		"slow-read,rate=1000001":                  "between 0.01 and 1000000 per second",
		"slow-read,rate=100000,every=1s":          "pieces of more than 65536 bytes",
		"slow-send,part=tail":                     "known: head, body",
		"slow-send,size=2000000":                  "between 1 and 1048576 bytes",
		"storm,rate=5,every=1s":                   "give one of the two",
		"storm,limit=49":                          "expected 50, a burst",
		"storm,abort=yes":                         "expected true or false",
	} {
		g, err := ParseGroup(spec)
		if err == nil {
			t.Errorf("%s is taken for %+v", spec, g)
		} else if !strings.Contains(err.Error(), says) || !strings.HasPrefix(err.Error(), "group ") {
			t.Errorf("%s:\ngot  %v\nwant %s", spec, err, says)
		}
	}
}

func FuzzParseGroup(f *testing.F) {
	for _, spec := range []string{"idle", "idle,connections=3,every=1s", "slow-send,part=body,rate=0.01", "slow-read,rate=1", "storm,rate=3,abort=true,request=true", "storm,limit=7,connections=2,path=/a,name=b"} {
		f.Add(spec)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		g, err := ParseGroup(spec)
		if err != nil {
			return
		}
		again, err := ParseGroup(g.String())
		if err != nil || again != g {
			t.Fatalf("%q: %+v, as %q %+v, %v", spec, g, g.String(), again, err)
		}
	})
}

// What a run did can be asked for again: a group with its defaults filled in
// is still one that ParseGroup takes, and that means the same.
func TestGroupSpecRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]GroupKind{Idle, SlowSend, SlowRead, Storm}).Draw(t, "kind")
		g := Group{Kind: kind, Connections: rapid.IntRange(0, 1000).Draw(t, "connections"), Path: "/a"}
		if rapid.Bool().Draw(t, "timed") {
			g.Every = time.Duration(rapid.Int64Range(int64(minEvery), int64(time.Minute)).Draw(t, "every"))
		}
		if kind != Idle && (kind != Storm || g.Every == 0) {
			g.Rate = rapid.Float64Range(minGroupRate, 1000).Draw(t, "rate")
		}
		c := Config{URL: "http://127.0.0.1:1/", Groups: []Group{g, {Kind: kind}}}
		c, err := c.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		for i, g := range c.Groups {
			again, err := ParseGroup(g.String())
			if err != nil {
				t.Fatal(err)
			}
			if again.complete("", "/") != nil || i == 1 && again.Name != string(kind)+"-2" {
				t.Fatalf("%+v", again)
			}
			if again.Name = g.Name; again != g {
				t.Fatalf("%s:\n%+v\n%+v", g, g, again)
			}
			if g.gap() < 0 || g.slow() && (g.piece() < 1 || g.piece() > maxPiece+1) {
				t.Fatalf("%s: %d bytes each %d ns", g, g.piece(), g.gap())
			}
			if rate := float64(g.piece()) / (float64(g.gap()) / 1e9); g.slow() && math.Abs(rate/g.Rate-1) > 0.001 {
				t.Fatalf("%s: %v bytes per second", g, rate)
			}
		}
	})
}

func TestBadGroups(t *testing.T) {
	for _, test := range []struct {
		change      func(*Config)
		field, says string
	}{
		{func(c *Config) { c.Groups[1].Kind = "calm" }, "Groups[1].Kind", "idle, slow-read, slow-send, storm"},
		{func(c *Config) { c.Groups[1].Limit = 5 }, "Groups[1].Limit", "kind idle has no limit (known: name, connections, path, every)"},
		{func(c *Config) { c.Groups[1].Connections = -1 }, "Groups[1].Connections", "between 1"},
		{func(c *Config) { c.Groups[1].Every = -1 }, "Groups[1].Every", "between 1ms"},
		{func(c *Config) { c.Groups[0] = Group{Kind: SlowSend, Rate: math.NaN()} }, "Groups[0].Rate", "between 0.01"},
		{func(c *Config) { c.Groups[0] = Group{Kind: SlowSend, Size: -1} }, "Groups[0].Size", "between 1"},
		{func(c *Config) { c.Groups[0] = Group{Kind: SlowSend, Part: "x"} }, "Groups[0].Part", "head, body"},
		{func(c *Config) { c.Groups[0].Name, c.Groups[1].Name = "a", "a" }, "Groups[1].Name", "name them apart"},
		{func(c *Config) { c.Groups[0].Connections = maxConnections }, "Groups", "more than 1048576 connections"},
		{func(c *Config) { c.Groups = make([]Group, maxGroups+1) }, "Groups", "at most 64"},
		{func(c *Config) { c.Generator = "vegeta" }, "Groups", "use the native one"},
	} {
		c := Config{URL: "http://127.0.0.1:1/", Groups: []Group{{Kind: Idle}, {Kind: Idle}}}
		test.change(&c)
		_, err := Run(t.Context(), c)
		var bad *ConfigError
		if !errors.As(err, &bad) || bad.Field != test.field || !strings.Contains(bad.Msg, test.says) {
			t.Errorf("%s: %+v, want %s", test.field, bad, test.says)
		}
	}
}

func TestGroupDefaults(t *testing.T) {
	given := []Group{{Kind: Idle}, {Kind: Idle}, {Kind: Storm, Name: "idle-2"}, {Kind: SlowSend, Part: "body"}, {Kind: SlowRead, Rate: 1e6}, {Kind: Storm, Rate: 200}}
	c, err := Config{URL: "http://127.0.0.1:1/a?b", Groups: given}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	var specs []string
	for _, g := range c.Groups {
		specs = append(specs, g.String())
	}
	want := []string{
		"idle,connections=100,path=/a?b",
		"idle,name=idle-3,connections=100,path=/a?b",
		"storm,name=idle-2,connections=50,every=1s,limit=500,path=/a?b",
		"slow-send,connections=10,every=100ms,rate=10,part=body,size=1000,path=/a?b",
		"slow-read,connections=10,every=65.536ms,rate=1000000,path=/a?b",
		"storm,connections=1,rate=200,limit=2000,path=/a?b",
	}
	if !slices.Equal(specs, want) {
		t.Errorf("got  %q\nwant %q", specs, want)
	}
	if given[0].Connections != 0 {
		t.Error("the caller's groups were changed")
	}
}

func TestJudgeCrowd(t *testing.T) {
	for _, test := range []struct {
		name         string
		model        Model
		threads      int
		cpu, process int64
		cpus         int
		invalid      bool
		warnings     int
	}{
		{"nothing", Closed, 1, 0, 0, 1, false, 0},
		{"one CPU, full, for groups too", Closed, 1, 10e7, 98e7, 1, true, 1},
		{"one CPU, full, groups next to nothing", Closed, 1, 1e7, 98e7, 1, false, 0},
		{"one CPU, half full", Closed, 1, 20e7, 50e7, 1, false, 0},
		{"open: sooner", Open, 1, 10e7, 92e7, 1, true, 1},
		{"a CPU for each", Closed, 1, 50e7, 148e7, 2, false, 0},
		{"a CPU for each, the groups' full", Closed, 1, 95e7, 190e7, 2, false, 1},
		{"two threads and groups on two CPUs", Closed, 2, 10e7, 197e7, 2, true, 1},
	} {
		l := &results.Load{DurationS: 1, Valid: true}
		judgeCrowd(l, &Config{Model: test.model, Threads: test.threads}, test.cpu, test.process, test.cpus)
		if l.Valid == test.invalid || len(l.Warnings) != test.warnings {
			t.Errorf("%s: valid %v, %v", test.name, l.Valid, l.Warnings)
		}
		for _, w := range l.Warnings {
			if w.Code != CodeGroupsBound || w.Hint == "" {
				t.Errorf("%s: %+v", test.name, w)
			}
		}
	}
}
