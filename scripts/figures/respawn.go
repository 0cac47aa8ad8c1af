package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const (
	respawnKills       = 30
	respawnConnections = 64
	respawnLife        = 1200 * time.Millisecond // of a worker: one that has lived for a second has not failed to start
	respawnMost        = 200                     // ms
	respawnPatience    = 5 * time.Second
)

// respawnFigures kill the only worker of a server under load, time and again.
// With one worker whoever answers next is the new one; and all that asked
// meanwhile wait for it.
func respawnFigures(ctx context.Context, dyno string, f *figures) error {
	for _, engine := range []string{"goroutine", "eventloop"} {
		fmt.Printf("%s: kill -9 of the one worker under load from %d connections, %d times\n", engine, respawnConnections, respawnKills)
		took, failed, err := respawn(ctx, dyno, engine)
		if err != nil {
			return fmt.Errorf("%s: %w", engine, err)
		}
		within := 0.0
		for _, ms := range took {
			if ms <= respawnMost {
				within++
			}
		}
		f.say("from the kill to the new worker's first answer, ms", took, true, respawnMost)
		f.say("  kills after which it was no longer / kills", []float64{within / respawnKills}, false, 0.95)
		f.say("requests that failed / (connections × kills)", []float64{failed / (respawnConnections * respawnKills)}, true, 1)
	}
	return nil
}

func respawn(ctx context.Context, dyno, engine string) (took []float64, failed float64, err error) {
	s, err := openServe(ctx, dyno, "--engine", engine, "--master", "--processes", "1")
	if err != nil {
		return nil, 0, err
	}
	defer s.close(ctx)
	loading, stop := context.WithCancel(ctx)
	defer stop()
	killed := make(chan error, 1)
	go func() {
		defer close(killed)
		for range respawnKills {
			ms, err := killWorker(loading, s)
			if err != nil {
				killed <- err
				return
			}
			took = append(took, ms)
		}
	}()
	// Longer than the kills take if each is answered in the promised time.
	b, err := s.drive(ctx, respawnKills*(respawnLife+200*time.Millisecond)+time.Second, "-c", strconv.Itoa(respawnConnections))
	stop()
	if e := <-killed; err == nil {
		err = e
	}
	if err != nil {
		return nil, 0, err
	}
	l, err := b.read()
	if err != nil {
		return nil, 0, err
	}
	if l.Requests == 0 {
		return nil, 0, fmt.Errorf("no request was answered: errors %+v", l.Errors)
	}
	return took, float64(l.Errors.Total() + l.Resent), nil
}

// killWorker kills the worker once it has lived, and returns how many
// milliseconds it took until another one answered.
func killWorker(ctx context.Context, s *site) (ms float64, err error) {
	select {
	case <-time.After(respawnLife):
	case <-ctx.Done():
		return 0, fmt.Errorf("the load was over before the kills were: %w", ctx.Err())
	}
	pids := childrenOf(s.server.PID())
	if len(pids) != 1 {
		return 0, fmt.Errorf("one worker is to be killed, there are %v", pids)
	}
	began := time.Now()
	if err := syscall.Kill(pids[0], syscall.SIGKILL); err != nil {
		return 0, err
	}
	for alive(pids[0]) { // for microseconds; what is dead answers nothing
		time.Sleep(100 * time.Microsecond)
	}
	client := http.Client{Timeout: respawnPatience, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get(s.url)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return 0, err
	}
	if answer.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("the new worker answers %s", answer.Status)
	}
	return float64(time.Since(began).Microseconds()) / 1e3, nil
}

// childrenOf are the processes that pid has started.
func childrenOf(pid int) (pids []int) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, name := range files {
		b, _ := os.ReadFile(name)
		for _, f := range bytes.Fields(b) {
			if n, err := strconv.Atoi(string(f)); err == nil {
				pids = append(pids, n)
			}
		}
	}
	return pids
}

// alive tells whether a process is there and has not ended.
func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	state := b[bytes.LastIndexByte(b, ')')+2:]
	return state[0] != 'Z' && state[0] != 'X'
}
