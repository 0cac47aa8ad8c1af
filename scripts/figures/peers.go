package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/dynobench/dyno/internal/format"
)

// A client is a generator that asks as fast as 64 connections go, in one
// thread.
type client struct {
	name string
	argv func(url string, d time.Duration) []string
	// count is how many requests were answered, by what was printed. An answer
	// that was not right is an error.
	count func(ctx context.Context, b bill) (float64, error)
}

// vegetaVersion is what is compared with; Debian has none.
const vegetaVersion = "github.com/tsenart/vegeta/v12@v12.13.0"

var (
	wrkClient = client{name: "wrk", argv: func(url string, d time.Duration) []string {
		return []string{"wrk", "-t1", "-c64", "-d" + seconds(d), url}
	}, count: counted(`(\d+) requests in `, `Socket errors|Non-2xx`)}

	h2loadClient = client{name: "h2load", argv: func(url string, d time.Duration) []string {
		return []string{"h2load", "--h1", "-t1", "-c64", "-D", seconds(d), url}
	}, count: counted(`done, (\d+) succeeded, 0 failed, 0 errored, 0 timeout`, `[1-9]\d* [345]xx`)}
)

// peers are the other generators, as far as they are there. Vegeta is built into
// dir, and works there.
func peers(ctx context.Context, dir string) []client {
	var all []client
	for _, c := range []client{wrkClient, h2loadClient} {
		if _, err := exec.LookPath(c.name); err != nil {
			fmt.Printf("%s is not installed: sh scripts/peers.sh bench\n", c.name)
			continue
		}
		all = append(all, c)
	}
	install := exec.CommandContext(ctx, "go", "install", vegetaVersion)
	install.Env = append(os.Environ(), "GOBIN="+dir)
	if out, err := install.CombinedOutput(); err != nil {
		fmt.Printf("vegeta cannot be built: %v: %s\n", err, out)
		return all
	}
	vegeta, results, aims := filepath.Join(dir, "vegeta"), filepath.Join(dir, "results"), filepath.Join(dir, "targets")
	return append(all, client{name: "vegeta", argv: func(url string, d time.Duration) []string {
		os.WriteFile(aims, []byte("GET "+url+"\n"), 0o600) //nolint:errcheck // vegeta misses it
		return []string{vegeta, "attack", "-targets", aims, "-output", results, "-rate=0", "-workers=64", "-max-workers=64", "-duration", d.String()}
	}, count: func(ctx context.Context, _ bill) (float64, error) {
		out, err := exec.CommandContext(ctx, vegeta, "report", "-type=json", results).Output()
		if err != nil {
			return 0, fmt.Errorf("vegeta report: %w", err)
		}
		var report struct {
			Requests float64 `json:"requests"`
			Success  float64 `json:"success"`
		}
		if err := json.Unmarshal(out, &report); err != nil {
			return 0, fmt.Errorf("vegeta report: %w", err)
		}
		if report.Success < 1 {
			return 0, fmt.Errorf("vegeta: only %v of %v answers were right", report.Success, report.Requests)
		}
		return report.Requests, nil
	}})
}

// counted finds the number of answers in what was printed, unless there is a
// sign of wrong ones.
func counted(number, wrong string) func(context.Context, bill) (float64, error) {
	find, bad := regexp.MustCompile(number), regexp.MustCompile(wrong)
	return func(_ context.Context, b bill) (float64, error) {
		m := find.FindSubmatch(b.out)
		if m == nil || bad.Match(b.out) {
			return 0, fmt.Errorf("no count of right answers in what it printed: %s", format.LastLines(b.tail, 20))
		}
		return strconv.ParseFloat(string(m[1]), 64)
	}
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) }
