package suites

import (
	"slices"
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

func TestCoverage(t *testing.T) {
	t.Parallel()
	m := &ControlMap{
		Frameworks: map[string]Framework{
			"iso":  {Name: "ISO", Controls: map[string]string{"A.8.20": "a", "A.5.14": "b", "A.5.9": "c"}},
			"nist": {Name: "NIST", Controls: map[string]string{"SC-8(1)": "a", "SC-7(5)": "b", "SC-20": "c", "SC-7": "d", "SC-8": "e", "CP-2(8)": "f", "AC-3": "g"}},
			"pci":  {Name: "PCI", Cite: "Req. ", Controls: map[string]string{"12.5.2": "a", "1.2.1": "b", "1.4.2": "c"}},
		},
		Areas:  map[string]map[string][]string{"dns": {"nist": {"SC-20", "SC-7"}}},
		Checks: map[string]map[string][]string{"dns.b": {"pci": {"1.2.1"}, "nist": {"SC-7"}}},
	}
	var got []string
	for _, c := range m.Coverage([]Check{{ID: "dns.a", Area: "dns"}, {ID: "dns.b", Area: "dns"}}) {
		s := c.Cited
		for _, check := range c.Checks {
			s += " " + check.ID
		}
		got = append(got, s)
	}
	want := []string{
		"AC-3", "CP-2(8)", "SC-7 dns.a dns.b", "SC-7(5)", "SC-8", "SC-8(1)", "SC-20 dns.a",
		"Req. 1.2.1 dns.b", "Req. 1.4.2", "Req. 12.5.2", "A.5.9", "A.5.14", "A.8.20",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
