package http1

import (
	"net/http"
	"testing"
	"time"
)

// The Date field that is kept is the one of the present second, also when the
// clock has been set back or ahead.
func TestDateFollowsTheClock(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("", 3600))
	for _, now := range []time.Time{noon, noon.Add(999 * time.Millisecond), noon.Add(time.Second), noon.Add(-time.Hour), noon.AddDate(10, 0, 0), noon} {
		want := "Date: " + now.UTC().Format(http.TimeFormat) + "\r\n"
		if got := string(dateLine(now)); got != want {
			t.Errorf("at %v: %q, want %q", now, got, want)
		}
	}
}
