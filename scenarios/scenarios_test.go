package scenarios_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/dynobench/dyno/scenarios"
	"github.com/dynobench/dyno/scenarios/workload"
)

const minimal = `name: x
summary: s
requests: [{path: /a}]
load: {model: closed}
`

func TestDefaults(t *testing.T) {
	got, err := scenarios.Parse("x.yaml", []byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	want := &scenarios.Scenario{
		Name: "x", Summary: "s", App: "bench",
		Requests: []scenarios.Request{{Method: "GET", Path: "/a", Weight: 1, Class: "/a", Expect: scenarios.Expect{Status: 200}}},
		Load:     scenarios.Offer{Model: "closed", Connections: 64, Timeout: 10 * time.Second},
		Duration: 2 * time.Second, Warmup: time.Second, Definition: minimal,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEveryKey(t *testing.T) {
	got, err := scenarios.Parse("x.yaml", []byte(`# a comment
name: every-key
summary: one line
shows: |
  two
  lines
app: other
requests:
  - method: POST
    path: /echo?a=%20
    headers: &common {X-A: "1", Accept: text/plain}
    body: hi
    weight: 3
    class: echo
    verbatim: true
    expect: {status: 201, headers: *common, bytes: 2, sha256: 8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4}
  - path: /b/${data.id}
    expect: {body: ""}
data: {file: dir/b.jsonl, order: random}
load:
  model: open
  rate: 0.5
  arrivals: poisson
  connections: 1
  timeout: 1m30s
  groups:
    - {kind: idle, name: still, connections: 5, path: /a, every: 1s}
    - {kind: slow-send, every: 10ms, rate: 0.5, part: body, size: 7}
    - {kind: slow-read}
    - {kind: storm, connections: 3, rate: 30, request: true, abort: true, limit: 9}
duration: 1.5s
warmup: 0s
`))
	if err != nil {
		t.Fatal(err)
	}
	two, empty := int64(2), ""
	common := map[string]string{"X-A": "1", "Accept": "text/plain"}
	want := &scenarios.Scenario{
		Name: "every-key", Summary: "one line", Shows: "two\nlines\n", App: "other",
		Requests: []scenarios.Request{
			{Method: "POST", Path: "/echo?a=%20", Headers: common, Body: "hi", Weight: 3, Class: "echo", Verbatim: true, Expect: scenarios.Expect{
				Status: 201, Headers: common, Bytes: &two, SHA256: "8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4"}},
			{Method: "GET", Path: "/b/${data.id}", Weight: 1, Class: "/b/${data.id}", Expect: scenarios.Expect{Status: 200, Body: &empty}},
		},
		Data: scenarios.Data{File: "dir/b.jsonl", Order: "random"},
		Load: scenarios.Offer{Model: "open", Rate: 0.5, Arrivals: "poisson", Connections: 1, Timeout: 90 * time.Second, Groups: []workload.Group{
			{Kind: "idle", Name: "still", Connections: 5, Path: "/a", Every: time.Second},
			{Kind: "slow-send", Every: 10 * time.Millisecond, Rate: 0.5, Part: "body", Size: 7},
			{Kind: "slow-read"},
			{Kind: "storm", Connections: 3, Rate: 30, Request: true, Abort: true, Limit: 9},
		}},
		Duration: 1500 * time.Millisecond,
	}
	want.Definition = got.Definition // TestRestore has it
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// bad are files that Parse and the schema must both refuse. Each is the
// minimal one with a line put in its place.
var bad = []struct {
	name, from, to string
	want           string // the error, or its beginning; position included
	parseOnly      bool   // beyond what a schema of the values can see
}{
	{name: "unknown key", from: "name: x", to: "name: x\nsumary: y", want: `x.yaml:2:1: unknown key "sumary": did you mean "summary"?`},
	{name: "unknown key in a request", from: "{path: /a}", to: "{path: /a, wieght: 2}", want: `x.yaml:3:23: unknown key "wieght": did you mean "weight"?`},
	{name: "unknown key in expect", from: "{path: /a}", to: "{path: /a, expect: {code: 1}}", want: `x.yaml:3:32: unknown key "code"; known: body, bytes`},
	{name: "unknown key in load", from: "{model: closed}", to: "{model: closed, conections: 5}", want: `x.yaml:4:23: unknown key "conections": did you mean "connections"?`},
	{name: "duplicate key", from: "summary: s", to: "summary: s\nname: y", want: `x.yaml:3:1: key "name" is already at 1:1; leave one out`, parseOnly: true},
	{name: "not YAML", from: "{path: /a}", to: "{path: /a", want: "x.yaml:", parseOnly: true},
	{name: "two documents", from: "{model: closed}", to: "{model: closed}\n---\nname: y", want: "x.yaml:6:1: a second document", parseOnly: true},
	{name: "name missing", from: "name: x\n", to: "", want: "x.yaml:1:1: a scenario: name is missing; add it"},
	{name: "name empty", from: "name: x", to: `name: ""`, want: "x.yaml:1:7: name is empty; write a value"},
	{name: "name in capitals", from: "name: x", to: "name: Hello", want: `x.yaml:1:7: name "Hello"`},
	{name: "name a number", from: "name: x", to: "name: 5", want: "x.yaml:1:7: name: 5; write text"},
	{name: "summary of two lines", from: "summary: s", to: `summary: "a\nb"`, want: "x.yaml:2:10: the summary must be one line"},
	{name: "summary without a value", from: "summary: s", to: "summary:", want: "x.yaml:2:"},
	{name: "shows a list", from: "summary: s", to: "summary: s\nshows: [a]", want: "x.yaml:3:8: shows: a list; write text"},
	{name: "app with blanks", from: "summary: s", to: "summary: s\napp: a b", want: `x.yaml:3:6: app "a b"`},
	{name: "negative duration", from: "summary: s", to: "summary: s\nduration: -5s", want: `x.yaml:3:11: duration: "-5s"; write a duration`},
	{name: "duration without unit", from: "summary: s", to: "summary: s\nduration: 5", want: "x.yaml:3:11: duration: 5; write a duration with its unit"},
	{name: "duration of 0", from: "summary: s", to: "summary: s\nduration: 0s", want: "x.yaml:3:11: a duration of 0 measures nothing"},
	{name: "duration too long to count", from: "summary: s", to: "summary: s\nduration: 9999999999h", want: "x.yaml:3:11: duration:", parseOnly: true},
	{name: "warm-up in words", from: "summary: s", to: "summary: s\nwarmup: short", want: `x.yaml:3:9: warmup: "short"`},
	{name: "no requests", from: "[{path: /a}]", to: "[]", want: "x.yaml:3:11: no requests; write at least one"},
	{name: "requests a mapping", from: "[{path: /a}]", to: "{path: /a}", want: "x.yaml:3:"},
	{name: "request a string", from: "[{path: /a}]", to: "[/a]", want: `x.yaml:3:12: a request: "/a"; write key: value pairs`},
	{name: "path missing", from: "{path: /a}", to: "{weight: 2}", want: "x.yaml:3:"},
	{name: "path relative", from: "/a}", to: "a}", want: `x.yaml:3:19: path "a"; start it with /`},
	{name: "path with a blank", from: "/a}", to: `"/a b"}`, want: `x.yaml:3:19: path "/a b"`},
	{name: "method in small letters", from: "{path", to: "{method: get, path", want: `x.yaml:3:21: method "get"`},
	{name: "weight 0", from: "/a}", to: "/a, weight: 0}", want: "x.yaml:3:31: weight 0; write 1 to 1000000"},
	{name: "weight negative", from: "/a}", to: "/a, weight: -1}", want: "x.yaml:3:31: requests[0].weight: -1; write a whole number"},
	{name: "weight a fraction", from: "/a}", to: "/a, weight: 1.5}", want: "x.yaml:3:31: requests[0].weight: 1.5; write a whole number"},
	{name: "weight text", from: "/a}", to: `/a, weight: "1"}`, want: `x.yaml:3:31: requests[0].weight: "1"; write a whole number`},
	{name: "length that is not the body's", parseOnly: true, from: "/a}", to: "/a, headers: {cONTENT-lENGTH: '1'}}", want: `x.yaml:3:33: cONTENT-lENGTH is "1", but the body has 0 bytes`},
	{name: "chunks that are none", parseOnly: true, from: "/a}", to: "/a, body: hello, headers: {transfer-encoding: chunked}}", want: "x.yaml:3:46: Transfer-Encoding: no size of a chunk"},
	{name: "framed twice", parseOnly: true, from: "/a}", to: "/a, headers: {Content-Length: '0', content-length: '0'}}", want: "x.yaml:3:54: content-length beside Content-Length"},
	{name: "header name", from: "/a}", to: `/a, headers: {"A B": a}}`, want: `x.yaml:3:33: header "A B"`},
	{name: "header value", from: "/a}", to: `/a, headers: {A: "a\r\nB: c"}}`, want: `x.yaml:3:33: header "A"`},
	{name: "header a number", from: "/a}", to: `/a, headers: {A: 1}}`, want: "x.yaml:3:36: requests[0].headers.A: 1; write text"},
	{name: "headers a list", from: "/a}", to: `/a, headers: [a]}`, want: "x.yaml:3:32: requests[0].headers: a list"},
	{name: "expected header", from: "/a}", to: `/a, expect: {headers: {"": x}}}`, want: `x.yaml:3:42: header ""`},
	{name: "status", from: "/a}", to: "/a, expect: {status: 100}}", want: "x.yaml:3:40: status 100; write 200 to 599"},
	{name: "bytes negative", from: "/a}", to: "/a, expect: {bytes: -1}}", want: "x.yaml:3:39: requests[0].expect.bytes: -1; write a whole number"},
	{name: "sha256 short", from: "/a}", to: "/a, expect: {sha256: abc}}", want: `x.yaml:3:40: sha256 "abc"`},
	{name: "body twice", from: "/a}", to: "/a, expect: {body: a, bytes: 1}}", want: "x.yaml:3:38: the body both as text and by bytes"},
	{name: "model missing", from: "{model: closed}", to: "{connections: 5}", want: "x.yaml:4:"},
	{name: "model unknown", from: "closed", to: "opne", want: `x.yaml:4:15: unknown model "opne": did you mean "open"?`},
	{name: "rate missing", from: "closed", to: "open", want: "x.yaml:4:7: the open model needs a rate above 0; add rate"},
	{name: "rate 0", from: "closed", to: "open, rate: 0", want: "x.yaml:4:27: the open model needs a rate"},
	{name: "rate negative", from: "closed", to: "open, rate: -2.5", want: "x.yaml:4:27: load.rate: -2.5; write a number"},
	{name: "rate beyond measure", from: "closed", to: "open, rate: 100000000.5", want: "x.yaml:4:27: rate 1.000000005e+08"},
	{name: "rate infinite", from: "closed", to: "open, rate: .inf", want: "x.yaml:4:27: load.rate: .inf", parseOnly: true},
	{name: "rate in words", from: "closed", to: "open, rate: fast", want: `x.yaml:4:27: rate "fast": "fast" is no rate; write requests per second`},
	{name: "rate as text 0", from: "closed", to: `open, rate: "0"`, want: `x.yaml:4:27: rate "0": nothing is ever due; write a rate above 0`},
	{name: "rates without durations", from: "closed", to: `open, rate: "5,6"`, want: `x.yaml:4:27: rate "5,6": segment 1, "5": for how long? Write 5@5s`},
	{name: "a segment without a duration", from: "closed", to: `open, rate: "5@1s,6..7"`, want: `x.yaml:4:27: rate "5@1s,6..7": segment 2, "6..7": for how long?`},
	{name: "a segment of 0 s", from: "closed", to: `open, rate: "5@0s,6@1s"`, want: `x.yaml:4:27: rate "5@0s,6@1s": segment 1, "5@0s": duration "0s"; write 1ms or more`, parseOnly: true},
	{name: "a profile of nothing", from: "closed", to: `open, rate: "0..0@1s,0@2s"`, want: `x.yaml:4:27: rate "0..0@1s,0@2s": nothing is ever due`},
	{name: "a profile beyond measure", from: "closed", to: `open, rate: 1..20000k`, want: `x.yaml:4:27: rate 2e+07; write requests per second, above 0 and at most 10000000`, parseOnly: true},
	{name: "a profile that begins too late", from: "closed", to: `open, rate: "0@2s,5@1s"`, want: `x.yaml:4:27: rate 0@2s,5@1s: no request is due within the duration of 2s`, parseOnly: true},
	{name: "profile in the closed model", from: "closed", to: "closed, rate: 1..2", want: "x.yaml:4:29: the closed model has no rate"},
	{name: "rate in the closed model", from: "closed", to: "closed, rate: 0", want: "x.yaml:4:29: the closed model has no rate"},
	{name: "arrivals in the closed model", from: "closed", to: "closed, arrivals: poisson", want: "x.yaml:4:33: the closed model has no arrivals"},
	{name: "arrivals unknown", from: "closed", to: "open, rate: 1, arrivals: poison", want: `x.yaml:4:40: unknown arrivals "poison": did you mean "poisson"?`},
	{name: "connections 0", from: "closed", to: "closed, connections: 0", want: "x.yaml:4:36: 0 connections; write 1 to 65535"},
	{name: "connections too many", from: "closed", to: "closed, connections: 65536", want: "x.yaml:4:36: 65536 connections"},
	{name: "timeout 0", from: "closed", to: "closed, timeout: 0s", want: "x.yaml:4:32: a timeout of 0"},
	{name: "verbatim text", from: "/a}", to: "/a, verbatim: yes it is}", want: `x.yaml:3:33: requests[0].verbatim: "yes it is"; write true or false`},
	{name: "unknown placeholder in the path", from: "/a}", to: `"/${sqe}"}`, want: `x.yaml:3:19: ${sqe}: unknown placeholder "sqe": did you mean "seq"?`, parseOnly: true},
	{name: "bad placeholder in a header", from: "/a}", to: `/a, headers: {A: "${rand:9-1}"}}`, want: "x.yaml:3:33: ${rand:9-1}: write the least and the greatest number", parseOnly: true},
	{name: "placeholder without end", from: "/a}", to: `/a, body: "${seq"}`, want: "x.yaml:3:29: ${seq: the placeholder has no end", parseOnly: true},
	{name: "field without data", from: "/a}", to: `"/${data.id}"}`, want: `x.yaml:3:19: ${data.id}: there is no data file to take the field "id" from`, parseOnly: true},
	{name: "verbatim field as a path", from: "/a}", to: `"${data.id}", verbatim: true}`, want: `x.yaml:3:19: path "${data.id}"; start it with /`, parseOnly: true},
	{name: "path of a placeholder that may not be one", from: "/a}", to: `"${seq}"}`, want: `x.yaml:3:19: path "${seq}"; start it with /`},
	{name: "data without file", from: "summary: s", to: "summary: s\ndata: {order: random}", want: "x.yaml:3:7: data: file is missing; add it"},
	{name: "data with an empty file", from: "summary: s", to: "summary: s\ndata: {file: ''}", want: "x.yaml:3:14: data.file is empty; write a value"},
	{name: "data with an unknown key", from: "/a}]", to: "\"/${data.x}\"}]\ndata: {file: a.csv, odrer: random}", want: `x.yaml:4:21: unknown key "odrer": did you mean "order"?`},
	{name: "order unknown", from: "/a}]", to: "\"/${data.x}\"}]\ndata: {file: a.csv, order: randm}", want: `x.yaml:4:28: unknown order "randm": did you mean "random"?`},
	{name: "data not used", from: "summary: s", to: "summary: s\ndata: {file: a.csv}", want: "x.yaml:3:14: no request takes a field from it", parseOnly: true},
	{name: "groups a mapping", from: "closed", to: "closed, groups: {kind: idle}", want: "x.yaml:4:31: load.groups: a mapping; write a list of groups"},
	{name: "group a string", from: "closed", to: "closed, groups: [idle]", want: `x.yaml:4:32: a group: "idle"; write key: value pairs`},
	{name: "group without kind", from: "closed", to: "closed, groups: [{connections: 1}]", want: "x.yaml:4:32: a group: kind is missing"},
	{name: "group of unknown kind", from: "closed", to: "closed, groups: [{kind: idel}]", want: `x.yaml:4:39: unknown kind of group "idel": did you mean "idle"? Known: idle, slow-read`},
	{name: "group key unknown", from: "closed", to: "closed, groups: [{kind: idle, evry: 1s}]", want: `x.yaml:4:45: unknown key "evry": did you mean "every"?`},
	{name: "group key of another kind", from: "closed", to: "closed, groups: [{kind: idle, rate: 1}]", want: "x.yaml:4:51: a group of kind idle has no rate (known: name, connections, path, every)"},
	{name: "group name", from: "closed", to: "closed, groups: [{kind: idle, name: A}]", want: `x.yaml:4:51: name "A" of a group: use lower-case`},
	{name: "group names alike", from: "closed", to: "closed, groups: [{kind: idle, name: a}, {kind: storm, name: a}]", want: "x.yaml:4:75: two groups are named a", parseOnly: true},
	{name: "group connections 0", from: "closed", to: "closed, groups: [{kind: idle, connections: 0}]", want: "x.yaml:4:58: connections must be positive"},
	{name: "group path", from: "closed", to: "closed, groups: [{kind: idle, path: a}]", want: `x.yaml:4:51: path "a" of a group: expected one that starts with /`},
	{name: "group every 0", from: "closed", to: "closed, groups: [{kind: idle, every: 0s}]", want: "x.yaml:4:52: every must be positive"},
	{name: "group rate 0", from: "closed", to: "closed, groups: [{kind: slow-read, rate: 0}]", want: "x.yaml:4:56: rate must be positive"},
	{name: "group rate too high", from: "closed", to: "closed, groups: [{kind: storm, rate: 1000000.5}]", want: "x.yaml:4:52: rate 1.0000005e+06"},
	{name: "group pieces too large", from: "closed", to: "closed, groups: [{kind: slow-read, every: 12m}]", want: "x.yaml:4:57: every 12m0s at 100 bytes per second", parseOnly: true},
	{name: "group part", from: "closed", to: "closed, groups: [{kind: slow-send, part: hed}]", want: `x.yaml:4:56: unknown part "hed": did you mean "head"?`},
	{name: "group size 0", from: "closed", to: "closed, groups: [{kind: slow-send, size: 0}]", want: "x.yaml:4:56: size must be positive"},
	{name: "group abort in words", from: "closed", to: "closed, groups: [{kind: storm, abort: often}]", want: `x.yaml:4:53: load.groups[0].abort: "often"; write true or false`},
	{name: "storm with rate and every", from: "closed", to: "closed, groups: [{kind: storm, rate: 1, every: 1s}]", want: "x.yaml:4:62: a storm with both"},
	{name: "storm limit below a burst", from: "closed", to: "closed, groups: [{kind: storm, limit: 49}]", want: "x.yaml:4:53: limit 49: expected 50, a burst, to", parseOnly: true},
	{name: "alias of nothing", from: "/a}", to: "/a, headers: *none}", want: "x.yaml:", parseOnly: true},
	{name: "merge key of no mapping", from: "/a}", to: "/a, <<: 2}", want: `x.yaml:3:27: <<: 2; write an alias of a mapping`, parseOnly: true},
}

func TestBadFiles(t *testing.T) {
	schema := compile(t)
	for _, tt := range bad {
		t.Run(tt.name, func(t *testing.T) {
			data := strings.Replace(minimal, tt.from, tt.to, 1)
			if data == minimal {
				t.Fatalf("%q is not in the minimal file", tt.from)
			}
			_, err := scenarios.Parse("x.yaml", []byte(data))
			var at *scenarios.SyntaxError
			switch {
			case err == nil:
				t.Error("Parse accepts it")
			case !errors.As(err, &at) || !strings.HasPrefix(err.Error(), tt.want):
				t.Errorf("error %q\nwant  %q", err, tt.want)
			case strings.Contains(err.Error(), "\n"):
				t.Errorf("one fault, several errors:\n%v", err)
			}
			if !tt.parseOnly && validate(t, schema, []byte(data)) == nil {
				t.Error("the schema accepts it")
			}
		})
	}
	for _, data := range []string{"", "# nothing\n", "---\n"} {
		if _, err := scenarios.Parse("x.yaml", []byte(data)); err == nil {
			t.Errorf("Parse accepts %q", data)
		}
	}
}

// A rate is a number or a text, and the same for the schema.
func TestRates(t *testing.T) {
	schema := compile(t)
	for rate, want := range map[string]scenarios.Offer{
		"2000":                    {Rate: 2000},
		`"2000"`:                  {Rate: 2000},
		"10k":                     {Rate: 10000},
		"5@1s":                    {Rate: 5},
		"100..5000":               {Schedule: "100..5000"},
		"0..1@2s":                 {Schedule: "0..1@2s"},
		`"500@900ms,5k@0.1s"`:     {Schedule: "500@900ms,5000@100ms"},
		`"0@1s,0.01@1m30s,00@1h"`: {Schedule: "0@1s,0.01@1m30s,0@1h0m0s"},
	} {
		data := []byte(strings.Replace(minimal, "closed", "open, rate: "+rate, 1))
		s, err := scenarios.Parse("x.yaml", data)
		if err != nil {
			t.Error(err)
			continue
		}
		if s.Load.Rate != want.Rate || s.Load.Schedule != want.Schedule {
			t.Errorf("%s: rate %v, profile %q; expected %v, %q", rate, s.Load.Rate, s.Load.Schedule, want.Rate, want.Schedule)
		}
		if err := validate(t, schema, data); err != nil {
			t.Errorf("the schema refuses %s: %v", rate, err)
		}
	}
	ramp := scenarios.Offer{Schedule: "100..300"}
	if mean := ramp.Mean(3 * time.Second); mean != 200 {
		t.Errorf("the mean of %s is %v", ramp.Schedule, mean)
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	_, err := scenarios.Parse("x.yaml", []byte("name: X\nsummary: s\nrequests: [{path: /a, weight: 0}]\nload: {model: opne}\n"))
	var lines []string
	for line := range strings.Lines(err.Error()) {
		lines = append(lines, strings.Join(strings.Split(line, ":")[:3], ":"))
	}
	if want := []string{"x.yaml:1:7", "x.yaml:3:31", "x.yaml:4:15"}; !slices.Equal(lines, want) {
		t.Errorf("faults at %q, want %q\n%v", lines, want, err)
	}
}

func compile(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(scenarios.SchemaJSON))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("scenario.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("scenario.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// validate holds a YAML document against the schema, as an editor would.
func validate(t *testing.T, schema *jsonschema.Schema, data []byte) error {
	t.Helper()
	var value any
	if err := yaml.Unmarshal(data, &value); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(doc)
}

func TestBuiltin(t *testing.T) {
	files, err := fs.Glob(os.DirFS("."), "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	names := scenarios.Names()
	schema := compile(t)
	for _, file := range files {
		if file == "targets.yaml" {
			continue
		}
		name := strings.TrimSuffix(file, ".yaml")
		if !slices.Contains(names, name) {
			t.Errorf("%s is not built in", file)
		}
		s, err := scenarios.Load(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if s.Name != name || s.Shows == "" {
			t.Errorf("%s: name %q, shows %q", file, s.Name, s.Shows)
		}
		if s.Duration < time.Second || s.Duration > 3*time.Second || s.Warmup > time.Second {
			t.Errorf("%s: a whole run would take too long or too short: %v after %v", file, s.Duration, s.Warmup)
		}
		for _, r := range s.Requests {
			if r.Expect.Body == nil {
				t.Errorf("%s: %s does not say what a right answer is", file, r.Path)
			}
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(t, schema, data); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	if err := validate(t, schema, []byte(minimal)); err != nil {
		t.Error(err)
	}
	var listed []string
	for _, s := range scenarios.List() {
		listed = append(listed, s.Name)
	}
	if !slices.Equal(listed, names) || len(names) != len(files)-1 {
		t.Errorf("listed %q, names %q, %d files", listed, names, len(files))
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "mine")
	if err := os.WriteFile(path, []byte(minimal), 0o644); err != nil {
		t.Fatal(err)
	}
	if s, err := scenarios.Load(path); err != nil || s.Name != "x" {
		t.Errorf("Load(%s): %v", path, err)
	}
	if _, err := scenarios.Load("none.yaml"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Load(none.yaml): %v", err)
	}
	_, err := scenarios.Load("helo")
	if err == nil || !strings.HasPrefix(err.Error(), `unknown scenario "helo": did you mean "hello"? Known: block, cpu`) {
		t.Errorf("Load(helo): %v", err)
	}
}

// The data file lies beside the scenario; what is wrong with either is told with
// its place.
func TestLoadWithData(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	users := write("users.csv", "id,name\n7,Anna\n8,\"B\nC\"\n")
	text := func(request, data string) string {
		return "name: x\nsummary: s\nrequests: [{" + request + "}]\ndata: {" + data + "}\nload: {model: closed}\n"
	}
	s, err := scenarios.Load(write("good.yaml", text(`path: "/${data.id}", headers: {B: "${hex:4}", A: "${hex:4}"}, body: "$${seq} ${json.name}"`, "file: users.csv")))
	if err != nil {
		t.Fatal(err)
	}
	if s.Data.Order != "sequence" || s.Data.Rows.Name() != users || s.Data.Rows.Rows() != 2 {
		t.Errorf("%+v", s.Data)
	}
	var first string
	for range 10 { // however the map of headers is walked through
		parsed, err := s.Requests[0].Templates(&s.Data)
		if err != nil {
			t.Fatal(err)
		}
		d := workload.Draw{Row: 1, Bits: 5}
		all := string(workload.Concat(parsed.Path, parsed.Headers["A"], parsed.Headers["B"], parsed.Body).Append(nil, d))
		if first == "" {
			first = all
		}
		if all != first || !strings.HasPrefix(all, "/8") || !strings.HasSuffix(all, `${seq} B\u000aC`) {
			t.Errorf("%q, was %q", all, first)
		}
	}
	for data, want := range map[[2]string]string{
		{`path: "/${data.nmae}"`, "file: users.csv"}:                 `bad.yaml:3:19: ${data.nmae}: ` + users + `: unknown field "nmae": did you mean "name"? Known: id, name`,
		{`path: /, headers: {A: "${data.name}"}`, "file: users.csv"}: `bad.yaml:3:32: ` + users + `:3: the field name has a line break`,
		{`path: "${data.id}"`, "file: users.csv"}:                    `bad.yaml:3:19: ` + users + `:2: the field id does not start with /`,
		{`path: "/${data.id}"`, "file: none.csv"}:                    `bad.yaml:4:14: data file: open `,
		{`path: "/${data.id}"`, "file: bad.yaml"}:                    `bad.yaml:4:14: ` + filepath.Join(dir, "bad.yaml") + `: the file name must end in`,
	} {
		_, err := scenarios.Load(write("bad.yaml", text(data[0], data[1])))
		if err == nil || !strings.HasPrefix(err.Error(), filepath.Join(dir, want)) {
			t.Errorf("%q: %v\nwant %s", data, err, want)
		}
	}
}

func TestValidateRequests(t *testing.T) {
	good := scenarios.Request{Method: "GET", Path: "/", Weight: 1, Expect: scenarios.Expect{Status: 200}}
	if err := scenarios.ValidateRequests([]scenarios.Request{good}); err != nil {
		t.Error(err)
	}
	broken := good
	broken.Body = "${data.x}"
	if err := scenarios.ValidateRequests([]scenarios.Request{broken}); err == nil || !strings.Contains(err.Error(), "requests[0].body: ${data.x}: there is no data file") {
		t.Error(err)
	}
	broken = good
	broken.Path, broken.Weight = "x", 0
	err := scenarios.ValidateRequests([]scenarios.Request{good, broken})
	want := "requests[1].path: path \"x\"; start it with / and percent-encode blanks and control characters\n" +
		"requests[1].weight: weight 0; write 1 to 1000000, or leave the request out"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if err := scenarios.ValidateRequests(nil); err == nil {
		t.Error("no requests at all are accepted")
	}
}

// A scenario is made again from what was kept of it, whatever its file holds by
// then.
func TestRestore(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.yaml")
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("x.yaml", minimal)
	was, err := scenarios.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func()
		stands bool
	}{
		"same":    {func() {}, true},
		"changed": {func() { write("x.yaml", minimal+"app: other\n") }, false},
		"broken":  {func() { write("x.yaml", "name: [") }, false},
		"gone":    {func() { os.Remove(path) }, false},
	} {
		write("x.yaml", minimal)
		c.change()
		got, stands, err := scenarios.Restore(was.Source, was.Definition)
		if err != nil || stands != c.stands || stands != (got.Source == path) {
			t.Fatalf("%s: %v, %v, source %s", name, stands, err, got.Source)
		}
		got.Source = was.Source
		if d := cmp.Diff(was, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	for _, s := range scenarios.List() {
		if got, stands, err := scenarios.Restore(s.Source, s.Definition); err != nil || !stands || got.Name != s.Name {
			t.Errorf("%s: %v, %v", s.Name, stands, err)
		}
	}
	write("rows.csv", "a\n1\n")
	withData := minimal + "data: {file: rows.csv}\n"
	if _, _, err := scenarios.Restore(path, withData); err == nil || !strings.Contains(err.Error(), "its data is named relative to it") {
		t.Errorf("data beside a file that is gone: %v", err)
	}
}

// zeroOrNothing are the values of 0, "" and the like that keys take, by the
// schema's names; all others are refused. docs/values.md says what they mean.
var zeroOrNothing = map[string][]string{
	"warmup":          {"0", "0s"},
	"request.body":    {`""`, "0s", "-1s"},
	"request.headers": {"{}"},
	"expect.body":     {`""`, "0s", "-1s"},
	"expect.bytes":    {"0"},
	"expect.headers":  {"{}"},
	"load.groups":     {"[]"},
	"request.expect":  {"{}"}, // any answer with status 200
	// What is text says itself.
	"name": {"0s"}, "app": {"0s"}, "summary": {"0s", "-1s"}, "shows": {"0s", "-1s"}, "request.class": {"0s", "-1s"}, "data.file": {"0s", "-1s"},
}

// TestZeroAndNothing gives every key of the schema 0, what is negative and what
// is empty.
func TestZeroAndNothing(t *testing.T) {
	var schema struct {
		Properties map[string]any
		Defs       map[string]struct{ Properties map[string]any } `json:"$defs"`
	}
	data, err := os.ReadFile("scenario.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	seen := 0
	try := func(where, key, file string) {
		seen++
		name := strings.TrimPrefix(where+"."+key, ".")
		for _, v := range []string{"0", "0s", "-1", "-1s", "-0", "", "~", `""`, "[]", "{}"} {
			data := strings.Replace(file, "KEY", key+": "+v, 1)
			_, err := scenarios.Parse("x.yaml", []byte(data))
			if takes := slices.Contains(zeroOrNothing[name], v); (err == nil) != takes {
				t.Errorf("%s: %s: %v, taken should be %v", name, v, err, takes)
			}
		}
	}
	without := func(key string, lines ...string) string {
		kept := slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, key+":") })
		return strings.Join(kept, "\n") + "\n"
	}
	for key := range schema.Properties {
		if key == "requests" {
			continue // the rows below
		}
		try("", key, without(key, "name: x", "summary: s", "requests: [{path: /}]", "load: {model: closed}")+"KEY\n")
	}
	for where, file := range map[string][2]string{
		"request": {"name: x\nsummary: s\nload: {model: closed}\nrequests:\n- ", "path: /"},
		"data":    {"name: x\nsummary: s\nload: {model: closed}\nrequests: [{path: '/${data.a}'}]\ndata:\n  ", "file: a.csv"},
		"expect":  {"name: x\nsummary: s\nload: {model: closed}\nrequests:\n- path: /\n  expect:\n    ", ""},
		"load":    {"name: x\nsummary: s\nrequests: [{path: /}]\nload:\n  ", "model: open\nrate: 5"},
	} {
		if len(schema.Defs[where].Properties) == 0 {
			t.Fatalf("the schema has no keys of %s", where)
		}
		for key := range schema.Defs[where].Properties {
			body := without(key, append(strings.Split(file[1], "\n"), "KEY")...)
			try(where, key, file[0]+strings.ReplaceAll(strings.TrimSpace(body), "\n", "\n  ")+"\n")
		}
	}
	if seen < 25 {
		t.Errorf("only %d keys", seen)
	}
}
