package number

import (
	"testing"
	"time"
)

func TestRead(t *testing.T) {
	whole := func(s string) (any, error) { return Whole(s) }
	decimal := func(s string) (any, error) { return Decimal(s) }
	duration := func(s string) (any, error) { return Duration(s) }
	for _, c := range []struct {
		read func(string) (any, error)
		text string
		want any // or the error
	}{
		{whole, "0", uint64(0)}, {whole, "010", uint64(10)}, {whole, "18446744073709551615", uint64(1<<64 - 1)},
		{whole, "18446744073709551616", errLarge}, {whole, "-1", errNegative}, {whole, "", errEmpty},
		{decimal, "010", 10.0}, {decimal, "00.5", 0.5}, {decimal, "-0.5", errNegative}, {decimal, "", errEmpty},
		{duration, "0", time.Duration(0)}, {duration, "00", time.Duration(0)}, {duration, "010s", 10 * time.Second}, {duration, "1h30m", 90 * time.Minute},
		{duration, "1.5ms", 1500 * time.Microsecond}, {duration, "2µs", 2 * time.Microsecond}, {duration, "-1s", errNegative}, {duration, "", errEmpty},
		{duration, "9999999999999h", errLarge}, {duration, "5", errDuration}, {duration, ".5s", errDuration}, {duration, "1s ", errDuration},
	} {
		got, err := c.read(c.text)
		if wrong, ok := c.want.(error); ok && err != wrong || !ok && (err != nil || got != c.want) {
			t.Errorf("%q: got %v, %v; want %v", c.text, got, err, c.want)
		}
	}
	for _, text := range []string{"0x10", "0o10", "0b1", "1_000", "1e3", "+1", " 1", "1 ", "1,000", "inf", "NaN", "Infinity", ".5", "5.", "１", "--1", "1k"} {
		for name, read := range map[string]func(string) (any, error){"whole": whole, "decimal": decimal, "duration": duration} {
			if got, err := read(text); err == nil {
				t.Errorf("%s %q is read as %v", name, text, got)
			}
		}
	}
}
