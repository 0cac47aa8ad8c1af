package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/supervise"
	"github.com/dynobench/dyno/internal/systemd"
)

// superviseFlags are how dyno serve keeps workers.
type superviseFlags struct {
	master    bool
	processes int
	limits    supervise.Limits
	maxRSS    int64 // MiB
	pidFile   string
	stats     string
	latency   bool
	pprof     string
}

func (f *superviseFlags) add(flags *pflag.FlagSet) {
	flags.BoolVar(&f.master, "master", false, "serve from worker processes under a supervisor, as --engine prefork:… does")
	flags.IntVar(&f.processes, "processes", 0, "worker processes (default: one for each CPU)")
	flags.Int64Var(&f.limits.MaxRequests, "max-requests", 0, "replace a worker after this many requests (0: never)")
	flags.Int64Var(&f.limits.Jitter, "max-requests-jitter", 0, "up to this many more, drawn for each worker")
	flags.Int64Var(&f.maxRSS, "max-rss", 0, "replace a worker that uses more than this many `MiB` of memory (0: never)")
	flags.DurationVar(&f.limits.Harakiri, "harakiri", 0, "kill a worker with a request that takes longer than this `time` (0: never)")
	flags.IntVar(&f.limits.Cheaper, "cheaper", 0, "number of workers to keep when idle (0: all)")
	flags.DurationVar(&f.limits.CheaperIdle, "cheaper-idle", 10*time.Second, "time with little to do before a worker ends")
	flags.StringVar(&f.stats, "stats", "", "`address` for statistics: uWSGI's JSON, and Prometheus text at /metrics; a port alone means 127.0.0.1")
	flags.BoolVar(&f.latency, "stats-latency", true, "with --stats: measure request durations for /metrics, at the cost of a clock reading each")
	flags.StringVar(&f.pprof, "pprof", "", "`address` for profiles, as of net/http/pprof; a port alone means 127.0.0.1")
	flags.StringVar(&f.pidFile, "pid-file", "", "`file` for the process id of the server or its supervisor")
}

// spec is the engine of the Spec given, under a supervisor if there is to be one.
func (f *superviseFlags) spec(text string) (string, error) {
	spec, err := engines.Parse(text)
	if err != nil {
		return "", err
	}
	if f.master && spec.Name != "prefork" {
		spec.Inner, spec.Name = spec.Name, "prefork"
	}
	if f.processes == 0 {
		return spec.String(), nil
	}
	if spec.Name != "prefork" {
		return "", fmt.Errorf("--processes needs --master, or the engine prefork")
	}
	for _, p := range spec.Params {
		if p.Key == "processes" {
			return "", fmt.Errorf("engine %q already sets the number of processes: leave --processes out", text)
		}
	}
	spec.Params = append(spec.Params, engines.Param{Key: "processes", Value: strconv.Itoa(f.processes)})
	return spec.String(), nil
}

// limit puts the limits on the engine, which must be a supervisor if there are any.
func (f *superviseFlags) limit(engine engines.Engine, log *slog.Logger) error {
	l := f.limits
	l.MaxRSS = f.maxRSS << 20
	m, ok := engine.(*supervise.Master)
	if !ok {
		l.CheaperIdle = 0
		if l != (supervise.Limits{}) {
			return fmt.Errorf("limits on workers need --master, or the engine prefork")
		}
		return nil
	}
	m.OnReady(func() { tellManager(log, systemd.Ready) })
	m.OnReload(func(begun bool) {
		if begun {
			tellManager(log, systemd.Reloading())
		} else {
			tellManager(log, systemd.Ready)
		}
	})
	return m.Limit(l)
}

func tellManager(log *slog.Logger, state string) {
	if err := systemd.Notify(state); err != nil {
		log.Warn("serve", "error", err)
	}
}

// cannotListen is err with its exit code: an address that is none is the caller's
// mistake, another may be taken just now.
func cannotListen(err error) error {
	var malformed *engines.AddressError
	if errors.As(err, &malformed) {
		return usageError(err)
	}
	return failed(err)
}

// listen opens the socket, or takes the one that this process has been given.
func listen(addr string, o engines.SocketOptions) (*engines.Socket, error) {
	fd, given, err := systemd.Socket()
	switch {
	case err != nil:
		return nil, err
	case given:
		return engines.Inherit(fd)
	}
	return engines.Listen(addr, o)
}
