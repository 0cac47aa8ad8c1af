package cli

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/dynobench/dyno/internal/testkit"
)

func TestPprof(t *testing.T) {
	for engine, workers := range map[string]int{"eventloop": 0, "prefork:goroutine,processes=2": 2} {
		t.Run(engine, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "pprof")
			startServe(t, "--engine", engine, "--pprof", "unix:"+path)
			client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
				return net.Dial("unix", path)
			}}}
			open := func(path string) *http.Response {
				resp, err := client.Get("http://pprof" + path)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { resp.Body.Close() })
				return resp
			}
			all := []string{"/debug/pprof/"}
			if workers > 0 {
				testkit.Eventually(t, "both workers", func() bool {
					var running []string
					if err := json.NewDecoder(open("/workers").Body).Decode(&running); err != nil || len(running) < workers {
						return false
					}
					for _, p := range running {
						if open(p+"goroutine").StatusCode != http.StatusOK {
							return false
						}
					}
					all = append(all, running...)
					return true
				})
			}
			for _, p := range all {
				resp := open(p + "heap")
				z, err := gzip.NewReader(resp.Body)
				if err != nil {
					t.Fatalf("%sheap: %s: %v", p, resp.Status, err)
				}
				if raw, err := io.ReadAll(z); err != nil || len(raw) == 0 {
					t.Errorf("%sheap: %d bytes, %v", p, len(raw), err)
				}
			}
		})
	}
}

func TestPprofIsPrivate(t *testing.T) {
	for addr, want := range map[string]string{
		"6060": "127.0.0.1:6060", ":6060": "127.0.0.1:6060", "0.0.0.0:6060": "0.0.0.0:6060", "[::1]:0": "[::1]:0", "unix:/x": "unix:/x", "": "",
	} {
		if got := private(addr); got != want {
			t.Errorf("%q: %q, want %q", addr, got, want)
		}
	}
}
