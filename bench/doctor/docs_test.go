package doctor

import (
	"os"
	"strings"
	"testing"
)

// Every code is explained.
func TestDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{
		CodeCeiling, CodeAnswers, CodeResolution, CodeFloor, CodePacing, CodeFreeze, CodeVegeta, CodeAgreement, CodeSteal, CodePressure, CodeOthers,
		CodeCPUs, CodeQuota, CodeVirtual, CodeClock, CodeGovernor, CodeKernel, CodeMemory, CodeOpenFiles, CodePorts, CodeBacklog, CodeTimeWait,
		CodeCongestion, CodeIOUring, CodeVariables,
	} {
		if !strings.Contains(string(page), "\n| `"+code+"` |") {
			t.Errorf("docs/doctor.md has no row for %s", code)
		}
	}
}
