package live

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/linkassay/linkassay/suites/canary"
)

// What the shipped rules and the dashboard ask for, the canary has.
func TestExamplesAskForMetricsThatThereAre(t *testing.T) {
	t.Parallel()
	m := NewMetrics()
	tell(t, m, round(canary.Good), round(canary.Untold), round(canary.Bad), canary.Change{Kind: canary.Opened, At: noon, Incident: incident("orders")})
	families, err := m.Gather()
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, f := range families {
		there[f.GetName()] = true
	}
	dir := filepath.Join("..", "..", "examples", "prometheus")
	for _, name := range []string{"linkassay.rules.yaml", "linkassay.rules.test.yaml", "linkassay.dashboard.json"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		asked := regexp.MustCompile(`linkassay_[a-z_]+`).FindAllString(string(b), -1)
		if len(asked) < 5 {
			t.Errorf("%s asks for %q", name, asked)
		}
		for _, a := range asked {
			if !there[strings.TrimSuffix(a, "_bucket")] {
				t.Errorf("%s asks for %s, which there is not", name, a)
			}
		}
		if filepath.Ext(name) == ".json" && !json.Valid(b) {
			t.Errorf("%s is not JSON", name)
		}
	}
}
