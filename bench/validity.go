package bench

import (
	"slices"
	"time"

	"github.com/dynobench/dyno/results"
)

// Bounds of the gates.
const (
	maxStealPct = 5.0
	maxForeign  = 0.05 // of a side's CPUs' time, as of steal
	maxWaking   = 0.15 // of it, that a side's own waking up may account for
	maxWaited   = 0.02 // of the window
	maxHeldBack = 0.001
	maxPressure = 5.0  // per cent of the time in which somebody waited for memory
	crowded     = 0.10 // of the CPUs' time idle, or less: whoever runs there is in the way
	saturated   = 0.95 // of its CPUs' time used by the server: it could not have done more
	nearBusy    = 0.85 // of a closed loop's generator, beside a server below nearIdle
	nearIdle    = 0.90
	nearCeiling = 0.85 // of what the generator can do on this host
	lagFactor   = 5.0  // of the calibrated lag, and more than lagSlackUS beyond it
	lagSlackUS  = 100.0
	maxEdgeLate = 0.02 // of the window, for the meters at each edge

	// foreignSlack is what the kernel's ticks make uncertain about a CPU's idle
	// time in a window; of several CPUs the root of their number.
	foreignSlack = 20 * time.Millisecond
	// wakeCost is what it takes a CPU to leave its idle state for a thread: up to
	// 2.2 µs were seen, which are in no thread's clock.
	wakeCost    = 3 * time.Microsecond
	waitedSlack = 5 * time.Millisecond // a few slices of the kernel's own threads
)

// hostCodes are the reasons that a noisy host gives by itself: CPU time taken
// away from server, generator or harness. A trial that is invalid for these
// alone is worth running again.
var hostCodes = []string{results.CodeSteal, results.CodeForeignLoad, results.CodeRunDelay, results.CodeThrottled, results.CodePressure, results.CodeMeterLate, results.CodeSendLag, results.CodeRateMissed, results.CodeClockStepped}

// limitCodes are findings about the pair of server and generator rather than
// failures: the trial does not count, and the report says why.
var limitCodes = []string{results.CodeGeneratorBound, results.CodeGroupsBound, results.CodeNullCeiling, results.CodeLittle, results.CodeStarvation, results.CodeInterrupted}

// consequences are what a disturbed host may bring about as well. By themselves
// they are the server's doing: one that froze must not be taken for disturbed.
var consequences = []string{results.CodeStalled}

// Disturbed tells whether a trial is invalid through the host's doing alone.
func Disturbed(t *results.Trial) bool { return !t.Valid && !hasOther(t, hostsDoing(&t.Load)) }

// Failed tells whether a trial is invalid because something went wrong: wrong
// or failed answers, a frozen or dead process, a generator without a result.
func Failed(t *results.Trial) bool {
	return !t.Valid && hasOther(t, slices.Concat(hostsDoing(&t.Load), limitCodes))
}

// hostsDoing are the codes of l that the host explains.
func hostsDoing(l *results.Load) []string {
	if !slices.ContainsFunc(l.Warnings, func(w results.Warning) bool {
		return (w.Invalid || w.Tolerated) && slices.Contains(hostCodes, w.Code)
	}) {
		return hostCodes
	}
	return slices.Concat(hostCodes, consequences)
}

// hasOther tells whether t is invalid for a reason that is not among codes.
func hasOther(t *results.Trial, codes []string) bool {
	return slices.ContainsFunc(t.Warnings, func(w results.Warning) bool {
		return w.Invalid && !slices.Contains(codes, w.Code)
	})
}
