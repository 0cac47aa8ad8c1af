package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
)

// benchLine is what is read of a line of go test -bench.
var benchLine = regexp.MustCompile(`(?m)^Benchmark\S+\s+\d+\s+[0-9.]+ ns/op\s+([0-9.]+) MB/s\s+\d+ B/op\s+(\d+) allocs/op`)

// uwsgiFigures measure the parsing of a uwsgi packet as nginx makes it of a
// browser's request.
func uwsgiFigures(ctx context.Context, _ string, f *figures) error {
	out, err := exec.CommandContext(ctx, "go", "test", "./protocol/uwsgi", "-run=^$", "-bench=^BenchmarkParse$", "-count=7", "-benchtime=300ms").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	var rate, allocations []float64
	for _, m := range benchLine.FindAllStringSubmatch(string(out), -1) {
		mbs, _ := strconv.ParseFloat(m[1], 64)
		n, _ := strconv.ParseFloat(m[2], 64)
		rate, allocations = append(rate, mbs/1000), append(allocations, n)
	}
	f.say("uwsgi packet, parsed and described: GB/s", rate, false, 1)
	f.say("uwsgi packet: allocations", allocations, true, 0)
	return nil
}
