package cli

import (
	"strings"
	"testing"

	"github.com/dynobench/dyno/results/compare"
)

func TestShare(t *testing.T) {
	for text, want := range map[string]float64{"0": 0, "0.05": 0.05, "5%": 0.05, " 5 % ": 0.05, "0%": 0, "99%": 0.99, "0.99": 0.99, "150%": 1.5} {
		got := 7.0
		if err := (share{&got}).Set(text); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "5", "1", "-1", "-0.1", "-5%", "five", "NaN", "Inf", "5%%", "0,05", "99", "%", "1e-3"} {
		got := 7.0
		if err := (share{&got}).Set(text); err == nil || got != 7 {
			t.Errorf("%q was read as %v", text, got)
		}
	}
	v := 0.02
	if s := (share{&v}); s.String() != "0.02" {
		t.Errorf("the default is shown as %s", s)
	}
	if err := (share{&v}).Set("5"); err == nil || !strings.Contains(err.Error(), "5 is 500% of the whole: write 5%, or") {
		t.Error(err)
	}
}

// TestSharesAreReadAlike asks every flag that is a share.
func TestSharesAreReadAlike(t *testing.T) {
	n := 0
	for _, cmd := range new(cli).root().Commands() {
		for _, name := range []string{"floor", "confidence"} {
			f := cmd.Flags().Lookup(name)
			if f == nil {
				continue
			}
			n++
			for _, same := range []string{"0.75", "75%"} {
				if err := f.Value.Set(same); err != nil || f.Value.String() != "0.75" {
					t.Errorf("%s --%s %s: %v, %v", cmd.Name(), name, same, f.Value, err)
				}
			}
			if err := f.Value.Set("75"); err == nil {
				t.Errorf("%s --%s 75 was taken", cmd.Name(), name)
			}
		}
	}
	if n != 3 { // compare's two and tune's floor
		t.Errorf("%d flags", n)
	}
	if compare.Defaults().Confidence != 0.99 {
		t.Error("the documents say 99 %")
	}
}
