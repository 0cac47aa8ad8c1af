package cli

import (
	"context"
	"net"
	"slices"
	"strconv"

	"github.com/dynobench/dyno/bench"
	"github.com/dynobench/dyno/bench/load"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/measure"
	"github.com/dynobench/dyno/bench/meter"
	"github.com/dynobench/dyno/protocol/client"
	"github.com/dynobench/dyno/results"
)

// readHost is a variable for tests.
var readHost = meter.ReadHost

// A generator offers a load and returns what was seen.
type generator func(context.Context, plan.Config) (*results.Load, error)

// generating runs the generator by itself, and judges what it can see of the host
// but for the codes that are tolerated. Under dyno run the harness does that.
func generating(tolerate []string) generator {
	return func(ctx context.Context, config plan.Config) (*results.Load, error) {
		l, err := watched(ctx, config)
		if err == nil {
			bench.Tolerate(l, tolerate)
		}
		return l, err
	}
}

// watched watches the host within the window.
func watched(ctx context.Context, config plan.Config) (*results.Load, error) {
	local, server := serverOf(config.URL)
	watch := measure.WatchAlone(local, server, readHost)
	config.Phase = func(plan.Phase) { watch.Edge() }
	l, err := load.Run(ctx, config)
	if err != nil {
		return l, err
	}
	if seen, ok := watch.End(); ok {
		if _, successor := serverOf(config.URL); successor != 0 {
			seen.Died = 0 // it was replaced, as by an upgrade without a gap
		}
		bench.JudgeAlone(l, seen)
	}
	return l, nil
}

// serverOf tells whether the server is on this host, and finds its process: 0
// where that cannot be.
func serverOf(url string) (local bool, pid int) {
	at, err := client.ParseURL(url)
	if err != nil { // with placeholders, or wrong: then nobody is accused
		return true, 0
	}
	network, address := "unix", at.Unix
	if at.Unix == "" {
		if !ofThisHost(at.Hostname) {
			return false, 0
		}
		network, address = "tcp", strconv.Itoa(int(at.Port))
	}
	pid, _ = meter.Listener(network, address)
	return true, pid
}

// ofThisHost tells whether a name is, or may be, one of this host's.
func ofThisHost(name string) bool {
	ips, err := net.LookupIP(name)
	if err != nil {
		return true
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return true
	}
	return slices.ContainsFunc(ips, func(ip net.IP) bool {
		return ip.IsLoopback() || ip.IsUnspecified() || slices.ContainsFunc(own, func(a net.Addr) bool {
			n, ok := a.(*net.IPNet)
			return ok && n.IP.Equal(ip)
		})
	})
}
