package cli

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// An interrupted run writes its files: what was seen is what they hold.
func TestInterruptedLoadWritesItsFiles(t *testing.T) {
	for _, generator := range []string{"native", "vegeta"} {
		t.Run(generator, func(t *testing.T) {
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			var answers atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				if answers.Add(1) == 300 {
					interrupt()
				}
			}))
			defer server.Close()
			dir := t.TempDir()
			files := map[string]string{"hdr": "a.hdr", "hlog": "a.hlog", "vegeta": "a.bin", "heatmap": "a.png"}
			args := []string{"load", server.URL, "-c", "2", "-d", "1h", "--warmup", "0s", "--generator", generator}
			for flag, name := range files {
				args = append(args, "--"+flag, filepath.Join(dir, name))
			}
			var stdout, stderr bytes.Buffer
			if code := run(ctx, nil, args, &stdout, &stderr); code != exitInterrupted {
				t.Fatalf("exit code %d, want %d: %s", code, exitInterrupted, stderr.String())
			}
			if !strings.Contains(stdout.String(), "[interrupted]") {
				t.Errorf("no word of the interruption in\n%s", stdout.String())
			}
			for _, name := range files {
				if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
					t.Errorf("%s: %v, %v", name, info, err)
				}
			}
			if left, _ := os.ReadDir(dir); len(left) != len(files) {
				t.Errorf("%d files, want %d: %v", len(left), len(files), left)
			}
			b, err := os.ReadFile(filepath.Join(dir, "a.bin"))
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for decode := vegeta.NewDecoder(bytes.NewReader(b)); decode(&vegeta.Result{}) == nil; {
				n++
			}
			if n < 100 {
				t.Errorf("%d results of some 300 answers", n)
			}
		})
	}
}
