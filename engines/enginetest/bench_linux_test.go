package enginetest

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// BenchmarkHello shows what a request costs the server, in µs of CPU: each
// engine in a process of its own, 64 connections kept alive, one request at a
// time on each. It is a quick look while one works on an engine; dyno run
// measures. To pin the server to processor 0 and the clients to others:
//
//	ENGINETEST_PIN=1 taskset -c 1 go test ./engines/enginetest -run '^$' -bench Hello -benchtime 200000x -count 5
func BenchmarkHello(b *testing.B) {
	for _, spec := range []string{"null", "eventloop", "gnet", "eventloop-pool", "coroutine", "goroutine", "goroutine,per=request", "pool", "threads", "fasthttp", "nethttp"} {
		b.Run(spec, func(b *testing.B) { benchmarkHello(b, spec) })
	}
}

func benchmarkHello(b *testing.B, spec string) {
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(self)
	if os.Getenv("ENGINETEST_PIN") != "" {
		cmd = exec.Command("taskset", "-c", "0", self)
	}
	p := startCommand(b, cmd, spec)
	const connections = 64
	ask := []byte("GET /hello HTTP/1.1\r\nHost: test\r\nUser-Agent: bench\r\n\r\n")
	var left atomic.Int64
	run := func(conns []net.Conn, n int) {
		left.Store(int64(n))
		var wg sync.WaitGroup
		for _, c := range conns {
			wg.Go(func() {
				buf := make([]byte, 4096)
				for left.Add(-1) >= 0 {
					if _, err := c.Write(ask); err != nil {
						b.Error(err)
						return
					}
					for got := 0; !bytes.HasSuffix(buf[:got], []byte(Hello)); {
						k, err := c.Read(buf[got:])
						if err != nil {
							b.Error(err)
							return
						}
						got += k
					}
				}
			})
		}
		wg.Wait()
	}
	conns := make([]net.Conn, connections)
	for i := range conns {
		c, err := net.Dial("tcp", p.addr)
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		conns[i] = c
	}
	run(conns, 10*connections)
	before := cpu(b, p.cmd.Process.Pid)
	b.ResetTimer()
	run(conns, b.N)
	b.StopTimer()
	b.ReportMetric(float64(cpu(b, p.cmd.Process.Pid)-before)/1e3/float64(b.N), "cpu-µs/req")
}

// cpu is the CPU time in nanoseconds of a process's threads that live.
func cpu(b *testing.B, pid int) (sum int64) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(files) == 0 {
		b.Fatal("no schedstat: ", err)
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			continue // a thread that has ended
		}
		text, _ := io.ReadAll(f)
		f.Close()
		var ns int64
		fmt.Sscan(strings.Fields(string(text))[0], &ns)
		sum += ns
	}
	return sum
}
