package engines

import (
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParse(t *testing.T) {
	tests := []struct {
		text string
		want Spec
	}{
		{"goroutine", Spec{Name: "goroutine"}},
		{"threads,threads=64", Spec{Name: "threads", Params: []Param{{"threads", "64"}}}},
		{"prefork:goroutine,processes=4,per=request", Spec{Name: "prefork", Inner: "goroutine",
			Params: []Param{{"processes", "4"}, {"per", "request"}}}},
		{"a:b:c,k=", Spec{Name: "a", Inner: "b:c", Params: []Param{{"k", ""}}}},
		{"a,k=x=y", Spec{Name: "a", Params: []Param{{"k", "x=y"}}}},
	}
	for _, tt := range tests {
		got, err := Parse(tt.text)
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", tt.text, got, err, tt.want)
		}
		if got.String() != tt.text {
			t.Errorf("String() = %q, want %q", got, tt.text)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":              "a name is missing",
		":a":            "a name is missing",
		"a:":            "a name is missing",
		"A":             `"A" is not a name`,
		"1a":            `"1a" is not a name`,
		"a b":           `"a b" is not a name`,
		"a,":            `"" is not key=value`,
		"a,k":           `"k" is not key=value`,
		"a,=v":          `"" is not a key`,
		"a,k=1,k=2":     "k is set twice",
		"a,k=1,,":       `"" is not key=value`,
		"a;drop table,": "is not a name",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q): %v, want one with %q", text, err, want)
		}
	}
}

func TestSpecRoundTrip(t *testing.T) {
	name := rapid.StringMatching(`[a-z][a-z0-9-]{0,8}`)
	rapid.Check(t, func(t *rapid.T) {
		want := Spec{Name: name.Draw(t, "name")}
		want.Inner = strings.Join(rapid.SliceOfN(name, 0, 2).Draw(t, "inner"), ":")
		for _, key := range rapid.SliceOfNDistinct(name, 0, 4, rapid.ID).Draw(t, "keys") {
			value := strings.ReplaceAll(rapid.String().Draw(t, "value"), ",", "")
			want.Params = append(want.Params, Param{key, value})
		}
		got, err := Parse(want.String())
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: got %+v, %v; want %+v", want, got, err, want)
		}
	})
}

func TestParseNeverPanics(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		if s, err := Parse(text); err == nil && s.String() != text {
			t.Fatalf("%q was read as %q", text, s)
		}
	})
}

func TestParams(t *testing.T) {
	knobs := []Knob{{Key: "size", Default: "8"}, {Key: "loops", Default: CPUs}, {Key: "mode", Default: "a"}}
	params := func(text string) *Params {
		s, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return NewParams(s, knobs)
	}
	p := params("x")
	if n, l, m := p.Int("size", 1, 9), p.Int("loops", 1, 1000), p.Choice("mode", "a", "b"); n != 8 || l != Processors() || m != "a" || p.Err() != nil {
		t.Errorf("defaults: %d, %d, %q, %v", n, l, m, p.Err())
	}
	p = params("x,size=3,mode=b,loops=2")
	if n, l, m := p.Int("size", 1, 9), p.Int("loops", 1, 1000), p.Choice("mode", "a", "b"); n != 3 || l != 2 || m != "b" || p.Err() != nil {
		t.Errorf("given: %d, %d, %q, %v", n, l, m, p.Err())
	}
	for text, want := range map[string]string{
		"x,sise=3":          `engine x: unknown key "sise": did you mean "size"? Known: loops, mode, size`,
		"x,size=10":         "engine x: size=10: must be between 1 and 9",
		"x,size=many":       "engine x: size=many: not a whole number",
		"x,mode=c":          `unknown value of mode "c"`,
		"x,size=,mode=what": "size=: empty",
	} {
		p := params(text)
		n, _ := p.Int("size", 1, 9), p.Choice("mode", "a", "b")
		if err := p.Err(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
		if n < 1 || n > 9 {
			t.Errorf("%s: a getter must return what fits, not %d", text, n)
		}
	}
}

func TestSplit(t *testing.T) {
	s, err := Parse("prefork:pool,processes=2,size=5,socket=auto")
	if err != nil {
		t.Fatal(err)
	}
	own, inner := s.Split([]Knob{{Key: "processes"}, {Key: "socket"}})
	if got := own.String() + " " + inner.String(); got != "prefork,processes=2,socket=auto pool,size=5" {
		t.Error(got)
	}
}
