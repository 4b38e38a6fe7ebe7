package reports

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/olekukonko/tablewriter/pkg/twwidth"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/suites"
)

func diagnoses(t *testing.T, all []suites.Diagnosis, format string, opts PrintOptions) string {
	t.Helper()
	var b bytes.Buffer
	if err := PrintDiagnoses(&b, all, format, opts); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func diagnosisOf(t *testing.T, name string, port uint16) suites.Diagnosis {
	t.Helper()
	o := recording(t, name)
	to, err := suites.FlowTo(o, o.Link.PrivateDNSName, port)
	if err != nil {
		t.Fatal(err)
	}
	return suites.Diagnose(o, to)
}

// A usual link's walk is on one screen, with its cause and its fix, and no line is wider than the terminal.
func TestDiagnosisFitsOnAScreen(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"healthy":               {"WORKS\n", "TCP connect", "TLS 1.3 for api"},
		"security-group-closed": {"ENDS at: endpoint's group, ACL", "CAUSE  connection.endpoint-security-group", "authorize-security-group-ingress", "not reached"},
	} {
		for _, width := range []int{80, 120} {
			text := diagnoses(t, []suites.Diagnosis{diagnosisOf(t, name, 443)}, TableFormat, PrintOptions{Width: width})
			for _, w := range want {
				if !strings.Contains(text, w) {
					t.Errorf("%s at %d lacks %q:\n%s", name, width, w, text)
				}
			}
			lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
			if len(lines) > 32 || name == "healthy" && len(lines) > screenLines {
				t.Errorf("%s at %d: %d lines\n%s", name, width, len(lines), text)
			}
			for _, line := range lines {
				if twwidth.Width(line) > width && !strings.Contains(line, "--") {
					t.Errorf("%s at %d: %q", name, width, line)
				}
			}
		}
	}
	short := diagnoses(t, []suites.Diagnosis{diagnosisOf(t, "healthy", 443)}, TableFormat, PrintOptions{})
	full := diagnoses(t, []suites.Diagnosis{diagnosisOf(t, "healthy", 443)}, TableFormat, PrintOptions{Full: true})
	if strings.Contains(full, "…") || !strings.Contains(full, "eni-12 10.0.3.10") || len(full) <= len(short) {
		t.Errorf("not all is told:\n%s", full)
	}
}

func TestDiagnosisSanitised(t *testing.T) {
	t.Parallel()
	facts := []suites.Fact{{Name: evil, Value: evil}, {Value: evil}}
	v := suites.Verdict{
		Check: "a.b" + evil, Title: evil, Severity: suites.Critical, Status: suites.Failed, Reason: evil, Facts: facts,
		Fix: &suites.Fix{Text: evil, Command: "aws " + evil, LinkFile: evil},
	}
	d := suites.Diagnosis{Link: evil, To: suites.Flow{Kind: probes.TargetPrivate, Host: evil, Port: 80}, Walks: []suites.Walk{{
		Vantages: []string{evil}, Outcome: suites.FlowInPart, EndsAt: evil, Works: []string{evil}, Ends: []string{evil}, Measured: evil,
		Hops: []suites.Hop{
			{Name: evil, State: suites.HopOK, Facts: facts},
			{Name: evil, State: suites.HopEnds, Zones: []string{evil}, Facts: facts[1:]},
			{Name: evil, State: suites.HopNotReached},
		},
		Roots: []suites.Verdict{v}, Beside: []suites.Verdict{v},
	}}}
	for _, format := range []string{TableFormat, JSONFormat} {
		text := diagnoses(t, []suites.Diagnosis{d}, format, PrintOptions{})
		if strings.ContainsAny(text, "\x1b\x07\u202e\u2066\x00\u009b\r") {
			t.Errorf("%s is not sanitised:\n%q", format, text)
		}
	}
	var back struct {
		Format    string             `json:"format"`
		Diagnoses []suites.Diagnosis `json:"diagnoses"`
	}
	if err := json.Unmarshal([]byte(diagnoses(t, []suites.Diagnosis{d}, JSONFormat, PrintOptions{})), &back); err != nil || back.Format != DiagnosisFormat || len(back.Diagnoses) != 1 {
		t.Errorf("%v, %+v", err, back)
	}
	if err := PrintDiagnoses(&bytes.Buffer{}, nil, "yaml", PrintOptions{}); err == nil {
		t.Error("an unknown format is taken")
	}
}
