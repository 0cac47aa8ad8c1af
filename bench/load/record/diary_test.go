package record

import (
	"testing"
	"time"
)

// Beyond its limit a journal counts.
func TestJournalLimit(t *testing.T) {
	journal := &Journal{Limit: 2 * journalChunk}
	if err := journal.Begin([]Asked{{URL: "http://localhost/"}}); err != nil {
		t.Fatal(err)
	}
	threads := []*diary{journal.Add(2), journal.Add(2)}
	for i := range 3 * journalChunk {
		o := Outcome{Intended: int64(i ^ 5), Done: int64(i) + 100, Status: 200, Bytes: 1 << 40, Kind: Kind(i % int(kinds))}
		threads[i&1].keep(&o)
	}
	journal.End()
	if journal.Len() != 2*journalChunk || journal.Lost() != journalChunk {
		t.Errorf("%d kept, %d lost", journal.Len(), journal.Lost())
	}
	last, n := time.Time{}, 0
	for r := range journal.All() {
		if r.Intended.Before(last) || r.Bytes != 1<<32-1 || (r.Status != 0) != (r.Failure == "" || r.Failure[:10] == "unexpected") {
			t.Fatalf("%+v after %v", r, last)
		}
		last = r.Intended
		n++
	}
	if n != 2*journalChunk {
		t.Errorf("%d of %d", n, 2*journalChunk)
	}
}
