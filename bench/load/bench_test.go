package load

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/dynobench/dyno/bench/load/plan"
)

// startChild starts a server in a process of its own.
func startChild(b testing.TB) (url string) {
	url, _ = startServer(b, "plain")
	return url
}

// startServer starts one of that kind.
func startServer(b testing.TB, kind string) (url string, process *os.Process) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childServer+"="+kind)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		stdin.Close()
		cmd.Wait()
	})
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return "http://" + strings.TrimSpace(addr) + "/hello", cmd.Process
}

// BenchmarkCost compares what a request costs the two generators, in CPU, in
// a closed loop of 64 connections against a server in another process. Windows
// of both take turns, so that the host's moods meet both alike.
//
//	go test -bench Cost -benchtime 10x ./bench/load
func BenchmarkCost(b *testing.B) {
	url := startChild(b)
	cost := map[string]float64{}
	requests := map[string]float64{}
	for b.Loop() {
		for _, generator := range []string{"native", "vegeta"} {
			l, err := Run(b.Context(), plan.Config{
				URL: url, Generator: generator, Connections: 64, Duration: 400 * time.Millisecond, Warmup: 100 * time.Millisecond,
				Requests: []plan.Request{{Path: "/hello", Want: []byte("Hello, World!")}},
			})
			if err != nil {
				b.Fatal(err)
			}
			if l.Errors.Total() > 0 {
				b.Fatalf("%s: %+v", generator, l.Errors)
			}
			cost[generator] += l.GeneratorCPUUSPerRequest * float64(l.Requests)
			requests[generator] += float64(l.Requests)
		}
	}
	native, vegeta := cost["native"]/requests["native"], cost["vegeta"]/requests["vegeta"]
	b.ReportMetric(native, "native-µs/req")
	b.ReportMetric(vegeta, "vegeta-µs/req")
	b.ReportMetric(native/vegeta, "native/vegeta")
	b.ReportMetric(0, "ns/op")
}
