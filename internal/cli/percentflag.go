package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dynobench/dyno/internal/number"
)

// share is a flag whose value is a part of a whole, one rule for all of them:
// 0.05 and 5% are the same. A bare number from 1 on is refused, since whoever
// writes 5 means 5 %, and 5 is five times the whole.
type share struct{ v *float64 }

func (s share) String() string {
	if s.v == nil {
		return ""
	}
	return strconv.FormatFloat(*s.v, 'g', -1, 64)
}

func (share) Type() string { return "share" }

func (s share) Set(text string) error {
	v, err := parseShare(text)
	if err == nil {
		*s.v = v
	}
	return err
}

// parseShare reads a share.
func parseShare(text string) (float64, error) {
	digits, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	digits = strings.TrimSpace(digits)
	v, err := number.Decimal(digits)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is no share: write 0.05, or 5%%", text)
	case percent:
		return v / 100, nil
	case v >= 1:
		return 0, fmt.Errorf("%s is %s%% of the whole: write %s%%, or a number below 1", text, strconv.FormatFloat(100*v, 'g', -1, 64), digits)
	}
	return v, nil
}
