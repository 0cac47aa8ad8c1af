package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/supervise"
	"github.com/dynobench/dyno/internal/file"
)

// endings gets the signals that ask the process to end.
var endings = make(chan os.Signal, 1)

// takeEndings has ctx end at the first of them. From then on they have their usual
// effect, so that a second one ends the process at once. They have it before
// anything is seen of the first. A process that still reads its input has nothing
// to clean up, and may wait for ever: it ends at the first.
func takeEndings() context.Context {
	if worker, ok := supervise.Self(); ok && worker.Obeys() {
		return context.Background() // it ends at its supervisor's command
	}
	ctx, cancel := context.WithCancel(context.Background())
	signal.Notify(endings, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-endings
		signal.Stop(endings)
		if name := file.Reading(); name != "" {
			fmt.Fprintf(os.Stderr, "dyno: interrupted while reading %s\n", name)
			os.Exit(exitInterrupted)
		}
		cancel()
	}()
	return ctx
}

// surviveLogs has a write to a pipe that nobody reads any more fail, as it does
// for all other descriptors, where it would end the process: a server goes on
// without its log. To ignore the signal instead would have all that the app starts
// ignore it as well.
func surviveLogs() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

// serverSignals takes those that a server knows beside the ones of takeEndings,
// before anybody can know its process id. A hang-up of its terminal ends ctx.
func serverSignals(ctx context.Context, end context.CancelFunc, engine engines.Engine, log *slog.Logger) {
	signal.Notify(endings, syscall.SIGQUIT)
	hungUp := hangUps()
	if m, ok := engine.(*supervise.Master); ok {
		m.OnHangup(hungUp)
		m.CatchSignals()
		return
	}
	taken := make(chan os.Signal, 2)
	signal.Notify(taken, syscall.SIGHUP, syscall.SIGUSR1)
	go func() {
		for {
			select {
			case s := <-taken:
				switch {
				case s == syscall.SIGUSR1:
					stats := engine.Stats()
					log.Info("stats", "requests", stats.Requests, "errors", stats.Errors, "accepted", stats.Accepted, "busy", stats.Busy, "queue", stats.Queue)
				case hungUp():
					log.Info("serve: the terminal has hung up")
					end()
				default:
					log.Warn("serve: SIGHUP reloads workers, and this server has none: start it with --master to reload")
				}
			case <-ctx.Done():
				return
			}
		}
	}()
}

// hangUps returns what tells, at a SIGHUP, whether it is the end of the terminal
// at which the process was started, and not somebody's wish. It never is where the
// signal is to be ignored, as under nohup.
func hangUps() func() bool {
	if signal.Ignored(syscall.SIGHUP) || !hasTerminal() {
		return func() bool { return false }
	}
	return func() bool { return !hasTerminal() }
}

// hasTerminal tells whether the process has a controlling terminal.
func hasTerminal() bool {
	f, err := os.OpenFile("/dev/tty", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err == nil {
		f.Close()
	}
	return !errors.Is(err, syscall.ENXIO) && !errors.Is(err, syscall.EIO)
}
