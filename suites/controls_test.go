package suites

import (
	"strings"
	"testing"
)

func TestControls(t *testing.T) {
	t.Parallel()
	m, err := Controls()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Validate(Catalogue()); err != nil {
		t.Error(err)
	}
	// What stands for a control is named in full.
	for _, c := range Catalogue() {
		for _, control := range m.Of(c) {
			if control.Name == "" || control.Title == "" {
				t.Errorf("%s: %+v", c.ID, control)
			}
		}
	}
}

func TestControlsRefuse(t *testing.T) {
	t.Parallel()
	catalogue := []Check{{ID: "dns.a", Area: "dns"}}
	good := func() *ControlMap {
		return &ControlMap{
			Version: 1, Frameworks: map[string]Framework{"nist": {Name: "NIST", Controls: map[string]string{"SC-7": "Boundary"}}},
			Areas:  map[string]map[string][]string{"dns": {"nist": {"SC-7"}}},
			Checks: map[string]map[string][]string{},
		}
	}
	if err := good().Validate(catalogue); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*ControlMap){
		`no check "dns.gone"`:               func(m *ControlMap) { m.Checks["dns.gone"] = map[string][]string{"nist": {"SC-7"}} },
		`no control "SC-99"`:                func(m *ControlMap) { m.Areas["dns"]["nist"] = []string{"SC-99"} },
		`no framework "fedramp"`:            func(m *ControlMap) { m.Areas["dns"]["fedramp"] = []string{"SC-7"} },
		"dns.a is not mapped":               func(m *ControlMap) { m.Areas = nil },
		"the version starts at 1":           func(m *ControlMap) { m.Version = 0 },
		"dns.a is not mapped, nor is its a": func(m *ControlMap) { m.Checks["dns.a"] = nil },
	} {
		m := good()
		change(m)
		if err := m.Validate(catalogue); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
