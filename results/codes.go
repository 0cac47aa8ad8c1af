package results

// Codes of what may be wrong with a result, as they stand in Warning.Code. They
// are stable; docs/validity.md explains every one.
const (
	// What the generator alone can tell; judged in bench/load.
	CodeGeneratorBound = "generator-bound" // the generator was the limit, not the server
	CodeSendLag        = "send-lag"        // requests left late by the generator's own fault
	CodeRateMissed     = "rate-missed"     // fewer requests left than were due, by the generator's own fault
	CodeSaturated      = "saturated"       // fewer requests left than were due, since all connections were busy
	CodeLittle         = "little"          // Little's law does not hold: something waits outside the latencies
	CodeNoAnswers      = "no-answers"      // none in the window, or none any more from some moment on
	CodeStalled        = "stalled"         // nobody was answered for a while that is long against the latency
	CodeEdges          = "edges"           // answers take so long that many lie across an edge of the window
	CodeErrors         = "errors"          // requests failed
	CodeWrongBytes     = "wrong-bytes"     // answers were not what they have to be
	CodeStarvation     = "starvation"      // a connection got nothing while others got much
	CodeNotStationary  = "not-stationary"  // the end of the window is unlike its beginning
	CodeTooFew         = "too-few-samples" // too few for the usual percentiles
	CodeClockStepped   = "clock-stepped"   // somebody set the wall clock
	CodeInterrupted    = "interrupted"     // the window was cut short
	CodeUnsettled      = "unsettled"       // the warm-up of an open loop ended before its queue had settled
	CodeJournalFull    = "journal-full"    // the record of single requests is not whole
	CodeGroupRefused   = "group-refused"   // connections of a group could not be made
	CodeGroupsBound    = "groups-bound"    // the groups took the CPU that the busy connections, or they themselves, needed

	// What needs a look at the server or the host; judged in bench.
	CodeSteal       = "steal"           // the hypervisor took the CPUs away
	CodeServerDied  = "server-died"     // the process ended in the trial
	CodeTreeChanged = "tree-changed"    // worker processes ended or came in the window
	CodeCPUAtLeast  = "cpu-at-least"    // children of the server that nobody waits for are not in its CPU time
	CodeGenerator   = "generator"       // the generator failed, or could not reach the server
	CodeNear        = "generator-near"  // the generator was nearly at its end, the server not
	CodeNullCeiling = "null-ceiling"    // as fast as the generator is on this host, the server not at its end
	CodePacing      = "pacing"          // requests left later than the generator paces here by itself
	CodeMeterLate   = "meter-late"      // the meters were not read at the window's edges
	CodeForeignLoad = "foreign-load"    // other processes used the CPUs
	CodeRunDelay    = "run-delay"       // server or generator waited for a CPU that others had
	CodePressure    = "memory-pressure" // tasks of the host waited for memory
	CodeThrottled   = "throttled"       // a quota of a control group held server or generator up
	CodeKilled      = "killed"          // the server did not end when asked
	CodeProfiled    = "profiled"        // a profile was taken in the window, and costs
	CodeNotProfiled = "not-profiled"    // one was asked for and could not be had

	// What became of a search for the capacity; judged in bench/capacity.
	CodeAtLeast     = "at-least"     // the limit is the generator's or the host's, not the server's
	CodeNeverKept   = "never-kept"   // the objective was kept at no rate
	CodeTooSlow     = "too-slow"     // windows of the budget hold too few requests to judge the objective, or are short against an answer
	CodeAllErrors   = "all-errors"   // none was answered rightly
	CodeDied        = "died"         // the server took no connection any more
	CodeUndecided   = "undecided"    // too few windows could be judged
	CodeWide        = "wide"         // the interval is wide
	CodeNotMonotone = "not-monotone" // the objective is missed below the limit, too
	CodeSpoiled     = "spoiled"      // many probes were
)
