package load

import (
	"runtime"
	"testing"
	"time"
)

// Rendering is on the hot path as well and allocates nothing there.
func TestNoAllocationPerTemplatedRequest(t *testing.T) {
	url := startChild(t)
	c := Config{URL: url, Connections: 8, Duration: 300 * time.Millisecond, Data: users(t), Requests: []Request{
		{Path: "/u/${data.id}?r=${rand:1-10000}", Header: [][2]string{{"X-Id", "${uuid}"}}, Length: -1},
		{Path: "/u", Method: "PUT", Body: []byte(`{"n": ${seq}, "name": "${json.name}"}`), Length: -1},
	}}
	var mallocs [2]uint64
	c.Phase = func(p Phase) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		mallocs[map[Phase]int{MeasureStart: 0, MeasureEnd: 1}[p]] = m.Mallocs
	}
	l := mustRun(t, c)
	made := mallocs[1] - mallocs[0]
	t.Logf("%d allocations, %d requests", made, l.Requests)
	if made > 100+uint64(l.Requests)/4 {
		t.Errorf("%d allocations for %d requests", made, l.Requests)
	}
}
