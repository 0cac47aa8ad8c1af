package load

import (
	"math"
	"slices"
	"time"

	"github.com/dynobench/dyno/internal/secret"
	"github.com/dynobench/dyno/results"
)

// summarise makes the result out of what a generator tells, and judges it.
func summarise(c *Config, m *reading) (*results.Load, error) {
	r := m.merged()
	length := m.end - m.start
	l := &results.Load{
		Schema: results.LoadSchema, URL: secret.Text(c.URL), Generator: c.Generator,
		Model: string(c.Model), Arrivals: string(c.Arrivals), Seed: c.Seed,
		Connections: c.Connections, Threads: c.Threads, RateRPS: c.Rate, Fresh: c.Fresh, Transport: c.Transport,
		RateProfile: c.Schedule,
		WindowStart: clockBase.Add(time.Duration(m.start)).Round(0).UTC(),
		WarmupS:     float64(m.warmup) / 1e9, DurationS: float64(length) / 1e9,
		Requests: r.answers(), BytesRead: r.bytes, Errors: r.errors(),
		LatencyUS: results.QuantilesOf(r.latency), ServiceUS: results.QuantilesOf(r.service),
		SendLagUS: results.QuantilesOf(r.sendLag), GeneratorLagUS: results.QuantilesOf(r.ownLag),
		GeneratorCPUUtilisation: math.Round(m.utilisation*1e4) / 1e4,
		Connection:              fairness(r.conns), TLS: m.tls, GroupsCPUS: float64(m.groupsCPU) / 1e9,
		Reconnects: r.reconnects, Resent: r.resent, Interrupted: m.interrupted,
		WindowAnswers: r.within, Cut: r.kinds[cutShort], WholeRun: r.run,
	}
	if c.Pipeline > 1 {
		l.Pipeline = c.Pipeline
	}
	if length > 0 {
		l.ThroughputRPS = r.right / l.DurationS
	}
	if r.within > 0 {
		l.GeneratorCPUUSPerRequest = float64(m.processCPU) / 1e3 / r.within
	}
	var err error
	if l.Series, err = r.series.points(length, c.Model == Open, c.Steps); err != nil {
		return nil, err
	}
	if l.Histogram, err = results.EncodeHistogram(r.latency); err != nil {
		return nil, err
	}
	if l.Classes, err = classStats(c, r); err != nil {
		return nil, err
	}
	for _, g := range m.groups {
		l.Groups = append(l.Groups, g.result())
	}
	if c.Journal != nil {
		c.Journal.end()
	}
	judge(l, c, m, r)
	return l, nil
}

// classStats merges the requests of the same class.
func classStats(c *Config, r *recorder) ([]results.ClassStats, error) {
	var stats []results.ClassStats
	for i, q := range c.Requests {
		if slices.ContainsFunc(stats, func(s results.ClassStats) bool { return s.Class == q.Class }) {
			continue
		}
		s := results.ClassStats{Class: q.Class, Requests: r.classes[i].answers, Errors: r.classes[i].errors}
		h := r.classes[i].latency
		for j := i + 1; j < len(c.Requests); j++ {
			if c.Requests[j].Class == q.Class {
				s.Requests += r.classes[j].answers
				s.Errors += r.classes[j].errors
				h.Merge(r.classes[j].latency)
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
