// Command figures measures what the project promises of itself and prints each
// promise beside the figure: make bench.
//
// All ratios are between neighbours: trials of one round of one run, or runs
// that alternate. It prints the median over the pairs and their range; one
// noisy pair moves neither the verdict nor the reader.
//
// It drives the dyno binary given as its argument and reads its JSON only.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"time"

	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/stats"
)

const (
	pairs  = 9    // trials of each server
	window = "1s" // of each
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: figures DYNO-BINARY")
		os.Exit(2)
	}
	missed, err := measure(os.Args[1])
	if err != nil {
		fmt.Fprintf(os.Stderr, "figures: %v\n", err)
		os.Exit(1)
	}
	if missed > 0 {
		fmt.Printf("%d figure(s) missed\n", missed)
		os.Exit(1)
	}
}

// figures counts what is missed.
type figures struct{ missed int }

// say prints one figure: values are per pair, the promise is about their median.
func (f *figures) say(what string, values []float64, most bool, limit float64) {
	if len(values) == 0 {
		f.missed++
		fmt.Printf("%-52s no pair of trials counts  MISSED\n", what)
		return
	}
	sign, ok := "≥", false
	median := stats.Median(values)
	if most {
		sign, ok = "≤", median <= limit
	} else {
		ok = median >= limit
	}
	mark := "met"
	if !ok {
		mark = "MISSED"
		f.missed++
	}
	fmt.Printf("%-52s %6.3f  (%d pairs, %.3f to %.3f)  promised %s %.2f  %s\n",
		what, median, len(values), slices.Min(values), slices.Max(values), sign, limit, mark)
}

func measure(dyno string) (missed int, err error) {
	var f figures

	began := time.Now()
	tour, err := run(dyno)
	if err != nil {
		return 0, err
	}
	loading := 0.0
	wall := time.Since(began)
	for _, t := range tour.Trials {
		loading += t.WarmupS + t.DurationS
	}
	f.say("time of dyno run / its measuring and warm-up", []float64{wall.Seconds() / loading}, true, 1.4)

	hello, err := run(dyno, "hello", "--targets", "eventloop,goroutine,fasthttp,nethttp", "-n", strconv.Itoa(pairs), "-d", window)
	if err != nil {
		return 0, err
	}
	cpu := func(t *results.Trial) float64 { return t.Server.CPUUSPerRequest }
	fmt.Println("hello, 64 connections, CPU per request of the server:")
	for _, target := range []string{"eventloop", "goroutine", "fasthttp", "nethttp"} {
		fmt.Printf("  %-10s %6.2f µs\n", target, stats.Median(values(hello, target, cpu)))
	}
	f.say("eventloop / fasthttp", ratios(hello, "eventloop", "fasthttp", cpu), true, 0.9)
	f.say("goroutine / fasthttp", ratios(hello, "goroutine", "fasthttp", cpu), true, 1.1)
	f.say("eventloop / nethttp", ratios(hello, "eventloop", "nethttp", cpu), true, 0.5)
	f.say("goroutine / nethttp", ratios(hello, "goroutine", "nethttp", cpu), true, 0.5)

	wait, err := run(dyno, "wait", "--targets", "goroutine", "-n", "5")
	if err != nil {
		return 0, err
	}
	f.say("wait, goroutine: throughput / (256 / 10 ms)", values(wait, "goroutine", func(t *results.Trial) float64 {
		return t.ThroughputRPS / (256 / 0.010)
	}), false, 0.9)

	var native, vegeta, ratio []float64
	for range pairs {
		n, err := run(dyno, "hello", "--targets", "null", "-n", "1", "-d", window)
		if err != nil {
			return 0, err
		}
		v, err := run(dyno, "hello", "--targets", "null", "-n", "1", "-d", window, "--generator", "vegeta")
		if err != nil {
			return 0, err
		}
		native = append(native, n.Trials[0].GeneratorCPUUSPerRequest)
		vegeta = append(vegeta, v.Trials[0].GeneratorCPUUSPerRequest)
		ratio = append(ratio, native[len(native)-1]/vegeta[len(vegeta)-1])
	}
	fmt.Printf("generator, closed loop of 64 against null: native %.2f µs, vegeta %.2f µs of CPU per request\n",
		stats.Median(native), stats.Median(vegeta))
	f.say("native / vegeta", ratio, true, 0.25)

	if err := capacityFigures(dyno, &f); err != nil {
		return 0, err
	}
	return f.missed, nil
}

// spoilsNoCPU are reasons for which a trial does not count, but not with its
// CPU per request: a generator that was busy, as vegeta always is here.
var spoilsNoCPU = []string{"generator-bound", "little"}

// run runs dyno and returns the run, without the trials whose CPU per request
// does not count.
func run(dyno string, args ...string) (*results.Run, error) {
	dir, err := os.MkdirTemp("", "dyno-figures-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command(dyno, append([]string{"run", "--json", "-o", dir}, args...)...)
	out, err := cmd.Output()
	r := new(results.Run)
	if jsonErr := json.Unmarshal(out, r); jsonErr != nil {
		return nil, fmt.Errorf("%v: %w", cmd.Args, err)
	}
	r.Trials = slices.DeleteFunc(r.Trials, func(t results.Trial) bool {
		return slices.ContainsFunc(t.Warnings, func(w results.Warning) bool { return w.Invalid && !slices.Contains(spoilsNoCPU, w.Code) })
	})
	if len(r.Trials) == 0 {
		return nil, fmt.Errorf("%v: no trial counts", cmd.Args)
	}
	return r, nil
}

// values returns what of gives for each trial of target.
func values(r *results.Run, target string, of func(*results.Trial) float64) []float64 {
	var all []float64
	for i := range r.Trials {
		if t := &r.Trials[i]; t.Target == target && of(t) > 0 {
			all = append(all, of(t))
		}
	}
	return all
}

// ratios pairs the trials of a and b that are of the same round.
func ratios(r *results.Run, a, b string, of func(*results.Trial) float64) []float64 {
	byRound := map[int]map[string]float64{}
	for i := range r.Trials {
		t := &r.Trials[i]
		if byRound[t.Trial] == nil {
			byRound[t.Trial] = map[string]float64{}
		}
		byRound[t.Trial][t.Target] = of(t) // a repeat replaces the trial that the host disturbed
	}
	var all []float64
	for _, round := range byRound {
		if round[a] > 0 && round[b] > 0 {
			all = append(all, round[a]/round[b])
		}
	}
	return all
}
