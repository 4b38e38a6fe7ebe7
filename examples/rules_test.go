package examples

import (
	"os/exec"
	"testing"
)

func TestAlertRules(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool (Debian's prometheus) is not on PATH: the alert rules were not tried")
	}
	for _, args := range [][]string{{"check", "rules", "linkassay.rules.yaml"}, {"test", "rules", "linkassay.rules.test.yaml"}} {
		cmd := exec.Command(promtool, args...)
		cmd.Dir = "prometheus"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %q: %v\n%s", args, err, out)
		}
	}
}
