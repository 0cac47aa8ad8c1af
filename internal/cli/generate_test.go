package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/dynobench/dyno/bench/meter"
	"github.com/dynobench/dyno/results"
)

// A run by itself whose CPUs the hypervisor gave to somebody else does not
// count, with the exit code of one that failed; under the harness, which
// judges that itself, nothing is read.
func TestLoadJudgesSteal(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	defer func() { readHost = meter.ReadHost }()
	for _, c := range []struct {
		stolen time.Duration // of a second
		err    error
		steals bool
	}{{0, nil, false}, {40 * time.Millisecond, nil, false}, {60 * time.Millisecond, nil, true}, {time.Second, errors.ErrUnsupported, false}} {
		var at meter.CPUTime
		readHost = func() (meter.HostSample, error) {
			defer func() { at.Steal, at.Total = at.Steal+c.stolen, at.Total+time.Second }()
			return meter.HostSample{CPUs: map[int]meter.CPUTime{0: at}}, c.err
		}
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), nil, []string{"load", server.URL, "-c", "1", "-d", "100ms", "--warmup", "0s", "--json"}, &stdout, &stderr)
		var l results.Load
		if err := json.Unmarshal(stdout.Bytes(), &l); err != nil {
			t.Fatal(err, stderr.String())
		}
		steals := false
		for _, w := range l.Warnings {
			steals = steals || w.Code == results.CodeSteal && w.Invalid
		}
		if steals != c.steals || steals && (l.Valid || code != exitFailed) {
			t.Errorf("%v stolen, %v: valid %v, exit code %d, %+v", c.stolen, c.err, l.Valid, code, l.Warnings)
		}
	}
}
