package workload

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
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
		"slow-read,rate=100000,every=1s":          "pieces over 65536 bytes",
		"slow-send,part=tail":                     "known: body, head",
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
		all, err := CompleteGroups([]Group{g, {Kind: kind}}, "/")
		if err != nil {
			t.Fatal(err)
		}
		for i, g := range all {
			again, err := ParseGroup(g.String())
			if err != nil {
				t.Fatal(err)
			}
			if _, msg := again.complete("/"); msg != "" || i == 1 && again.Name != string(kind)+"-2" {
				t.Fatalf("%+v", again)
			}
			if again.Name = g.Name; again != g {
				t.Fatalf("%s:\n%+v\n%+v", g, g, again)
			}
			if g.Gap() < 0 || g.Slow() && (g.Piece() < 1 || g.Piece() > maxPiece+1) {
				t.Fatalf("%s: %d bytes each %d ns", g, g.Piece(), g.Gap())
			}
			if rate := float64(g.Piece()) / (float64(g.Gap()) / 1e9); g.Slow() && math.Abs(rate/g.Rate-1) > 0.001 {
				t.Fatalf("%s: %v bytes per second", g, rate)
			}
		}
	})
}

func TestGroupDefaults(t *testing.T) {
	given := []Group{{Kind: Idle}, {Kind: Idle}, {Kind: Storm, Name: "idle-2"}, {Kind: SlowSend, Part: "body"}, {Kind: SlowRead, Rate: 1e6}, {Kind: Storm, Rate: 200}}
	all, err := CompleteGroups(given, "/a?b")
	if err != nil {
		t.Fatal(err)
	}
	var specs []string
	for _, g := range all {
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
