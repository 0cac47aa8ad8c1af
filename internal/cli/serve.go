package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/catalog"
	"github.com/dynobench/dyno/engines/memory"
	"github.com/dynobench/dyno/engines/supervise"
	"github.com/dynobench/dyno/internal/suggest"
	"github.com/dynobench/dyno/internal/systemd"
	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/fastcgi"
	"github.com/dynobench/dyno/protocol/gateway"
	"github.com/dynobench/dyno/protocol/http1"
	"github.com/dynobench/dyno/protocol/scgi"
	"github.com/dynobench/dyno/protocol/uwsgi"
)

type serveFlags struct {
	engine, listen, protocol, app string
	backlog                       int
	lint, proxied                 bool
	limits                        protocol.Limits
	drain                         time.Duration
	supervise                     superviseFlags
	user, group                   string
	file                          socketFlags
}

func (c *cli) serveCommand() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve an app on one engine until SIGTERM",
		Long: `serve runs one engine with one of the built-in apps and prints its address on
standard error once it listens. SIGTERM, SIGINT and SIGQUIT drain it: requests in
flight finish, then it exits with 0, or with 1 if --drain was too short. All
signals are listed in docs/serve.md.

With --master, or the engine prefork, a supervisor keeps worker processes. It
replaces those that end. SIGHUP replaces all, one by one, with the current
program file, without losing a request. SIGUSR1 logs statistics. A socket passed
by systemd replaces --listen (docs/serve.md).

Behind a web server, serve can speak uwsgi, scgi or fastcgi (docs/protocols.md
has the configuration for nginx). Behind a proxy that forwards bytes,
--proxy-protocol tells the app the client's address; only the proxy must then be
able to reach the port.

dyno list engines shows the engines and their settings, dyno list apps the apps.`,
		Example: `  dyno serve --engine goroutine
  dyno serve --engine threads,threads=16 --listen 127.0.0.1:8000
  dyno serve --engine prefork:eventloop,processes=4 --listen :8000
  dyno serve --engine eventloop --master --max-requests 100000 --harakiri 30s
  dyno serve --config examples/serve.yaml
  dyno serve --engine pool --listen unix:/tmp/dyno.sock
  dyno serve --engine eventloop --protocol uwsgi --listen 127.0.0.1:9000`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.serve(cmd, f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.engine, "engine", "goroutine", "engine `spec`: name[:inner][,key=value…]")
	flags.StringVar(&f.listen, "listen", "127.0.0.1:0", "`address`: host:port, :port or unix:/path; port 0 takes a free one")
	flags.StringVar(&f.protocol, "protocol", "http", "wire `protocol`: http, uwsgi, scgi or fastcgi")
	flags.BoolVar(&f.proxied, "proxy-protocol", false, "read the client's address from a PROXY header (v1, v2), which every connection then must begin with")
	flags.StringVar(&f.app, "app", c.defaultApp(), "app to serve")
	flags.BoolVar(&f.lint, "lint", false, "check app and engine for violations of the gateway's contract")
	flags.IntVar(&f.backlog, "backlog", 4096, "connections that may wait to be accepted (the kernel caps it at net.core.somaxconn)")
	flags.DurationVar(&f.drain, "drain", 10*time.Second, "time for requests in flight to finish after SIGTERM")
	flags.IntVar(&f.limits.Line, "max-line", 0, "longest request line in `bytes` (default 8 KiB)")
	flags.IntVar(&f.limits.HeaderBytes, "max-header", 0, "largest header section in `bytes` (default 64 KiB)")
	flags.IntVar(&f.limits.HeaderCount, "max-fields", 0, "most header fields (default 100)")
	flags.Int64Var(&f.limits.Body, "max-body", 0, "largest request body in `bytes` (default 16 MiB)")
	flags.Int64Var(&f.limits.Bodies, "max-bodies", 0, "most that all requests together may hold in `bytes`, of each process (default 256 MiB, or --max-body if that is more)")
	flags.DurationVar(&f.limits.HeaderTime, "header-timeout", 0, "time limit for a request's header, from accept for the first one (default 10s)")
	flags.DurationVar(&f.limits.BodyTime, "body-timeout", 0, "time limit for a request's body (default 60s)")
	flags.DurationVar(&f.limits.IdleTime, "idle-timeout", 0, "time to keep a connection open between requests (default 75s)")
	flags.DurationVar(&f.limits.WriteTime, "write-timeout", 0, "time limit for a write without progress (default 60s)")
	flags.StringVar(&f.user, "user", "", "run as this `user`, with its groups, once the sockets are bound; needs root")
	flags.StringVar(&f.group, "group", "", "run as this `group` (default: the user's)")
	flags.StringVar(&f.file.mode, "socket-mode", "", "octal `mode` of a unix socket, such as 660: whoever may write to it may connect")
	flags.StringVar(&f.file.owner, "socket-owner", "", "`user:group` that owns a unix socket; either may be omitted")
	f.supervise.add(flags)
	return cmd
}

// codecs are the protocols that dyno serve speaks.
var codecs = []protocol.Codec{http1.Codec{}, uwsgi.Codec{}, scgi.Codec{}, fastcgi.Codec{}}

func codecOf(name string) (protocol.Codec, error) {
	var names []string
	for _, c := range codecs {
		if c.Name() == name {
			return c, nil
		}
		names = append(names, c.Name())
	}
	return nil, suggest.Unknown("protocol", name, names)
}

func (c *cli) serve(cmd *cobra.Command, f serveFlags) error {
	codec, err := codecOf(f.protocol)
	if err != nil {
		return usageError(err)
	}
	app, err := c.lookup(f.app)
	if err != nil {
		return usageError(err)
	}
	if f.limits.Bodies > 0 && f.limits.Bodies < f.limits.MaxBody() {
		return usageError(fmt.Errorf("--max-bodies %d: must be at least the %d bytes that one request may hold (--max-body)", f.limits.Bodies, f.limits.MaxBody()))
	}
	if f.lint {
		app = gateway.Lint(app)
	}
	svc := protocol.NewService(app, codec)
	svc.Limits = f.limits
	svc.Proxied = f.proxied
	svc.DrainTime = max(f.drain, 1) // the zero value is the default: 0 cuts at once
	svc.Log = slog.New(slog.NewTextHandler(c.stderr, nil))

	worker, isWorker := supervise.Self()
	spec := f.engine
	if isWorker {
		spec = worker.Spec
		svc.Flags.MultiProcess = true
	} else if spec, err = f.supervise.spec(spec); err != nil {
		return usageError(err)
	}
	engine, err := catalog.New(spec)
	if err == nil {
		err = catalog.Speaks(spec, f.protocol)
	}
	if err == nil && f.proxied {
		err = catalog.Unwraps(spec)
	}
	if err == nil && !isWorker {
		err = f.supervise.limit(engine, svc.Log)
	}
	if err != nil {
		return usageError(err)
	}
	var id *identity
	if !isWorker { // what a worker's supervisor has become, it is
		if id, err = identify(f.user, f.group); err != nil {
			return usageError(err)
		}
	}
	options, err := f.file.options(f.listen, id)
	if err != nil {
		return usageError(err)
	}
	options.Backlog = f.backlog
	surviveLogs()
	ctx, end := context.WithCancel(cmd.Context())
	defer end()
	if !isWorker {
		serverSignals(ctx, end, engine, svc.Log)
	}
	svc.Timed = f.supervise.stats != "" && f.supervise.latency && catalog.Times(spec)
	var socket *engines.Socket
	if isWorker {
		engine = worker.Wrap(engine)
		f.supervise.profileWorker(worker)
		socket, err = worker.Socket()
	} else {
		socket, err = listen(f.listen, options)
	}
	if err != nil {
		return cannotListen(err)
	}
	if !isWorker {
		stop, err := f.supervise.observe(ctx, engine, socket, svc, id.owner())
		if err != nil {
			socket.Close()
			return cannotListen(err)
		}
		defer stop()
		stop, err = f.supervise.profile(ctx, engine, svc.Log, id.owner())
		if err != nil {
			socket.Close()
			return cannotListen(err)
		}
		defer stop()
		pid, err := writePIDFile(f.supervise.pidFile)
		if err == nil {
			defer pid.remove()
			err = pid.give(id)
		}
		m, many := engine.(*supervise.Master)
		if many {
			m.OnBound(id.become)
		} else if err == nil {
			err = id.become()
		}
		if err == nil {
			err = c.announce(socket, f.protocol, spec, f.app)
		}
		if err != nil {
			socket.Close()
			return failed(err)
		}
		defer systemd.Watchdog(func(err error) { svc.Log.Warn("serve", "error", err) })()
		if !many {
			tellManager(svc.Log, systemd.Ready) // a supervisor does when its workers are
		}
		defer context.AfterFunc(ctx, func() { tellManager(svc.Log, systemd.Stopping) })()
	}
	defer memory.KeepSmall()()
	err = engine.Serve(ctx, socket, svc)
	if errors.Is(err, engines.ErrDrainTimeout) {
		err = fmt.Errorf("%w: raise --drain, now %v", err, f.drain)
	}
	if err != nil {
		return failed(err)
	}
	return nil
}

// announce says where the server listens: the socket is bound, so a client
// may connect from now on.
func (c *cli) announce(socket *engines.Socket, protocol, spec, app string) error {
	url := socket.URL(protocol)
	fmt.Fprintf(c.stderr, "dyno: listening on %s (engine %s, app %s)\n", url, spec, app)
	if !c.json {
		return nil
	}
	return json.NewEncoder(c.stdout).Encode(map[string]string{
		"schema": "dyno.serve/1", "url": url, "engine": spec, "app": app,
	})
}
