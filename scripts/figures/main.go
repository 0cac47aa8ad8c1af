// Command figures measures what the project promises of itself and prints each
// promise beside the figure: make bench.
//
// All ratios are between neighbours: trials of one round of one run, or runs
// that alternate. It prints the median over the pairs and their range; one
// noisy pair moves neither the verdict nor the reader.
//
// It drives the dyno binary given as its argument and reads its JSON only; but for
// the codecs, which are timed by themselves. A figure that is missed does not stop
// the others; it exits with 1 at the end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/dynobench/dyno/bench/target"
)

// parts are all figures in their order.
var parts = []struct {
	name    string
	measure func(ctx context.Context, dyno string, f *figures) error
}{
	{"codecs", func(ctx context.Context, dyno string, f *figures) error {
		return errors.Join(http1Figures(f), uwsgiFigures(ctx, dyno, f))
	}},
	{"tour", tourFigures},
	{"engines", engineFigures},
	{"wait", waitFigures},
	{"pipelining", pipeliningFigures},
	{"generator", generatorFigures},
	{"https", httpsFigures},
	{"pacing", pacingFigures},
	{"freeze", freezeFigures},
	{"many", manyFigures},
	{"attack", attackFigures},
	{"idle", idleFigures},
	{"reload", reloadFigures},
	{"overload", overloadFigures},
	{"respawn", respawnFigures},
	{"capacity", func(_ context.Context, dyno string, f *figures) error { return capacityFigures(dyno, f) }},
}

func main() {
	target.MaybeWatchdog()
	if scheme := os.Getenv(ownServer); scheme != "" {
		fmt.Fprintln(os.Stderr, serveOwn(scheme, os.Args[1]))
		os.Exit(1)
	}
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	only := flag.String("only", "", "measure the parts whose name matches this `regexp`: "+strings.Join(names, ", "))
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: figures [-only REGEXP] DYNO-BINARY")
		flag.PrintDefaults()
	}
	flag.Parse()
	wanted, err := regexp.Compile(*only)
	if err != nil || flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	dyno, err := filepath.Abs(flag.Arg(0)) // some processes have a folder of their own
	if err != nil {
		fmt.Fprintf(os.Stderr, "figures: %v\n", err)
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(perform(ctx, dyno, wanted))
}

// perform goes through the parts and returns the exit code.
func perform(ctx context.Context, dyno string, wanted *regexp.Regexp) int {
	var f figures
	began, done := time.Now(), 0
	for _, p := range parts {
		if !wanted.MatchString(p.name) {
			continue
		}
		done++
		at := time.Now()
		fmt.Printf("== %s\n", p.name)
		err := p.measure(ctx, dyno, &f)
		switch {
		case ctx.Err() != nil:
			fmt.Fprintln(os.Stderr, "figures: interrupted")
			return 130
		case err != nil:
			f.miss("%s: %v", p.name, err)
		}
		fmt.Printf("   (%.0f s)\n", time.Since(at).Seconds())
	}
	if done == 0 {
		fmt.Fprintf(os.Stderr, "figures: no part matches %q\n", wanted)
		return 2
	}
	fmt.Printf("%d figure(s) missed, in %.0f s\n", f.missed, time.Since(began).Seconds())
	if f.missed > 0 {
		return 1
	}
	return 0
}
