package yamlfile

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sample is what the tests decode.
type sample struct {
	Name  string
	Count int
	Share float64
	On    bool
	After time.Duration
	Args  []string
	Env   map[string]string
}

func decode(name string, data []byte) (sample, error) {
	var s sample
	root, err := Parse(name, data)
	if err != nil {
		return s, err
	}
	d := NewDecoder(name)
	d.Object("", root, "a sample", map[string]Set{
		"name": d.Text(&s.Name), "count": d.Integer(&s.Count), "share": d.Decimal(&s.Share), "on": d.Bool(&s.On),
		"after": d.Duration(&s.After), "args": d.Words(&s.Args), "env": d.Named(&s.Env, d.Word), "base": func(string, *Node) {},
	})
	return s, d.Err()
}

func TestDecode(t *testing.T) {
	all := sample{Name: "x", Count: 10, Share: 1.5, On: true, After: 2 * time.Second, Args: []string{"a", "010", "true", "b c"}, Env: map[string]string{"A": "1", "B": "0x1F"}}
	text := "# first\nname: x\ncount: 010\nshare: 01.5\non: true\nafter: 2s\nargs: [a, 010, true, 'b c']\nenv:\n  A: 1\n  B: 0x1F\n"
	for name, c := range map[string]struct {
		text string
		want sample
	}{
		"plain":                         {text, all},
		"byte-order mark":               {"\ufeff" + text, all},
		"line ends of Windows":          {strings.ReplaceAll(text, "\n", "\r\n"), all},
		"both":                          {"\ufeff" + strings.ReplaceAll(text, "\n", "\r\n"), all},
		"lone carriage returns":         {strings.ReplaceAll(text, "\n", "\r"), all},
		"no last line end":              {strings.TrimSuffix(text, "\n"), all},
		"a document's marks":            {"%YAML 1.2\n---\n" + text + "...\n", all},
		"merge key first":               {"base: &b {name: y, count: 3}\n<<: *b\nname: x\n", sample{Name: "x", Count: 3}},
		"merge key last":                {"base: &b {name: y, count: 3}\nname: x\n<<: *b\n", sample{Name: "x", Count: 3}},
		"merge of several, first wins":  {"base: [&a {count: 1}, &b {count: 2, name: z}]\n<<: [*a, *b]\n", sample{Name: "z", Count: 1}},
		"merge key in flow":             {"base: &b {A: 1, B: 2}\nenv: {<<: *b, A: 3}\n", sample{Env: map[string]string{"A": "3", "B": "2"}}},
		"merge of a merge":              {"base: [&a {count: 1}, &b {<<: *a, name: x}]\n<<: *b\n", sample{Name: "x", Count: 1}},
		"alias of a scalar":             {"base: &n x\nname: *n\n", sample{Name: "x"}},
		"block text":                    {"name: |\n  a\n  b\n", sample{Name: "a\nb\n"}},
		"zero without unit":             {"after: 0\n", sample{}},
		"text of escapes":               {`name: "a\x1bb\u00e4"`, sample{Name: "a\x1bbä"}},
		"a number as a key":             {"env: {1: a, true: b}\n", sample{Env: map[string]string{"1": "a", "true": "b"}}},
		"beyond ASCII":                  {"name: größe – 日本\n", sample{Name: "größe – 日本"}},
		"many levels, but few":          {"base: " + strings.Repeat("[", 50) + strings.Repeat("]", 50) + "\nname: x\n", sample{Name: "x"}},
		"many items in a list of lists": {"base:\n" + strings.Repeat("- - - a\n", 1000) + "name: x\n", sample{Name: "x"}},
	} {
		got, err := decode("f.yaml", []byte(c.text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestFaults(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"UTF-16":                   {"\xff\xfen\x00", "f.yaml:1:1: written in UTF-16"},
		"UTF-16, big end":          {"\xfe\xff\x00n", "f.yaml:1:1: written in UTF-16"},
		"UTF-16 without a mark":    {"n\x00a\x00", "f.yaml:1:2: a NUL byte"},
		"Latin-1":                  {"name: x\nenv: {A: gr\xf6}\n", "f.yaml:2:12: byte 0xf6 is not UTF-8"},
		"an escape":                {"name: a\x1b[2J\n", "f.yaml:1:8: control character U+001B"},
		"a second document":        {"name: x\n---\nname: y\n", "f.yaml:3:1: a second document"},
		"a key twice":              {"name: x\ncount: 1\n\"name\": y\n", `f.yaml:3:1: key "name" is already at 1:1`},
		"no value":                 {"name:\ncount: 1\n", "f.yaml:1:6: name: no value"},
		"null":                     {"count: ~\n", "f.yaml:1:8: count: no value"},
		"a tab as indent":          {"env:\n\tA: 1\n", "f.yaml:2:1: "},
		"a list for a text":        {"name: [a]\n", "f.yaml:1:7: name: a list"},
		"hexadecimal":              {"count: 0x10\n", "f.yaml:1:8: count: 0x10; write a whole number in decimal digits"},
		"octal":                    {"count: 0o10\n", "f.yaml:1:8: count: 0o10"},
		"binary":                   {"count: 0b11\n", "f.yaml:1:8: count: 0b11"},
		"underscores":              {"count: 1_000\n", "f.yaml:1:8: count: "},
		"an exponent":              {"share: 1e3\n", "f.yaml:1:8: share: "},
		"infinity":                 {"share: .inf\n", "f.yaml:1:8: share: .inf"},
		"not a number":             {"share: .nan\n", "f.yaml:1:8: share: .nan"},
		"negative":                 {"count: -1\n", "f.yaml:1:8: count: -1"},
		"a plus":                   {"count: +1\n", "f.yaml:1:8: count: +1"},
		"beyond 2^53":              {"count: 9007199254740993\n", "f.yaml:1:8: count: 9007199254740993"},
		"a number in quotes":       {"count: '1'\n", `f.yaml:1:8: count: "1"`},
		"a fraction":               {"count: 1.0\n", "f.yaml:1:8: count: 1.0"},
		"yes":                      {"on: yes\n", `f.yaml:1:5: on: "yes"`},
		"a duration without unit":  {"after: 5\n", "f.yaml:1:8: after: 5; write a duration with its unit"},
		"an alias of nothing":      {"name: *a\n", "f.yaml:1:7: alias *a"},
		"an alias within its own":  {"base: &a [*a]\n", "f.yaml:1:11: alias *a"},
		"a tag":                    {"name: !!binary aGk=\n", "f.yaml:1:7: tag !!binary"},
		"a mapping as a key":       {"? {a: b}\n: c\n", "f.yaml:2:1: "},
		"a merge of text":          {"<<: x\n", "f.yaml:1:5: <<: \"x\"; write an alias of a mapping"},
		"brackets":                 {"name: " + strings.Repeat("[", 200_000), "f.yaml"},
		"brackets, fewer":          {"name: " + strings.Repeat("[", 1000) + strings.Repeat("]", 1000), "f.yaml:1:71: nested more than 64 levels deep"},
		"braces":                   {strings.Repeat("{a: ", 1000) + strings.Repeat("}", 1000), "f.yaml:1:257: nested more than 64 levels deep"},
		"dashes":                   {strings.Repeat("- ", 20_000) + "a\n", "f.yaml:1:129: nested more than 64 levels deep"},
		"question marks":           {strings.Repeat("? ", 20_000) + "a\n", "f.yaml:1:129: nested more than 64 levels deep"},
		"tags":                     {strings.Repeat("!a ", 20_000) + "a\n", "f.yaml:1:129: nested more than 64 levels deep"},
		"anchors":                  {strings.Repeat("&a ", 20_000) + "a\n", "f.yaml:1:193: nested more than 64 levels deep"},
		"indents":                  {indents(500), "f.yaml:65:65: nested more than 64 levels deep"},
		"aliases within aliases":   {laugh(9, 10), "f.yaml"},
		"aliases, deep":            {laugh(200, 1), "f.yaml"},
		"a merge of merges":        {mergeLaugh(12), "f.yaml"},
		"more than dyno takes":     {"name: " + strings.Repeat("x", MaxSize), "f.yaml: larger than 1 MiB"},
		"more words than it takes": {strings.Repeat("a,\n", 40_000), "f.yaml"},
	} {
		_, err := decode("f.yaml", []byte(c.text))
		var at *Error
		if !errors.As(err, &at) || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s:\ngot  %.200v\nwant %s…", name, err, c.want)
		}
	}
}

func indents(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

// laugh is a list of lists that name the one before them, so many times each.
func laugh(levels, times int) string {
	var b strings.Builder
	b.WriteString("base:\n- &a0 [x]\n")
	for i := range levels {
		fmt.Fprintf(&b, "- &a%d [%s]\n", i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i), times), ","))
	}
	return b.String()
}

func mergeLaugh(levels int) string {
	var b strings.Builder
	b.WriteString("base:\n- &a0 {x: 1}\n")
	for i := range levels {
		fmt.Fprintf(&b, "- &a%d {<<: [%s]}\n", i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i), 10), ","))
	}
	return b.String()
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"name: x\ncount: 010\nargs: [a, 1]\nenv: {A: 1}\n", "base: &b {name: y}\n<<: *b\n", "\ufeffname: x\r\n", laugh(3, 3), mergeLaugh(2), indents(5),
		"- - - a\n", "? a\n: b\n", "! 00", "a: |\n  x\n", "a: >-\n  x\n", "%YAML 1.2\n---\na: b\n...\n", "{a: [b, {c: d}]}", "a: 'b''c'\n", `"\u00e4": "\x1b"`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		root, err := Parse("f.yaml", data) // must neither panic nor take long
		var at *Error
		if err != nil && !errors.As(err, &at) {
			t.Errorf("%T is no *Error: %v", err, err)
		}
		if err == nil && (root.size > maxNodes || root.Line < 1) {
			t.Errorf("a root of %d nodes at line %d", root.size, root.Line)
		}
		decode("f.yaml", data) //nolint:errcheck // must not panic
	})
}
