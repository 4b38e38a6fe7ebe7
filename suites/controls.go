package suites

import (
	"cmp"
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
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
	Cited     string // the ID as a text that nothing takes for a number or a date, such as Req. 1.2.1
	Title     string
}

// Coverage is a control with the checks that provide evidence for it.
type Coverage struct {
	Control
	Checks []Check // in the catalogue's order; none where no check is mapped to it
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
	Cite     string            `yaml:"cite"`     // what stands before an id where it is cited; may be empty
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
			out = append(out, m.control(key, id))
		}
	}
	return out
}

func (m *ControlMap) control(framework, id string) Control {
	f := m.Frameworks[framework]
	return Control{Framework: framework, Name: f.Name, ID: id, Cited: f.Cite + id, Title: f.Controls[id]}
}

// Coverage lists every control of every framework, in the order in which their documents number them, with its checks.
func (m *ControlMap) Coverage(catalogue []Check) []Coverage {
	type key struct{ framework, id string }
	checks := map[key][]Check{}
	for _, c := range catalogue {
		for _, control := range m.Of(c) {
			k := key{control.Framework, control.ID}
			checks[k] = append(checks[k], c)
		}
	}
	var out []Coverage
	for _, framework := range frameworks() {
		ids := slices.SortedFunc(maps.Keys(m.Frameworks[framework].Controls), inNumbers)
		for _, id := range ids {
			out = append(out, Coverage{m.control(framework, id), checks[key{framework, id}]})
		}
	}
	return out
}

// inNumbers compares ids so that A.5.9 comes before A.5.14.
func inNumbers(a, b string) int {
	rest := func(s string) (number int, tail string) {
		tail = strings.TrimLeft(s, "0123456789")
		number, err := strconv.Atoi(s[:len(s)-len(tail)])
		if err != nil {
			return -1, s
		}
		return number, tail
	}
	for a != "" && b != "" {
		n, tailA := rest(a)
		k, tailB := rest(b)
		switch {
		case n != k:
			return cmp.Compare(n, k)
		case n >= 0:
			a, b = tailA, tailB
		case a[0] != b[0]:
			return cmp.Compare(a[0], b[0])
		default:
			a, b = a[1:], b[1:]
		}
	}
	return cmp.Compare(len(a), len(b))
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
