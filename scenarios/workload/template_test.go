package workload

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func rows(t testing.TB, name, text string) *Data {
	t.Helper()
	d, err := ParseData(name, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const people = `id,name,path,note
7,Anna,/a?x=1,plain
8,José García,/b/%41%,"two
lines and ""quotes"" \"
`

func TestRender(t *testing.T) {
	data := rows(t, "people.csv", people)
	first, second := Draw{Bits: 1}, Draw{Number: 41, Row: 1, Bits: 2}
	for _, test := range []struct {
		text string
		draw Draw
		want string // a regular expression
	}{
		{"", first, ""},
		{`{"a": {"b": [1]}} $5 $$ $x }`, first, `\{"a": \{"b": \[1\]\}\} \$5 \$\$ \$x \}`},
		{"${seq}", first, "1"},
		{"${seq} and ${seq:1000}, ${seq:0}", second, "42 and 1041, 41"},
		{"$${seq}", first, `\$\{seq\}`},
		{"$$${seq}", first, `\$1`},
		{"$$$${seq}", first, `\$\$\{seq\}`},
		{"a$${", first, `a\$\{`},
		{"${rand:1-6}${rand:5-5}", first, "[1-6]5"},
		{"${rand:9223372036854775807-9223372036854775807}", first, "9223372036854775807"},
		{"${hex:1}/${hex:16}/${hex:33}", first, "[0-9a-f]/[0-9a-f]{16}/[0-9a-f]{33}"},
		{"${uuid}", first, "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"},
		{"${pick:red}", first, "red"},
		{"${pick:a b|c.d:e|}", first, "(a b|c.d:e|)"},
		{"${data.id}:${data.name}", first, "7:Anna"},
		{"${data.name}", second, "José García"},
		{"${query.name}", second, "Jos%C3%A9%20Garc%C3%ADa"},
		{`{"note": "${json.note}"}`, second, `\{"note": "two\\u000alines and \\"quotes\\" \\\\"\}`},
	} {
		parser := Parser{Data: data}
		got, err := parser.Text(test.text)
		if err != nil {
			t.Errorf("%q: %v", test.text, err)
			continue
		}
		text := string(got.Append([]byte("> "), test.draw))
		if !regexp.MustCompile("^> " + test.want + "$").MatchString(text) {
			t.Errorf("%q: %q, expected %s", test.text, text, test.want)
		}
		if again := string(got.Append([]byte("> "), test.draw)); again != text {
			t.Errorf("%q: the same draw gave %q and %q", test.text, text, again)
		}
	}
}

func TestPath(t *testing.T) {
	data := rows(t, "people.csv", people)
	for text, want := range map[string]string{
		"/u/${data.name}":        "/u/Jos%C3%A9%20Garc%C3%ADa",
		"${data.path}&y=1":       "/b/%41%25&y=1",
		"/?q=${query.path}":      "/?q=%2Fb%2F%2541%25",
		"/${pick:a b}":           "/a%20b",
		"/fixed/%20?already=%41": "/fixed/%20?already=%41",
		"/grün/${pick:ü}?ß=|{}":  "/gr%C3%BCn/%C3%BC?%C3%9F=|{}",
		"/${pick:a#b}":           "/a%23b",
	} {
		parser := Parser{Data: data}
		got, err := parser.Path(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		} else if s := string(got.Append(nil, Draw{Row: 1})); s != want {
			t.Errorf("%q: %q, expected %q", text, s, want)
		}
	}
}

func TestErrors(t *testing.T) {
	data := rows(t, "people.csv", people)
	text, path, header := (*Parser).Text, (*Parser).Path, (*Parser).Header
	for _, test := range []struct {
		parse func(*Parser, string) (Template, error)
		text  string
		want  string // a part of the error
	}{
		{text, "${sqe}", `${sqe}: unknown placeholder "sqe": did you mean "seq"? Known: data, hex, json, pick, query, rand, seq, uuid; a literal ${ is written $${`},
		{text, "${}", `unknown placeholder ""`},
		{text, "a ${seq", "${seq: the placeholder has no end; write } behind it"},
		{text, "${" + strings.Repeat("x", 90), "${" + strings.Repeat("x", 40) + "…: the placeholder"},
		{text, "${seq:x}", `"x" is no whole number up to 9223372036854775807; write where to count from`},
		{text, "${seq:-1}", "no whole number"},
		{text, "${seq:9223372036854775808}", "no whole number"},
		{text, "${seq.a}", "seq takes a colon, no dot"},
		{text, "${rand}", "as ${rand:1-1000}"},
		{text, "${rand:5}", "as ${rand:1-1000}"},
		{text, "${rand:6-1}", "as ${rand:1-1000}"},
		{text, "${rand:+1-6}", "as ${rand:1-1000}"},
		{text, "${hex}", "write how many digits, 1 to 4096, as ${hex:16}"},
		{text, "${hex:0}", "write how many digits"},
		{text, "${hex:4097}", "write how many digits"},
		{text, "${uuid:4}", "uuid takes no argument"},
		{text, "${pick}", "nothing to pick from"},
		{text, "${pick:}", "nothing to pick from"},
		{text, "${data}", "write the field behind a dot, as ${data.name}"},
		{text, "${json:name}", "write the field behind a dot, as ${json.name}"},
		{text, "${data.nmae}", `people.csv: unknown field "nmae": did you mean "name"? Known: id, name, note, path`},
		{path, "a/${seq}", `path "a/${seq}": expected one that starts with /`},
		{path, "", "expected one that starts with /"},
		{path, "${seq}", "expected one that starts with /"},
		{path, "${query.path}", "expected one that starts with /"},
		{path, "${data.name}", "people.csv:2: the field name does not start with /"},
		{path, "/${json.name}", "${json.…} is for bodies"},
		{path, "/a#${seq}", `path "/a#": # is a fragment`},
		{path, "/a#top", `leave it out, or write /a%23top`},
		{header, "${data.note}", "people.csv:3: the field note has a line break or a zero byte, and stands in a header"},
	} {
		_, err := test.parse(&Parser{Data: data}, test.text)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: error %v\nwant %s", test.text, err, test.want)
		}
	}
	if _, err := (&Parser{}).Text("${data.id}"); err == nil || !strings.Contains(err.Error(), `no data file to take the field "id" from`) {
		t.Error(err)
	}
	for _, parse := range []func(*Parser, string) (Template, error){text, path, header} {
		if _, err := parse(&Parser{AnyField: true}, "${data.id}"); err != nil {
			t.Errorf("any field: %v", err)
		}
	}
}

func TestFixed(t *testing.T) {
	for text, want := range map[string]string{"": "", "plain": "plain", "a $${seq}": "a ${seq}", "{}": "{}"} {
		got, err := new(Parser).Text(text)
		if s, ok := got.Fixed(); err != nil || !ok || s != want {
			t.Errorf("%q: %q, %v, %v; expected %q", text, s, ok, err, want)
		}
	}
	got, _ := new(Parser).Text("a ${seq}")
	if s, ok := got.Fixed(); ok {
		t.Errorf("a number counts as fixed: %q", s)
	}
}

// Each placeholder of a request has bits of its own, in whichever of its texts
// it stands.
func TestPlaceholdersAreIndependent(t *testing.T) {
	var p Parser
	a, _ := p.Text("${hex:40} ${hex:16}")
	b, _ := p.Text("${hex:16} ${uuid} ${rand:0-9223372036854775806}")
	words := strings.Fields(string(Concat(a, Literal(" "), b).Append(nil, Draw{Bits: 7})))
	seen := map[string]bool{}
	for _, w := range append(words[1:3:3], words[0][:16], words[0][16:32], words[0][32:]) {
		if seen[w] {
			t.Errorf("%s twice in %q", w, words)
		}
		seen[w] = true
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	p := Parser{Data: rows(t, "people.csv", people)}
	got, err := p.Text("${seq} ${rand:1-1000} ${hex:40} ${uuid} ${pick:a|b} ${data.name} ${json.note} ${query.path}")
	if err != nil {
		t.Fatal(err)
	}
	s := NewSource(1, p.Data, Random, 1, 0, 1)
	buf := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(1000, func() { buf = got.Append(buf[:0], s.Next(0)) }); n != 0 {
		t.Errorf("%v allocations per text", n)
	}
}

func TestPlainTextIsItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := strings.ReplaceAll(rapid.StringOf(rapid.SampledFrom([]rune("${}ab: \"\n\x00é"))).Draw(t, "text"), "${", "{$")
		if strings.Contains(text, "${") {
			t.Skip()
		}
		got, err := new(Parser).Text(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if s, ok := got.Fixed(); !ok || s != text {
			t.Fatalf("%q became %q", text, s)
		}
	})
}

// Whatever a text is, it can be written so that it stands for itself.
func TestAnyTextCanBeWritten(t *testing.T) {
	dollars := regexp.MustCompile(`\$+\{`)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom([]rune("$${}seq:a"))).Draw(t, "text")
		written := dollars.ReplaceAllStringFunc(text, func(s string) string {
			n := strings.Count(s, "$")
			return strings.Repeat("$", 2*n) + "{"
		})
		got, err := new(Parser).Text(written)
		if err != nil {
			t.Fatalf("%q: %v", written, err)
		}
		if s, ok := got.Fixed(); !ok || s != text {
			t.Fatalf("%q, written as %q, became %q", text, written, s)
		}
	})
}

// FuzzParse looks for panics, and for texts that change from one rendering of
// a draw to the next.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"${seq:5}$${", "${rand:1-9}", "${hex:3}${uuid}", "/${pick:a|b}?${data.id}", "${json.name}${query.path}", "${", "$$${x}"} {
		f.Add(text, uint64(1))
	}
	f.Fuzz(func(t *testing.T, text string, bits uint64) {
		data := rows(t, "people.csv", people)
		for _, parse := range []func(*Parser, string) (Template, error){(*Parser).Text, (*Parser).Path, (*Parser).Header} {
			got, err := parse(&Parser{Data: data}, text)
			if err != nil {
				continue
			}
			d := Draw{Number: int64(bits >> 1), Row: int(bits % 2), Bits: bits}
			a, b := got.Append(nil, d), got.Append(nil, d)
			if string(a) != string(b) {
				t.Errorf("%q: %q, then %q", text, a, b)
			}
			if fixed, ok := got.Fixed(); ok && fixed != string(a) {
				t.Errorf("%q: fixed as %q, rendered as %q", text, fixed, a)
			}
			if !strings.Contains(text, "${") && string(a) != text {
				t.Errorf("%q became %q", text, a)
			}
		}
	})
}

func ExampleParser() {
	p := Parser{Data: must(ParseData("users.csv", []byte("id,name\n7,Anna\n8,Ben\n")))}
	path := must(p.Path("/users/${data.id}"))
	body := must(p.Text(`{"n": ${seq}, "name": "${json.name}"}`))
	s := NewSource(1, p.Data, Sequence, 1, 0, 1)
	for range 3 {
		d := s.Next(0)
		fmt.Printf("%s %s\n", path.Append(nil, d), body.Append(nil, d))
	}
	// Output:
	// /users/7 {"n": 1, "name": "Anna"}
	// /users/8 {"n": 2, "name": "Ben"}
	// /users/7 {"n": 3, "name": "Anna"}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
