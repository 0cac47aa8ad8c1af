package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dynobench/dyno/internal/peer"
	"github.com/dynobench/dyno/internal/testkit"
	"github.com/dynobench/dyno/results"
)

// readPlain reads stats as uwsgitop does: it connects, asks nothing and reads to the end.
func readPlain(network, addr string) (map[string]any, error) {
	c, err := net.Dial(network, addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var v map[string]any
	err = json.NewDecoder(c).Decode(&v)
	return v, err
}

// keys are the names in v, those of lists' first elements among them.
func keys(prefix string, v any, into map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			into[prefix+k] = true
			keys(prefix+k+".", inner, into)
		}
	case []any:
		if len(v) > 0 {
			keys(prefix, v[0], into)
		}
	}
}

func TestStats(t *testing.T) {
	for _, engine := range []string{"goroutine", "prefork:goroutine,processes=2"} {
		t.Run(engine, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "stats")
			_, url := startServe(t, "--engine", engine, "--stats", "unix:"+path)
			for range 5 {
				resp, err := http.Get(url + "/hello")
				if err != nil {
					t.Fatal(err)
				}
				io.Copy(io.Discard, resp.Body) //nolint:errcheck // it is counted
				resp.Body.Close()
			}
			http.DefaultClient.CloseIdleConnections()
			// An answer is counted when it has been written, which a client may be faster
			// than.
			testkit.Eventually(t, "five requests in the workers", func() bool {
				v, err := readPlain("unix", path)
				if err != nil {
					t.Fatal(err)
				}
				sum := 0.0
				for _, w := range v["workers"].([]any) {
					sum += w.(map[string]any)["requests"].(float64)
				}
				return sum == 5
			})
			client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, Dial: func(string, string) (net.Conn, error) { return net.Dial("unix", path) }}}
			resp, err := client.Get("http://stats/metrics")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			for _, want := range []string{"# TYPE dyno_requests_total counter\ndyno_requests_total{worker=\"1\"} ", "\ndyno_listen_queue 0\n", "\ndyno_listen_queue_max ", "\ndyno_request_duration_seconds_count{worker=\"1\"} "} {
				if err != nil || !strings.Contains(string(text), want) {
					t.Errorf("metrics lack %q (%v):\n%s", want, err, text)
				}
			}
		})
	}
}

// TestStatsAreUWSGIs holds the names against those that uWSGI itself prints.
func TestStatsAreUWSGIs(t *testing.T) {
	dir := t.TempDir()
	theirs, ours := filepath.Join(dir, "theirs"), filepath.Join(dir, "ours")
	cmd := exec.Command(peer.Find(t, "uwsgi"), "--socket", filepath.Join(dir, "uwsgi"), "--stats", theirs, "--master", "--processes", "1", "--no-orphans", "--die-on-term")
	peer.Run(t, cmd, theirs)
	want, got := map[string]bool{}, map[string]bool{}
	testkit.Eventually(t, "uWSGI's stats", func() bool {
		v, err := readPlain("unix", theirs)
		keys("", v, want)
		return err == nil && len(v) > 0
	})
	startServe(t, "--engine", "prefork:goroutine,processes=1", "--stats", "unix:"+ours)
	v, err := readPlain("unix", ours)
	if err != nil {
		t.Fatal(err)
	}
	keys("", v, got)
	for k := range got {
		if !want[k] {
			t.Errorf("uWSGI has no %s", k)
		}
	}
	t.Logf("uWSGI has %d names, dyno tells %d of them", len(want), len(got))
	for _, k := range []string{ // what uwsgitop reads
		"version", "pid", "uid", "gid", "cwd", "listen_queue", "load", "workers.id", "workers.pid", "workers.requests",
		"workers.delta_requests", "workers.exceptions", "workers.harakiri_count", "workers.signals", "workers.status", "workers.avg_rt", "workers.rss", "workers.vsz",
		"workers.tx", "workers.running_time", "workers.last_spawn", "workers.respawn_count", "workers.cores.id", "workers.cores.requests", "workers.cores.in_request",
	} {
		if !got[k] || !want[k] {
			t.Errorf("%s: dyno %v, uWSGI %v", k, got[k], want[k])
		}
	}
}

// TestRunAsksUWSGI has the outside servers that can say how full they are say it
// in a run, and in its document.
func TestRunAsksUWSGI(t *testing.T) {
	peer.Find(t, "uwsgi")
	slots := map[string]int64{"uwsgi-prefork": 4, "uwsgi-threads": 256, "uwsgi-gevent": 256}
	var run results.Run
	testkit.Eventually(t, "each of them must have the time to tell", func() bool { // a server that is kept from its CPU tells nothing in time
		cmd := exec.Command("dyno", "run", "wait", "--targets", strings.Join(slices.Sorted(maps.Keys(slots)), ","),
			"-n", "1", "-d", "1s", "--warmup", "200ms", "--json", "-o", t.TempDir())
		var progress bytes.Buffer
		cmd.Stderr = &progress
		out, err := cmd.Output() // whose code may say that the host was noisy
		run = results.Run{}
		if e := json.Unmarshal(out, &run); e != nil {
			t.Fatalf("%v, %v:\n%s", err, e, &progress)
		}
		return !slices.ContainsFunc(run.Trials, func(trial results.Trial) bool { return trial.Occupancy == nil || len(trial.Occupancy.Busy) == 0 })
	})
	left := maps.Clone(slots)
	for _, trial := range run.Trials { // some of them twice, on a host that is noisy
		want, o := slots[trial.Target], trial.Occupancy
		delete(left, trial.Target)
		if o == nil || o.Slots != want || len(o.Busy) == 0 || len(o.Busy) != len(o.TS) {
			t.Errorf("%s has %d slots, it tells %+v", trial.Target, want, o)
			continue
		}
		if most := slices.Max(o.Busy); most < min(want, 4) || most > want { // 256 clients wait
			t.Errorf("%s: %d of %d slots are busy: %v", trial.Target, most, want, o.Busy)
		}
	}
	if len(left) > 0 {
		t.Errorf("no trials of %v", left)
	}
}

// TestWatchingOutlivesALackOfDescriptors has clients take all descriptors that a
// server may have. When they go, it is watched as before.
func TestWatchingOutlivesALackOfDescriptors(t *testing.T) {
	dir := t.TempDir()
	sockets := map[string]string{"stats": filepath.Join(dir, "stats"), "pprof": filepath.Join(dir, "pprof")}
	l := serveLogged(t, func(cmd *exec.Cmd) {
		cmd.Args = append([]string{"sh", "-c", `ulimit -n 64; exec dyno "$@"`, "sh"}, cmd.Args[1:]...)
		cmd.Path = "/bin/sh"
	}, "--engine", "goroutine", "--stats", "unix:"+sockets["stats"], "--pprof", "unix:"+sockets["pprof"])
	ask := func(path string) error {
		c, err := net.Dial("unix", path)
		if err != nil {
			return err
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(time.Minute)) //nolint:errcheck // reading tells
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		_, err = http.ReadResponse(bufio.NewReader(c), nil)
		return err
	}
	var clients []net.Conn
	for range 100 {
		c, err := net.Dial("tcp", strings.TrimPrefix(l.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		clients = append(clients, c)
	}
	l.says("cannot accept")
	var waiting []net.Conn // it has to accept them with nothing to accept with
	for _, path := range sockets {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		waiting = append(waiting, c)
	}
	for name := range sockets {
		l.says("for=" + name) // "cannot accept; trying again"
	}
	for _, c := range append(clients, waiting...) {
		c.Close()
	}
	for name, path := range sockets {
		if err := ask(path); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	l.alive()
	if n := strings.Count(l.log(), "cannot accept"); n > 6 {
		t.Errorf("%d lines in the log say the same", n)
	}
}
