// Command tuning measures what dyno tune finds for every engine on this host and
// writes it into docs/tuning-results.md: make tuning.
//
// It drives the dyno binary given as its argument and reads its JSON; the
// settings and their meaning are the catalog's. The document is replaced when
// all engines are done, or not at all.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/dynobench/dyno/bench/tune"
	"github.com/dynobench/dyno/engines/catalog"
)

// The sweeps are short, so that all of them take ten minutes. CPU per request is
// what moves least on a shared machine, and what a generator that is nearly at
// its end does not hide.
const (
	scenario  = "hello"
	objective = tune.CPU
)

// options is how long and where to.
type options struct {
	dyno     string
	file     string
	rounds   int
	duration time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.file, "file", "docs/tuning-results.md", "the `document` to write into")
	flag.IntVar(&o.rounds, "n", 5, "trials of each value")
	flag.DurationVar(&o.duration, "d", 500*time.Millisecond, "measured window of each")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: tuning [-n TRIALS] [-d DURATION] [-file FILE] DYNO-BINARY")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	o.dyno = flag.Arg(0)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := o.run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "tuning: %v; %s is as it was\n", err, o.file)
		os.Exit(1)
	}
}

// run tunes all engines and writes the document.
func (o options) run(ctx context.Context) error {
	before, err := os.ReadFile(o.file)
	if err != nil {
		return err
	}
	if _, err := replace(before, ""); err != nil { // before ten minutes are gone
		return fmt.Errorf("%s: %w", o.file, err)
	}
	began := time.Now()
	var all []*tune.Result
	for _, e := range catalog.List() {
		if e.Kind == catalog.Calibration {
			continue
		}
		r, err := o.tune(ctx, e.Name)
		if err != nil {
			return fmt.Errorf("%s: %w", e.Name, err)
		}
		all = append(all, r)
	}
	after, err := replace(before, document(all, time.Since(began)))
	if err != nil {
		return fmt.Errorf("%s: %w", o.file, err)
	}
	return os.WriteFile(o.file, after, 0o666)
}

// undecided is the exit code of a tuning in which too few trials count: a
// result like others, to be shown as what it is.
const undecided = 3

// tune has dyno tune an engine.
func (o options) tune(ctx context.Context, engine string) (*tune.Result, error) {
	dir, err := os.MkdirTemp("", "dyno-tuning-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.CommandContext(ctx, o.dyno, "tune", engine, scenario, "--for", string(objective), "--json", "-o", dir,
		"-n", strconv.Itoa(o.rounds), "-d", o.duration.String(), "--warmup", (o.duration / 3).String())
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) } // it ends its servers
	cmd.WaitDelay = time.Minute
	cmd.Stderr = os.Stderr
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil && cmd.ProcessState.ExitCode() != undecided {
		return nil, err
	}
	r := new(tune.Result)
	return r, json.Unmarshal(out.Bytes(), r)
}
