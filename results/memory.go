package results

// MemoryKind is how memory was counted: of the figures of one table all are of
// one kind.
type MemoryKind string

const (
	PSS MemoryKind = "pss_peak_bytes" // proportional: a page that n processes share counts as an nth in each
	RSS MemoryKind = "rss_peak_bytes" // resident: it counts in full in each
)

// MemoryOf is the kind that all valid trials of run have: PSS, unless it could
// not be read, or was not yet when the run was made.
func MemoryOf(run *Run) MemoryKind {
	for i := range run.Trials {
		if t := &run.Trials[i]; t.Valid && t.Server.PSSPeakBytes == 0 {
			return RSS
		}
	}
	return PSS
}

// Of is the figure of a trial.
func (k MemoryKind) Of(t *Trial) int64 {
	if k == PSS {
		return t.Server.PSSPeakBytes
	}
	return t.Server.RSSPeakBytes
}

// Explain says what the kind is.
func (k MemoryKind) Explain() string {
	if k == PSS {
		return "Memory is the highest peak of the server's proportional set size (PSS): a page that its processes share counts once."
	}
	return "Memory is the highest peak of the server's resident set size (RSS), summed over its processes: a page that they share counts in each, since PSS was not read."
}
