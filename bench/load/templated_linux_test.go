package load

import (
	"runtime"
	"testing"
	"time"

	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/scenarios/workload"
)

// Rendering is on the hot path as well and allocates nothing there.
func TestNoAllocationPerTemplatedRequest(t *testing.T) {
	data, err := workload.ParseData("users.csv", []byte("id,name\n7,Anna\n8,\"B \"\"b\"\"\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	url := startChild(t)
	c := plan.Config{URL: url, Connections: 8, Duration: 300 * time.Millisecond, Data: data, Requests: []plan.Request{
		{Path: "/u/${data.id}?r=${rand:1-10000}", Header: [][2]string{{"X-Id", "${uuid}"}}, Length: -1},
		{Path: "/u", Method: "PUT", Body: []byte(`{"n": ${seq}, "name": "${json.name}"}`), Length: -1},
	}}
	var mallocs [2]uint64
	c.Phase = func(p plan.Phase) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		mallocs[map[plan.Phase]int{plan.MeasureStart: 0, plan.MeasureEnd: 1}[p]] = m.Mallocs
	}
	l := mustRun(t, c)
	made := mallocs[1] - mallocs[0]
	t.Logf("%d allocations, %d requests", made, l.Requests)
	if made > 100+uint64(l.Requests)/4 {
		t.Errorf("%d allocations for %d requests", made, l.Requests)
	}
}
