// Package peer is for tests that need what Go modules cannot bring: a program,
// or something of the kernel's.
package peer

import (
	"os"
	"os/exec"
	"testing"
)

// Missing skips a test that lacks something, and says what; in continuous
// integration, which has all of it, the test fails instead.
func Missing(t testing.TB, args ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(args...)
	}
	t.Skip(args...)
}

// Find returns the path of the first of the programs that is installed, of
// those that scripts/peers.sh installs. Debian keeps some where only root looks.
func Find(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		for _, place := range []string{name, "/usr/sbin/" + name} {
			if path, err := exec.LookPath(place); err == nil {
				return path
			}
		}
	}
	Missing(t, names[0]+" is missing: make peers")
	return ""
}
