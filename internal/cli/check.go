package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/target"
	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/catalog"
	"github.com/dynobench/dyno/internal/file"
	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/internal/suggest"
	"github.com/dynobench/dyno/protocol/client"
	"github.com/dynobench/dyno/protocol/conformance"
)

type checkFlags struct {
	protocol, format, output string
	trust                    plan.Trust
	probe                    bool
	timeout, patience        time.Duration
}

func (c *cli) checkCommand() *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use:   "check SPEC|URL",
		Short: "Test an engine or any HTTP server against the rules of WSGI and HTTP/1.1",
		Long: `check starts an engine with a test app and tests it against every rule of the
gateway (PEP 3333) and of HTTP/1.1 on the wire. A server that already runs, given
by its URL, is tested on the wire only; rules that cannot be tested from there are
reported as unjudged, never as passed. check sends malformed requests: do not
point it at a server in production.

Over uwsgi, SCGI and FastCGI it tests the rules of the gateway and not those of
HTTP. A server that speaks them can only be tested with the app (--probe).

docs/rules.md lists the rules with their sources. check exits with 1 if a rule
is broken; a rule that a server may have reasons to break (SHOULD) is noted and
does not count. It exits with 3 if the server answers an ordinary request with a
server error such as 503: then only its error page has been tested.`,
		Example: `  dyno check goroutine
  dyno check prefork:eventloop,processes=2
  dyno check http://127.0.0.1:8000/
  dyno check https://127.0.0.1:8443/ --insecure
  dyno check threads --format junit --output check.xml
  dyno check http://127.0.0.1:8080/ --probe    # a web server before dyno serve --app conformance
  dyno check eventloop --protocol uwsgi
  dyno check fastcgi://unix:/run/app.sock:/ --probe`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if remote(args[0]) && cmd.Flags().Changed("protocol") {
				return usagef("--protocol is for engines; a URL names its protocol, as in uwsgi://host:port/")
			}
			return c.check(cmd.Context(), args[0], f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.protocol, "protocol", "http", "protocol of the requests: http, uwsgi, scgi or fastcgi (a URL names its own)")
	flags.StringVar(&f.format, "format", "text", "`form` of the report: text, json or junit")
	flags.StringVarP(&f.output, "output", "o", "", "`file` to write the report to (default: standard output)")
	flags.BoolVar(&f.probe, "probe", false, "the server at URL runs dyno's app \"conformance\", so every rule can be tested")
	flags.DurationVar(&f.timeout, "timeout", 2*time.Minute, "time limit for the whole check; rules not tested by then are unjudged")
	flags.DurationVar(&f.patience, "patience", 3*time.Second, "time limit for each response")
	trustFlags(flags, &f.trust)
	return cmd
}

func (c *cli) check(ctx context.Context, subject string, f checkFlags) error {
	if c.json {
		f.format = "json"
	}
	c.json = f.format == "json"
	write, ok := checkFormats[f.format]
	switch {
	case !ok:
		return usageError(suggest.Unknown("format", f.format, []string{"text", "json", "junit"}))
	case f.timeout <= 0 || f.patience <= 0:
		return usagef("--timeout and --patience must be positive durations")
	}
	var results []conformance.Result
	var err error
	if remote(subject) {
		at, trusted, err := f.endpoint(subject)
		if err != nil {
			return usageError(err)
		}
		s, dial := f.aim(at, trusted)
		f.protocol = at.Protocol.Name
		if err := reachable(ctx, dial, f.patience); err != nil {
			return failed(err)
		}
		results = c.judge(ctx, s, f)
	} else {
		if err := checkable(subject, f.protocol); err != nil {
			return usageError(err)
		}
		if f.probe || f.trust != (plan.Trust{}) {
			return usagef("--probe and the https flags are for URLs; an engine is always started with that app")
		}
		results, err = c.checkEngine(ctx, subject, f)
	}
	switch {
	case ctx.Err() != nil:
		return errInterrupted
	case err != nil:
		return failed(err)
	}
	var report bytes.Buffer
	r := &checkReport{Schema: "dyno.check/1", Subject: subject, Protocol: f.protocol, results: results}
	r.fill()
	if err := write(&report, r, width(c.stdout)); err != nil {
		return failed(err)
	}
	if err := c.put(f, report.Bytes()); err != nil {
		return failed(err)
	}
	switch {
	case !conformance.Conforms(results):
		return &exitError{code: exitFailed}
	case !conformance.Served(results):
		return &exitError{code: exitUndecided}
	}
	return nil
}

// put writes a report to a file, or to standard output.
func (c *cli) put(f checkFlags, report []byte) error {
	path, out := f.output, c.stdout
	if f.format == "junit" {
		out = document(out)
	}
	if path == "" {
		_, err := out.Write(report)
		return err
	}
	if err := file.Replace(path, func(w io.Writer) error { _, err := w.Write(report); return err }); err != nil {
		return fmt.Errorf("the report: %w", err)
	}
	fmt.Fprintf(c.stderr, "report in %s\n", filepath.Clean(path))
	return nil
}

// checkable returns why spec is no engine to be judged over the protocol.
func checkable(spec, protocol string) error {
	if _, err := codecOf(protocol); err != nil {
		return err
	}
	s, err := engines.Parse(spec)
	if err != nil {
		return err
	}
	entry, err := catalog.Lookup(s.Name)
	if err == nil {
		_, err = catalog.New(spec)
	}
	if err == nil && entry.Kind == catalog.Calibration {
		err = fmt.Errorf("engine %s is not a server: it sends one fixed response", spec)
	}
	if err == nil {
		err = catalog.Speaks(spec, protocol)
	}
	return err
}

// checkEngine starts the engine as dyno run does, and ends it.
func (c *cli) checkEngine(ctx context.Context, spec string, f checkFlags) ([]conformance.Result, error) {
	dyno, err := os.Executable()
	if err != nil {
		return nil, err
	}
	proc, addr, err := target.Launch(ctx, target.Recipe{
		Command: func(addr string) (target.Command, error) {
			return target.Command{Argv: []string{dyno, "serve", "--engine", spec, "--protocol", f.protocol, "--listen", addr, "--app", "conformance"}}, nil
		},
		Scheme: f.protocol, Path: "/hello", Client: asking(client.Lookup(f.protocol), nil),
	})
	if err != nil {
		return nil, err
	}
	at, _ := client.ParseURL(f.protocol + "://" + addr + "/") //nolint:errcheck // it is right
	f.probe = true
	s, _ := f.aim(at, nil)
	results := c.judge(ctx, s, f)
	exit, err := proc.Stop(ctx)
	if err == nil && ctx.Err() == nil && (exit.Code != 0 || exit.Killed) {
		err = fmt.Errorf("the engine did not end when asked (%v); its last output:\n%s", exit, format.LastLines(proc.Tail(), 20))
	}
	return results, err
}

// judge runs the rules, and shows how far it is where a person watches.
func (c *cli) judge(ctx context.Context, s conformance.Server, f checkFlags) []conformance.Result {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	if !isTerminal(c.stderr) {
		return conformance.Run(ctx, s, nil)
	}
	b := newBar(c.stderr, 1)
	defer b.close()
	done, all := int64(0), int64(len(conformance.Rules()))
	return conformance.Run(ctx, s, func(r conformance.Result) {
		done++
		b.show(done, all, r.Rule.ID, 0)
	})
}

// checkFormats are the forms of the report.
var checkFormats = map[string]func(w io.Writer, r *checkReport, width int) error{
	"text": writeCheckText, "json": writeCheckJSON, "junit": writeCheckJUnit,
}
