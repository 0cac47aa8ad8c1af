package bench

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dynobench/dyno/internal/suggest"
	"github.com/dynobench/dyno/results"
)

// TolerateHost stands for every code that can be tolerated.
const TolerateHost = "host"

// Tolerable are the codes that Tolerate takes: findings about the host. What
// the server or the generator did cannot be tolerated away.
func Tolerable() []string { return append(slices.Clone(hostCodes), TolerateHost) }

// CheckTolerated says which of codes cannot be tolerated.
func CheckTolerated(codes []string) error {
	for _, code := range codes {
		if code = strings.TrimSpace(code); !slices.Contains(Tolerable(), code) {
			return fmt.Errorf("tolerate: %w; only findings about the host can be tolerated", suggest.Unknown("code", code, Tolerable()))
		}
	}
	return nil
}

// Tolerate lets l count in spite of the findings with these codes, which stay
// as warnings. It is for measurements that only have to be made, on a host that
// is known to be busy. Once something is tolerated, so is what it may have brought
// about.
func Tolerate(l *results.Load, codes []string) {
	tolerate(l, codes)
	if slices.ContainsFunc(l.Warnings, func(w results.Warning) bool { return w.Tolerated }) {
		tolerate(l, consequences)
	}
}

func tolerate(l *results.Load, codes []string) {
	for _, code := range codes {
		if code = strings.TrimSpace(code); code == TolerateHost {
			tolerate(l, hostCodes)
			continue
		}
		for i := range l.Warnings {
			if w := &l.Warnings[i]; w.Code == code && w.Invalid {
				w.Tolerated = true
			}
		}
		l.Excuse(code, "tolerated, as asked")
	}
}
