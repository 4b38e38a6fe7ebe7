package live

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/linkassay/linkassay/suites/canary"
)

func TestEMF(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	ended := incident("orders")
	ended.Ended = noon
	tell(t, NewEMF(&b), round(canary.Good), round(canary.Bad), round(canary.Untold),
		canary.Change{Kind: canary.Opened, At: noon, Incident: incident("billing", "orders")}, canary.Change{Kind: canary.Cleared, At: noon, Incident: ended},
		canary.Change{Kind: canary.Recovered, At: noon, Incident: ended})
	want := []map[string]float64{
		{"Success": 1, "Untold": 0, "Interrupted": 0, "RoundTime": 1000, "ControlAge": 90, "APICalls": 40},
		{"Success": 0, "Untold": 0, "Interrupted": 0, "RoundTime": 1000, "ControlAge": 90, "APICalls": 40},
		{"Untold": 1, "Interrupted": 0, "APICalls": 40},
		{"IncidentLinks": 2},
		{"IncidentLinks": 0},
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d lines:\n%s", len(lines), b.String())
	}
	for i, text := range lines {
		var meta struct {
			AWS emfMeta `json:"_aws"`
		}
		var values map[string]any
		if err := json.Unmarshal([]byte(text), &meta); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(text), &values); err != nil {
			t.Fatal(err)
		}
		d := meta.AWS.CloudWatchMetrics[0]
		if meta.AWS.Timestamp < noon.UnixMilli() || d.Namespace != "linkassay" || len(d.Metrics) != len(want[i]) {
			t.Errorf("line %d: %s", i+1, text)
		}
		// Whatever is declared has a value at the top, or CloudWatch drops the line.
		for _, m := range d.Metrics {
			if v, ok := values[m.Name].(float64); !ok || v != want[i][m.Name] {
				t.Errorf("line %d: %s is %v, expected %v", i+1, m.Name, values[m.Name], want[i][m.Name])
			}
		}
		for _, dim := range slices.Concat(d.Dimensions...) {
			if s, ok := values[dim].(string); !ok || s == "" {
				t.Errorf("line %d: no dimension %s", i+1, dim)
			}
		}
	}
}
