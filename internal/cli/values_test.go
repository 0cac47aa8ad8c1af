package cli

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// eachFlag calls f with every flag of every verb.
func eachFlag(f func(verb string, flag *pflag.Flag)) {
	root := (&cli{stdout: io.Discard, stderr: io.Discard}).root()
	for _, cmd := range root.Commands() {
		cmd.InheritedFlags() // merges the root's
		cmd.Flags().VisitAll(func(flag *pflag.Flag) {
			if flag.Name != "help" {
				f(cmd.Name(), flag)
			}
		})
	}
}

// give sets a flag of a verb in one of the ways in which it can be given and
// returns the flag as it then is.
func give(t *testing.T, way, verb, flag, text string) (*pflag.Flag, error) {
	t.Helper()
	root := (&cli{stdout: io.Discard, stderr: io.Discard}).root()
	i := slices.IndexFunc(root.Commands(), func(c *cobra.Command) bool { return c.Name() == verb })
	cmd := root.Commands()[i]
	err := cmd.ParseFlags(nil)
	switch way {
	case "flag":
		err = cmd.ParseFlags([]string{"--" + flag + "=" + text})
	case "environment":
		t.Setenv(variable(flag), text)
		err = fillFlags(cmd)
		os.Unsetenv(variable(flag)) //nolint:errcheck // it is there
	case "file":
		err = fillFrom(cmd.Flags(), "c.yaml", []byte(flag+": "+text+"\n"))
	case "quoted in a file":
		err = fillFrom(cmd.Flags(), "c.yaml", fmt.Appendf(nil, "%s: %q\n", flag, text))
	}
	return cmd.Flags().Lookup(flag), err
}

var ways = []string{"flag", "environment", "file", "quoted in a file"}

func numeric(f *pflag.Flag) bool {
	return slices.Contains([]string{"int", "int64", "uint", "uint64", "float64", "share", "duration", "intSlice"}, f.Value.Type())
}

// TestWrongValues gives every numeric flag what no rule allows, in all ways.
func TestWrongValues(t *testing.T) {
	seen := 0
	eachFlag(func(verb string, f *pflag.Flag) {
		if !numeric(f) {
			return
		}
		seen++
		for _, text := range []string{"-1", "-1s", "+1", "0x10", "0o10", "0b1", "1_000", "1e3", "1,000.5", "one", ".inf", ".nan", "5 s", "-0"} {
			for _, way := range ways {
				if _, err := give(t, way, verb, f.Name, text); err == nil {
					t.Errorf("%s --%s takes %q by %s", verb, f.Name, text, way)
				}
			}
		}
	})
	if seen < 30 {
		t.Errorf("only %d flags take numbers", seen)
	}
}

// TestLeadingZeros: 010 is ten for every numeric flag, in all ways.
func TestLeadingZeros(t *testing.T) {
	eachFlag(func(verb string, f *pflag.Flag) {
		want := map[string]string{"duration": "10s", "intSlice": "[10]"}[f.Value.Type()]
		text := "010"
		switch {
		case !numeric(f) || f.Value.Type() == "share": // ten is none
			return
		case f.Value.Type() == "duration":
			text = "010s"
		}
		for _, way := range ways {
			got, err := give(t, way, verb, f.Name, text)
			if err != nil || got.Value.String() != want && got.Value.String() != "10" {
				t.Errorf("%s --%s=%s by %s is %s, %v", verb, f.Name, text, way, got.Value, err)
			}
		}
	})
}

// TestZero holds every numeric flag to what the table says about 0, and the
// table to the flags and to the documents.
func TestZero(t *testing.T) {
	docs, err := os.ReadFile("../../docs/values.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	zeroInUsage := regexp.MustCompile(`\b0[ :]`)
	eachFlag(func(verb string, f *pflag.Flag) {
		if !numeric(f) {
			return
		}
		means := zeroMeans[f.Name]
		known[f.Name] = true
		for _, way := range ways {
			if _, err := give(t, way, verb, f.Name, "0"); (err == nil) != (means != "") {
				t.Errorf("%s --%s=0 by %s: %v, but it means %q", verb, f.Name, way, err, means)
			}
		}
		if means == "" && zeroInUsage.MatchString(f.Usage) {
			t.Errorf("%s --%s says what 0 is, which is refused: %s", verb, f.Name, f.Usage)
		}
	})
	for name, means := range zeroMeans {
		if !known[name] {
			t.Errorf("zeroMeans has %s, which is no numeric flag", name)
		}
		if row := fmt.Sprintf("| `--%s` | %s |", name, means); !strings.Contains(string(docs), row) {
			t.Errorf("docs/values.md lacks %s", row)
		}
	}
}

// TestEmpty: nothing is no value, except for what the table lists.
func TestEmpty(t *testing.T) {
	eachFlag(func(verb string, f *pflag.Flag) {
		if _, err := give(t, "flag", verb, f.Name, ""); (err == nil) != (emptyMeans[f.Name] != "") {
			t.Errorf("%s --%s= : %v", verb, f.Name, err)
		}
		if got, err := give(t, "environment", verb, f.Name, ""); err != nil || got.Changed {
			t.Errorf("%s: an empty %s is not as good as none: %v", verb, variable(f.Name), err)
		}
		for _, null := range []string{"", "~", "null", "{}", "{a: b}", "[[a]]"} {
			if _, err := give(t, "file", verb, f.Name, null); f.Name != "config" && (err == nil || !strings.HasPrefix(err.Error(), "c.yaml:1:")) {
				t.Errorf("%s: a file's %s: %q gives %v", verb, f.Name, null, err)
			}
		}
	})
}

// TestListsInFiles: a list is a flag given several times, where it may be.
func TestListsInFiles(t *testing.T) {
	eachFlag(func(verb string, f *pflag.Flag) {
		if f.Name == "config" {
			return
		}
		got, err := give(t, "file", verb, f.Name, `[1, 2]`)
		if !repeatable(f) {
			if err == nil {
				t.Errorf("%s --%s takes a list", verb, f.Name)
			}
			return
		}
		if err != nil || got.Value.String() != "[1,2]" {
			t.Errorf("%s --%s: [1, 2] is %v, %v", verb, f.Name, got.Value, err)
		}
	})
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte("header: ['A: 1', 'B: 2']\nconnections: 010\n"))
	f.Add([]byte("\ufeffduration: 1s\r\nseed: 5\r\n"))
	f.Add([]byte("header: &a [x]\nrequest: *a\n"))
	f.Add([]byte("rate: 1e3\nwarmup: ~\n"))
	// The verbs are made once: making them anew for each input would be most of
	// what the fuzzer does.
	root := (&cli{stdout: io.Discard, stderr: io.Discard}).root()
	cmd, _, err := root.Find([]string{"load"})
	if err != nil {
		f.Fatal(err)
	}
	if err := cmd.ParseFlags(nil); err != nil {
		f.Fatal(err)
	}
	flags := cmd.Flags()
	f.Fuzz(func(t *testing.T, data []byte) {
		flags.VisitAll(func(flag *pflag.Flag) {
			flag.Changed = false
			if list, ok := flag.Value.(pflag.SliceValue); ok {
				list.Replace(nil) //nolint:errcheck // nothing is no wrong value
			}
		})
		fillFrom(flags, "c.yaml", data) //nolint:errcheck // must not panic
	})
}
