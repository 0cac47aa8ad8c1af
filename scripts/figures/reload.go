package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"github.com/dynobench/dyno/results"
)

const (
	reloadRequests = 100_000         // that each client makes at least, in all
	reloadRun      = 8 * time.Second // of a client
	reloadPause    = time.Second     // between reloads
)

// reloadFigures reload the workers of a server once a second, each time by a new
// file of the program, under three generators, on connections that are kept and
// on one for each request, and count the requests that fail.
func reloadFigures(ctx context.Context, dyno string, f *figures) error {
	d := strconv.Itoa(int(reloadRun.Seconds()))
	ours := func(more ...string) func(url string) []string {
		return func(url string) []string {
			return append([]string{dyno, "load", url, "-c", "64", "-d", reloadRun.String(), "--json"}, more...)
		}
	}
	for _, c := range []struct {
		name  string
		argv  func(url string) []string
		count func(out []byte) (done, failed int, err error)
	}{
		{"dyno load", ours(), countOurs},
		{"dyno load --fresh", ours("--fresh"), countOurs},
		{"wrk", func(url string) []string { return []string{"wrk", "-t1", "-c64", "-d" + d, url} }, countWrk},
		{"wrk, Connection: close", func(url string) []string {
			return []string{"wrk", "-t1", "-c64", "-d" + d, "-H", "Connection: close", url}
		}, countWrk},
		{"h2load", func(url string) []string { return []string{"h2load", "--h1", "-t1", "-c64", "-D", d, url} }, countH2load},
	} {
		if _, err := exec.LookPath(c.argv("")[0]); err != nil {
			fmt.Printf("%s is not installed: sh scripts/peers.sh bench\n", c.name)
			continue
		}
		done, failed, reloads := 0, 0, 0
		for done < reloadRequests {
			n, bad, times, err := underReload(ctx, dyno, c.argv, c.count)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			done, failed, reloads = done+n, failed+bad, reloads+times
		}
		f.say(fmt.Sprintf("%s: failed of %d requests, %d reloads", c.name, done, reloads), []float64{float64(failed)}, true, 0)
	}
	return nil
}

// underReload runs a client against a server whose workers are reloaded.
func underReload(ctx context.Context, dyno string, argv func(string) []string, count func([]byte) (int, int, error)) (done, failed, reloads int, err error) {
	dir, err := os.MkdirTemp("", "dyno-figures-")
	if err != nil {
		return 0, 0, 0, err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "dyno")
	if err := replaceProgram(program, dyno); err != nil {
		return 0, 0, 0, err
	}
	server := exec.CommandContext(ctx, program, "serve", "--engine", "goroutine", "--master", "--processes", "2", "--json")
	server.Cancel = func() error { return server.Process.Signal(syscall.SIGTERM) }
	out, err := server.StdoutPipe()
	if err != nil {
		return 0, 0, 0, err
	}
	if err := server.Start(); err != nil {
		return 0, 0, 0, err
	}
	defer func() {
		server.Process.Signal(syscall.SIGTERM) //nolint:errcheck // Wait tells
		if e := server.Wait(); err == nil {
			err = e
		}
	}()
	var at struct{ URL string }
	if err := json.NewDecoder(out).Decode(&at); err != nil {
		return 0, 0, 0, fmt.Errorf("the server does not say where it listens: %w", err)
	}
	client := exec.CommandContext(ctx, argv("")[0], argv(at.URL + "/hello")[1:]...)
	var printed bytes.Buffer
	client.Stdout = &printed
	if err := client.Start(); err != nil {
		return 0, 0, 0, err
	}
	ended := make(chan struct{})
	go func() {
		client.Wait() //nolint:errcheck // an invalid run fails too; what it printed counts
		close(ended)
	}()
	for {
		select {
		case <-ended:
			done, failed, err = count(printed.Bytes())
			return done, failed, reloads, err
		case <-time.After(reloadPause):
			if err := replaceProgram(program, dyno); err != nil {
				client.Process.Kill() //nolint:errcheck // it may have ended
				<-ended
				return 0, 0, 0, err
			}
			server.Process.Signal(syscall.SIGHUP) //nolint:errcheck // Wait tells
			reloads++
		}
	}
}

// replaceProgram puts a copy of from at path, as an upgrade does: whole, and in
// place of the file that is running.
func replaceProgram(path, from string) error {
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(path+".new", b, 0o755)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	return err
}

func countOurs(out []byte) (done, failed int, err error) {
	var l results.Load
	if err := json.Unmarshal(out, &l); err != nil {
		return 0, 0, err
	}
	return int(l.Requests), int(l.Errors.Total() + l.Resent), nil // what was resent met a closed connection
}

// countWrk counts what wrk calls socket errors, and answers that are not 200.
func countWrk(out []byte) (done, failed int, err error) {
	if done, err = numberIn(out, `(\d+) requests in `); err != nil {
		return 0, 0, err
	}
	for _, part := range []string{`connect (\d+),`, `read (\d+),`, `write (\d+),`, `timeout (\d+)`, `Non-2xx or 3xx responses: (\d+)`} {
		if n, err := numberIn(out, part); err == nil {
			failed += n
		}
	}
	return done, failed, nil
}

func countH2load(out []byte) (done, failed int, err error) {
	if done, err = numberIn(out, `(\d+) succeeded`); err != nil {
		return 0, 0, err
	}
	for _, part := range []string{`(\d+) failed`, `(\d+) errored`, `(\d+) timeout`} {
		n, err := numberIn(out, part)
		if err != nil {
			return 0, 0, err
		}
		failed += n
	}
	return done, failed, nil
}

func numberIn(out []byte, pattern string) (int, error) {
	m := regexp.MustCompile(pattern).FindSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("no %q in what it printed: %.200q", pattern, out)
	}
	return strconv.Atoi(string(m[1]))
}
