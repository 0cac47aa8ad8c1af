package meter

import (
	"strconv"
	"time"

	"github.com/dynobench/dyno/internal/cgroup"
)

// quota is the smallest share of CPU time that this process's control group or
// one above it is held to, in CPUs; 0 if none is.
func quota(root string) float64 {
	least := 0.0
	for _, g := range cgroup.Of(root, "self", "cpu") {
		if q := g.Quota(); q > 0 && (least == 0 || q < least) {
			least = q
		}
	}
	return least
}

// Quotas are the control groups that bound the CPU time of some processes, and
// how long each has been held back so far.
type Quotas []quotaSample

type quotaSample struct {
	cgroup.Group
	throttled time.Duration
}

// ReadQuotas reads those of processes, and of every group above theirs.
func ReadQuotas(pids ...int) Quotas { return readQuotas("/", pids) }

func readQuotas(root string, pids []int) (q Quotas) {
	known, mounts := map[string]bool{}, cgroup.ReadMounts(root)
	for _, pid := range pids {
		in := cgroup.Memberships(root, strconv.Itoa(pid))
		if known[in] { // as most are
			continue
		}
		known[in] = true
		for _, g := range mounts.Groups(in, "cpu") {
			if known[g.Dir] {
				continue
			}
			known[g.Dir] = true
			if d, ok := g.Throttled(); ok {
				q = append(q, quotaSample{g, d})
			}
		}
	}
	return q
}

// Since reads the groups again and returns the one that was held back most
// since then.
func (q Quotas) Since() (worst Throttled) {
	for _, before := range q {
		now, ok := before.Group.Throttled()
		if d := now - before.throttled; ok && d > worst.For {
			worst = Throttled{Group: before.Dir, CPUs: before.Quota(), For: d}
		}
	}
	return worst
}
