package workload

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func table(d *Data) (all [][]string) {
	for row := range d.Rows() {
		var values []string
		for i := range d.Fields() {
			values = append(values, d.Value(row, i))
		}
		all = append(all, values)
	}
	return all
}

func TestParseData(t *testing.T) {
	want := [][]string{{"1", "Anna", "true"}, {"2.50", `B "b"`, "false"}}
	for name, text := range map[string]string{
		"a.csv":    "id,name,ok\n1,Anna,true\n2.50,\"B \"\"b\"\"\",false\n",
		"crlf.CSV": "\ufeffid,name,ok\r\n\r\n1,Anna,true\r\n2.50,\"B \"\"b\"\"\",false",
		"a.jsonl":  "{\"id\": 1, \"name\": \"Anna\", \"ok\": true}\n\n{\"ok\":false,\"id\":2.50,\"name\":\"B \\\"b\\\"\"}",
		"b.ndjson": "\ufeff{\"id\": 1, \"name\": \"Anna\", \"ok\": true}\r\n{\"id\":2.50,\"name\":\"B \\u0022b\\u0022\",\"ok\":false}\r\n",
	} {
		d := rows(t, name, text)
		if diff := cmp.Diff(want, table(d)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff([]string{"id", "name", "ok"}, d.Fields()); diff != "" || d.Name() != name || len(d.SHA256()) != 64 {
			t.Errorf("%s: %q, digest %q\n%s", name, d.Name(), d.SHA256(), diff)
		}
	}
}

func TestBadData(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"d.txt", "a\n1\n", "d.txt: the file name must end in .csv, .jsonl or .ndjson"},
		{"d.csv", "", "d.csv: no rows; at least one is needed"},
		{"d.csv", "a,b\n", "d.csv: no rows"},
		{"d.csv", "a,b\n1,2\n\n1,2,3\n", "d.csv:4: 3 fields, the first line names 2"},
		{"d.csv", "a,b\n1\n", "d.csv:2: 1 fields, the first line names 2"},
		{"d.csv", "a,b\n1,\"x\n", "d.csv:"},
		{"d.csv", "a,b\n1,x\"y\n", "d.csv:2: column 4: bare"},
		{"d.csv", "a,a\n1,2\n", `d.csv:1: two fields are named "a"`},
		{"d.csv", "a,\n1,2\n", "d.csv:1: the name of field 2 is empty"},
		{"d.jsonl", "", "d.jsonl: no rows"},
		{"d.jsonl", "{\"a\":1}\n[1]\n", "d.jsonl:2: expected one flat object on the line"},
		{"d.jsonl", "{\"a\":1}\n{\"a\":null}\n", `d.jsonl:2: the field "a" is null, a list or an object; expected a text`},
		{"d.jsonl", "{\"a\":[1]}\n", `d.jsonl:1: the field "a" is null, a list`},
		{"d.jsonl", "{\"a\":{\"b\":1}}\n", `d.jsonl:1: the field "a" is null, a list`},
		{"d.jsonl", "{\"a\":1,\"a\":2}\n", `d.jsonl:1: two fields are named "a"`},
		{"d.jsonl", "{\"a\":1,\"b\":1}\n{\"a\":1,\"b\":2,\"a\":2}\n", `d.jsonl:2: two fields are named "a"`},
		{"d.jsonl", "{\"a\":1,\"b\":1}\n{\"a\":1}\n", `d.jsonl:2: the field "b" is missing`},
		{"d.jsonl", "{\"a\":1}\n\n{\"a\":1,\"c\":1}\n", `d.jsonl:3: the field "c" is not in the first line, which has a`},
		{"d.jsonl", "{\"a\":1} {\"a\":1}\n", "d.jsonl:1: more than one value"},
		{"d.jsonl", "{\"a\":1\n", "d.jsonl:1: not JSON"},
		{"d.jsonl", "{\"a\" 1}\n", "d.jsonl:1: not JSON"},
		{"d.csv", "\xff\xfea\x00\n\x00", "d.csv: is in UTF-16"},
		{"d.csv", "\xfe\xff\x00a\x00\n", "d.csv: is in UTF-16"},
		{"d.csv", "a\nJos\u00e9\nJos\xe9\n", "d.csv:3: the byte 0xe9 is not UTF-8"},
		{"d.jsonl", "{\"a\":\"\xe9\"}\n", "d.jsonl:1: the byte 0xe9 is not UTF-8"},
		{"d.jsonl", "{}\n", "d.jsonl:1: the object has no fields"},
		{"d.jsonl", "{\"\":1}\n", "d.jsonl:1: the name of field 1 is empty"},
	} {
		_, err := ParseData(test.name, []byte(test.text))
		var fault *DataError
		if err == nil || !strings.HasPrefix(err.Error(), test.want) || !errors.As(err, &fault) {
			t.Errorf("%q: %v\nwant %s", test.text, err, test.want)
		}
	}
	if _, err := LoadData(filepath.Join(t.TempDir(), "none.csv")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestLoadData(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d.csv")
	if err := os.WriteFile(path, []byte("a\n1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if d, err := LoadData(path); err != nil || d.Rows() != 1 || d.Name() != path {
		t.Errorf("%+v, %v", d, err)
	}
}

// FuzzData looks for panics, and for tables that are not rectangular.
func FuzzData(f *testing.F) {
	for _, text := range []string{people, "{\"a\":1,\"b\":\"x\"}\n{\"b\":true,\"a\":2}\n", "a,a\n", "{\"a\":", "\ufeff", "\"\n\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range []string{"f.csv", "f.jsonl"} {
			d, err := ParseData(name, []byte(text))
			var fault *DataError
			if err != nil {
				if !errors.As(err, &fault) || fault.File != name {
					t.Errorf("%s: %v", name, err)
				}
				continue
			}
			if d.Rows() < 1 || len(d.fields) < 1 || len(d.values) != d.Rows()*len(d.fields) {
				t.Errorf("%s: %d rows of %d fields, %d values", name, d.Rows(), len(d.fields), len(d.values))
			}
		}
	})
}
