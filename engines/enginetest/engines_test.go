package enginetest

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/catalog"
)

// subjects are all engines that run in one process, in each of their modes.
var subjects = []struct {
	spec   string
	traits Traits
}{
	{"sync", Traits{Slots: 1, OneShot: true}},
	{"sync,keepalive=pinned", Traits{Slots: 1}},
	{"threads,threads=8,queue=4", Traits{Slots: 8}},
	{"pool,size=8", Traits{Slots: 8}},
	{"goroutine", Traits{}},
	{"goroutine,per=request", Traits{}},
	{"eventloop,loops=1", Traits{Inline: true}},
	{"eventloop,loops=3", Traits{Inline: true}},
	{"nethttp", Traits{Yardstick: true, NoTimeout: true}},
	{"fasthttp", Traits{Yardstick: true}},
}

func TestEngines(t *testing.T) {
	for _, s := range subjects {
		t.Run(s.spec, func(t *testing.T) {
			before := descriptors(t)
			Run(t, Subject{
				New:    func() (engines.Engine, error) { return catalog.New(s.spec) },
				Traits: s.traits,
			})
			eventually(t, "the engine must leave no descriptor behind", func() bool { return descriptors(t) <= before })
			goleak.VerifyNone(t, background...)
		})
	}
}

// background are goroutines that libraries start once and keep.
var background = []goleak.Option{
	goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"), // gnet's package-level pools
	goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
	goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
	goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"), // looks for its end every 10 s
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
