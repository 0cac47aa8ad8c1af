package report

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/compare"
	"github.com/dynobench/dyno/results/report/plot"
	"github.com/dynobench/dyno/results/resultstest"
)

// numbers calls f with every number of v, those in lists that are empty too.
// Of a list only the first item is visited: the others are alike.
func numbers(path string, v reflect.Value, f func(path string, n reflect.Value)) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		numbers(path, v.Elem(), f)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; v.Type().Field(i).IsExported() {
				numbers(path+"."+name, v.Field(i), f)
			}
		}
	case reflect.Slice:
		if v.Len() == 0 {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		}
		numbers(path+"[0]", v.Index(0), f)
	case reflect.Int, reflect.Int64, reflect.Uint64, reflect.Float64:
		f(path, v)
	}
}

// TestHostileNumbers writes a run as a document with one number after the other
// made up: it is refused when it is read, or every format comes to an end with it.
func TestHostileNumbers(t *testing.T) {
	if testing.Short() {
		t.Skip("a report for each number of a run")
	}
	whole := func() *results.Run {
		return resultstest.Run(resultstest.Options{Trials: 2, Scenarios: []string{"mixed"}, Targets: []string{"pool", "sync"}})
	}
	var paths []string
	numbers("", reflect.ValueOf(whole()).Elem(), func(path string, _ reflect.Value) { paths = append(paths, path) })
	if len(paths) < 100 {
		t.Fatalf("only %d numbers in a run", len(paths))
	}
	file := filepath.Join(t.TempDir(), "run.json")
	refused, told := 0, 0
	// All numbers of a kind at once finds what one alone finds, but for a few
	// that stop a report early: so each third of them, and all.
	for _, value := range []float64{0, -1, 1e15, -1e15, 1e308, 1e-300} {
		for part := range 5 {
			run := whole()
			i := 0
			numbers("", reflect.ValueOf(run).Elem(), func(_ string, n reflect.Value) {
				i++
				if part < 4 && i%4 != part {
					return
				}
				switch n.Kind() {
				case reflect.Float64:
					n.SetFloat(value)
				case reflect.Uint64:
					n.SetUint(uint64(max(0, min(value, 1e15))))
				default:
					n.SetInt(int64(max(-1e15, min(value, 1e15))))
				}
			})
			b, err := json.Marshal(run)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
			read, err := results.Read(file)
			if err != nil {
				refused++
				continue
			}
			told++
			done := make(chan string, 1)
			go func() { done <- tell(read) }()
			select {
			case what := <-done:
				if what != "" {
					t.Errorf("%v in part %d: %s", value, part, what)
				}
			case <-time.After(60 * time.Second): // a second or two is what it takes
				t.Fatalf("%v in part %d of the numbers: the report does not end", value, part)
			}
		}
	}
	if refused == 0 || told < 10 {
		t.Errorf("%d documents were refused and %d told", refused, told)
	}
	for _, bad := range []string{`{"schema": "dyno.run/1", "trials": [{"throughput_rps": 1e17}]}`, `{"schema": "dyno.run/1", "trials": [{"histogram": "x\ny"}]}`} {
		os.WriteFile(file, []byte(bad), 0o600) //nolint:errcheck // seen at once
		if _, err := results.Read(file); err == nil {
			t.Errorf("read %s", bad)
		}
	}
}

// tell writes run in every format and returns what went wrong but errors.
func tell(run *results.Run) (panicked string) {
	defer func() {
		if r := recover(); r != nil {
			panicked = fmt.Sprint("panic: ", r)
		}
	}()
	r := Build(run)
	for _, write := range []func(io.Writer) error{
		r.WriteMarkdown, r.WriteHTML, r.WriteJSON,
		func(w io.Writer) error { return r.WriteTerminal(w, 40) },
		func(w io.Writer) error { return results.WriteCSV(w, run) },
		func(w io.Writer) error { return results.WriteBenchmark(w, run) },
		func(w io.Writer) error { return results.WriteTrialLog(w, run, "") },
		func(w io.Writer) error {
			c, err := compare.Compare(run, run, compare.Defaults())
			if err == nil {
				err = c.WriteText(w, 80)
			}
			return err
		},
	} {
		write(io.Discard) //nolint:errcheck // that it ends is what is tested
	}
	for i := range r.Scenarios {
		for _, f := range r.Scenarios[i].figures() {
			f.SVG(io.Discard, plot.Narrow, true) //nolint:errcheck // likewise
		}
	}
	return ""
}

// TestHostileHistograms: what cannot be one of dyno's is refused.
func TestHostileHistograms(t *testing.T) {
	h := results.NewHistogram()
	results.RecordNS(h, 5)
	good, err := results.EncodeHistogram(h)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := results.DecodeHistogram(good); err != nil {
		t.Error(err)
	}
	// Samples of 0 ns; a range up to 2^63 ns to five digits, 50 MB of counts.
	bad := []string{"", "AAAA", good[:len(good)-8], zeros(), wide()}
	if i := slices.IndexFunc(bad, func(s string) bool { _, err := results.DecodeHistogram(s); return err == nil }); i >= 0 {
		t.Errorf("histogram %d is taken", i)
	}
}

// zeros is a histogram of samples of 0 ns.
func zeros() string { return encoded(1, 3600e9, 3, []byte{0x28}) }

// wide has room for 2^63 ns to five digits.
func wide() string { return encoded(1, 1<<62, 5, []byte{0x01, 0x28}) }

// encoded is a histogram as a document has it, of the counts given.
func encoded(least, most int64, digits int32, counts []byte) string {
	var head, z bytes.Buffer
	w := zlib.NewWriter(&z)
	for _, v := range []any{int32(0x1c849313), int32(len(counts)), int32(0), digits, least, most, float64(1)} {
		binary.Write(w, binary.BigEndian, v) //nolint:errcheck // into memory
	}
	w.Write(counts)                                                            //nolint:errcheck // likewise
	w.Close()                                                                  //nolint:errcheck // likewise
	binary.Write(&head, binary.BigEndian, []int32{0x1c849314, int32(z.Len())}) //nolint:errcheck // likewise
	return base64.StdEncoding.EncodeToString(append(head.Bytes(), z.Bytes()...))
}
