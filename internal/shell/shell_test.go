package shell

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestJoin has a shell read back what Join writes.
func TestJoin(t *testing.T) {
	argv := []string{"printf", `%s\n`, "plain", "", "two words", "it's", "~", "=x", "a=b", "$HOME", "*", "{addr}", "a\"b", "é", "-", "`x`"}
	out, err := exec.Command("sh", "-c", Join(argv)).Output()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if !slices.Equal(got, argv[2:]) {
		t.Errorf("%s\nis read as %q, want %q", Join(argv), got, argv[2:])
	}
}
