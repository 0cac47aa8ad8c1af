// Package cli is dyno's command line, for the command itself and for programs
// that bring an app of their own. Each verb is one file, and thin: flags in,
// packages called, exit code out.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/dynobench/dyno/bench/target"
	"github.com/dynobench/dyno/protocol/gateway"
)

// Exit codes. Scripts and CI jobs rely on them.
const (
	exitFailed      = 1   // the thing asked for failed: a regression, a wrong answer, an invalid trial
	exitUsage       = 2   // usage or configuration
	exitUndecided   = 3   // what was seen does not tell
	exitInterrupted = 130 // interrupted; what was measured is stored
)

// Main runs the verb that the arguments of the process name and exits. own, if
// not nil, is a further app, which serve and run take unless told otherwise.
func Main(own gateway.App) {
	target.MaybeWatchdog()
	os.Exit(run(takeEndings(), own, os.Args[1:], os.Stdout, os.Stderr))
}

// run is Main without the process: args in, exit code out.
func run(ctx context.Context, own gateway.App, args []string, stdout, stderr io.Writer) int {
	out := &output{Writer: stdout}
	c := &cli{own: own, args: args}
	screen := newScreen(out, func() bool { return c.json })
	screen.columns = columns(screen)
	c.stdout, c.stderr = screen, newScreen(stderr, func() bool { return false })
	root := c.root()
	root.SetArgs(args)
	verb, err := root.ExecuteContextC(ctx)
	screen.flush()
	var coded *exitError
	switch {
	case out.err != nil && !errors.As(err, &coded):
		coded = &exitError{code: exitFailed, err: fmt.Errorf("the output could not be written: %w", out.err)}
	case err == nil:
		return 0
	case errors.As(err, &coded):
	case !c.started: // cobra's own: an unknown verb or flag, too many arguments
		coded = &exitError{code: exitUsage, err: fmt.Errorf("%w (%s -h shows the usage)", err, verb.CommandPath())}
	default:
		coded = &exitError{code: exitFailed, err: err}
	}
	if coded.err != nil {
		fmt.Fprintf(c.stderr, "dyno: %v\n", coded.err)
	}
	return coded.code
}

// cli is what the verbs share.
type cli struct {
	own            gateway.App     // the program's, nil for dyno itself
	args           []string        // the command line, without the program
	filled         []string        // flags that came from the environment or a file, as words of a command line
	settings       map[string]bool // the names of those flags
	stdout, stderr io.Writer
	json           bool
	started        bool // flags and arguments were fine, the verb runs
}

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:   c.program(),
		Short: "A dynamometer for concurrency engines",
		Long: `dyno runs one application on interchangeable concurrency engines and outside
servers, drives each with a load that hides nothing, and says who wins, why,
and how sure it is.

Every flag can also be set by an environment variable, DYNO_ and its name in
capitals with _ for -, or by a YAML file of flag names and values (--config);
the command line comes first, then the environment, then the file.`,
		Example: `  dyno run                          every built-in engine, in about four minutes
  dyno run hello --targets goroutine,eventloop,nethttp --trials 5
  dyno tune eventloop               the settings that are fastest here
  dyno serve --engine eventloop --listen 127.0.0.1:8000
  dyno load http://127.0.0.1:8000/hello -c 64 -d 10s`,
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := c.fill(cmd); err != nil {
				return usageError(err)
			}
			c.started = true
			return nil
		},
	}
	wrapUsage(root, width(c.stdout))
	root.SetOut(c.stdout)
	root.SetErr(c.stderr)
	root.PersistentFlags().BoolVar(&c.json, "json", false, "print one JSON document on standard output and nothing else there")
	root.PersistentFlags().String("config", "", "YAML `file` of flag names and values")
	root.AddCommand(c.runCommand(), c.tuneCommand(), c.serveCommand(), c.loadCommand(), c.compareCommand(), c.reportCommand(), c.listCommand(), c.doctorCommand(), c.checkCommand())
	strict(root)
	return root
}

// exitError is an error with the exit code that goes with it. A nil err means
// that all has been said.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usageError(err error) error           { return &exitError{code: exitUsage, err: err} }
func usagef(format string, a ...any) error { return usageError(fmt.Errorf(format, a...)) }
func failed(err error) error               { return &exitError{code: exitFailed, err: err} }

// errInterrupted says nothing more: the verb has told what it stored.
var errInterrupted = &exitError{code: exitInterrupted}
