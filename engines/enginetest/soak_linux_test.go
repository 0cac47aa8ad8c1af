package enginetest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// soakTime is how long TestSoak goes on: make soak sets it.
func soakTime(t *testing.T) time.Duration {
	text := os.Getenv("DYNO_SOAK")
	if text == "" {
		return 2 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("DYNO_SOAK: %v", err)
	}
	return d
}

// TestSoak reloads and kills under mixed traffic and looks, after the first
// quarter and at the end, what the processes hold: it must not have grown.
func TestSoak(t *testing.T) {
	p := startProcess(t, "prefork:eventloop,processes=2,socket=inherited", limitsVariable+`={"MaxRequests":50000,"Jitter":1000}`)
	p.workers(2)
	d := soakTime(t)
	k := askFrom(p, 16, 4)
	began := time.Now()
	var early, late holding
	kills, reloads := int64(0), 0
	for time.Since(began) < d {
		k.more(t, 500)
		p.reload()
		reloads++
		if reloads%3 == 0 {
			killed := p.workers(2)[0]
			syscall.Kill(killed, syscall.SIGKILL)
			kills++
			p.workers(2, killed)
		}
		if early.children == 0 && time.Since(began) > d/4 {
			// The most of three: a worker that has only just started holds little.
			for range 3 {
				k.more(t, 500)
				early = early.most(p.holds())
			}
		}
	}
	k.stop()
	grown := func() bool {
		return late.children != 2 || late.files > early.files || late.goroutines > early.goroutines || late.memory > early.memory*3/2
	}
	// What the last kill and the last clients have left goes away in a while.
	for until := time.Now().Add(patience); ; {
		if late = p.holds(); !grown() || time.Now().After(until) {
			break
		}
	}
	t.Logf("%d requests, %d failed; %d reloads, %d kills; held early %+v, late %+v",
		k.answered.Load(), k.failed.Load(), reloads, kills, early, late)
	if grown() {
		t.Errorf("what is held has grown: early %+v, late %+v", early, late)
	}
	// What a worker that is killed has in hand is at most one request for each client.
	if failed := k.failed.Load(); failed > kills*20 {
		t.Errorf("%d requests failed with %d kills: %s", failed, kills, *k.first.Load())
	}
	p.terminate()
}

// holding is what a supervisor has at one moment.
type holding struct {
	children, files, goroutines int
	memory                      int64 // bytes, of all processes
}

// most is the larger of the two, field by field.
func (h holding) most(o holding) holding {
	return holding{max(h.children, o.children), max(h.files, o.files), max(h.goroutines, o.goroutines), max(h.memory, o.memory)}
}

func (p *process) holds() holding {
	p.t.Helper()
	workers := p.workers(2)
	var h holding
	pids := append([]int{p.cmd.Process.Pid}, workers...)
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pids[0]))
	for _, path := range tasks {
		children, _ := os.ReadFile(path)
		h.children += len(bytes.Fields(children))
	}
	files, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pids[0]))
	h.files = len(files)
	for _, pid := range pids {
		var size, resident int64
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
		fmt.Sscan(string(b), &size, &resident)
		h.memory += resident * int64(os.Getpagesize())
	}
	_, n := p.said("stats ")
	fmt.Fprintln(p.stdin, "stats")
	line := p.await("Stats must answer", "stats ", n+1)
	_, count, _ := strings.Cut(line, "goroutines=")
	h.goroutines, _ = strconv.Atoi(count)
	return h
}
