package suites

import (
	_ "embed"
	"fmt"
	"slices"
	"sync"

	"go.yaml.in/yaml/v4"
)

//go:embed controls.yaml
var controlsFile []byte

// Control is a control of a framework that a check provides evidence for.
type Control struct {
	Framework string // its key, such as nist
	Name      string // the framework's name and version, such as NIST SP 800-53 Rev. 5
	ID        string // such as SC-7(5)
	Title     string
}

// ControlMap says which controls each check provides evidence for. It is versioned, since an auditor
// asks which mapping a report was made with.
type ControlMap struct {
	Version    int                            `yaml:"version"`
	Frameworks map[string]Framework           `yaml:"frameworks"`
	Areas      map[string]map[string][]string `yaml:"areas"`  // area → framework → control ids
	Checks     map[string]map[string][]string `yaml:"checks"` // check id → …, instead of its area's
}

// Framework is a catalogue of controls.
type Framework struct {
	Name     string            `yaml:"name"`
	Controls map[string]string `yaml:"controls"` // titles by id
}

// Controls returns the mapping. Callers must not change it.
func Controls() (*ControlMap, error) { return controls() }

var controls = sync.OnceValues(func() (*ControlMap, error) {
	var m ControlMap
	if err := yaml.Unmarshal(controlsFile, &m); err != nil {
		return nil, fmt.Errorf("read the controls: %w", err)
	}
	return &m, nil
})

// frameworks is the order in which frameworks are shown.
func frameworks() []string { return []string{"nist", "pci", "soc2", "iso", "fsbp"} }

// Of returns the controls that a check provides evidence for, none when it is not mapped.
func (m *ControlMap) Of(c Check) []Control {
	mapped, own := m.Checks[c.ID]
	if !own {
		mapped = m.Areas[c.Area]
	}
	var out []Control
	for _, key := range frameworks() {
		for _, id := range mapped[key] {
			f := m.Frameworks[key]
			out = append(out, Control{Framework: key, Name: f.Name, ID: id, Title: f.Controls[id]})
		}
	}
	return out
}

// Validate refuses frameworks, controls and checks that there are not, and checks that are not mapped.
func (m *ControlMap) Validate(catalogue []Check) error {
	if m.Version < 1 {
		return fmt.Errorf("controls: the version starts at 1")
	}
	for of, mapped := range map[string]map[string]map[string][]string{"area": m.Areas, "check": m.Checks} {
		for what, byFramework := range mapped {
			for key, ids := range byFramework {
				f, ok := m.Frameworks[key]
				if !ok || !slices.Contains(frameworks(), key) {
					return fmt.Errorf("controls of %s %s: no framework %q", of, what, key)
				}
				for _, id := range ids {
					if f.Controls[id] == "" {
						return fmt.Errorf("controls of %s %s: %s has no control %q", of, what, f.Name, id)
					}
				}
			}
		}
	}
	for id := range m.Checks {
		if _, ok := Find(catalogue, id); !ok {
			return fmt.Errorf("controls: no check %q", id)
		}
	}
	for _, c := range catalogue {
		if len(m.Of(c)) == 0 {
			return fmt.Errorf("controls: check %s is not mapped, nor is its area", c.ID)
		}
	}
	return nil
}
