package load

import (
	"math"
	"slices"
	"time"

	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/load/record"
	"github.com/dynobench/dyno/internal/secret"
	"github.com/dynobench/dyno/results"
)

// summarise makes the result out of what a generator tells, and judges it.
func summarise(c *plan.Config, m *record.Reading) (*results.Load, error) {
	r := m.Merged()
	length := m.End - m.Start
	l := &results.Load{
		Schema: results.LoadSchema, URL: secret.Text(c.URL), Generator: c.Generator,
		Model: string(c.Model), Arrivals: string(c.Arrivals), Seed: c.Seed,
		Connections: c.Connections, Threads: c.Threads, RateRPS: c.Rate, Fresh: c.Fresh, Transport: c.Transport,
		RateProfile: c.Schedule,
		WindowStart: record.ClockBase.Add(time.Duration(m.Start)).Round(0).UTC(),
		WarmupS:     float64(m.Warmup) / 1e9, DurationS: float64(length) / 1e9,
		Requests: r.Answers(), BytesRead: r.Bytes, Errors: r.Errors(),
		LatencyUS: results.QuantilesOf(r.Latency), ServiceUS: results.QuantilesOf(r.Service),
		SendLagUS: results.QuantilesOf(r.SendLag), GeneratorLagUS: results.QuantilesOf(r.OwnLag),
		GeneratorCPUUtilisation: math.Round(m.Utilisation*1e4) / 1e4,
		Connection:              fairness(r.Conns), TLS: m.Tls, GroupsCPUS: float64(m.GroupsCPU) / 1e9,
		Reconnects: r.Reconnects, Resent: r.Resent, Interrupted: m.Interrupted,
		WindowAnswers: r.Within, Cut: r.Kinds[record.CutShort], WholeRun: r.Run,
	}
	if c.Pipeline > 1 {
		l.Pipeline = c.Pipeline
	}
	if length > 0 {
		l.ThroughputRPS = r.Right / l.DurationS
	}
	if r.Within > 0 {
		l.GeneratorCPUUSPerRequest = float64(m.ProcessCPU) / 1e3 / r.Within
	}
	var err error
	if l.Series, err = r.Series.Points(length, c.Model == plan.Open, c.Steps); err != nil {
		return nil, err
	}
	if l.Histogram, err = results.EncodeHistogram(r.Latency); err != nil {
		return nil, err
	}
	if l.Classes, err = classStats(c, r); err != nil {
		return nil, err
	}
	for _, g := range m.Groups {
		l.Groups = append(l.Groups, g.Result())
	}
	if c.Journal != nil {
		c.Journal.End()
	}
	judge(l, c, m, r)
	return l, nil
}

// classStats merges the requests of the same class.
func classStats(c *plan.Config, r *record.Recorder) ([]results.ClassStats, error) {
	var stats []results.ClassStats
	for i, q := range c.Requests {
		if slices.ContainsFunc(stats, func(s results.ClassStats) bool { return s.Class == q.Class }) {
			continue
		}
		s := results.ClassStats{Class: q.Class, Requests: r.Classes[i].Answers, Errors: r.Classes[i].Errors}
		h := r.Classes[i].Latency
		for j := i + 1; j < len(c.Requests); j++ {
			if c.Requests[j].Class == q.Class {
				s.Requests += r.Classes[j].Answers
				s.Errors += r.Classes[j].Errors
				h.Merge(r.Classes[j].Latency)
			}
		}
		var err error
		s.LatencyUS = results.QuantilesOf(h)
		if s.Histogram, err = results.EncodeHistogram(h); err != nil {
			return nil, err
		}
		stats = append(stats, s)
	}
	return stats, nil
}

// fairness is zero where the answers are not known by connection.
func fairness(answers []int64) results.Fairness {
	if len(answers) == 0 {
		return results.Fairness{}
	}
	sorted := slices.Sorted(slices.Values(answers))
	starved, _ := slices.BinarySearch(sorted, 1)
	f := results.Fairness{Min: sorted[0], P50: sorted[len(sorted)/2], Max: sorted[len(sorted)-1], Starved: starved}
	sum, squares := 0.0, 0.0
	for _, n := range sorted {
		sum += float64(n)
		squares += float64(n) * float64(n)
	}
	if squares > 0 {
		f.Jain = math.Round(sum*sum/squares/float64(len(sorted))*1e4) / 1e4
	}
	return f
}
