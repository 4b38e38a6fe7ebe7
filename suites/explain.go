package suites

import (
	"fmt"
	"slices"
	"strings"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

// Explain says in plain text what the check asserts and from what, why, what a failure leads to, and which
// controls it is evidence for.
func (c *Check) Explain() string {
	var b strings.Builder
	section := func(name string, lines ...string) {
		if len(lines) > 0 && lines[0] != "" {
			fmt.Fprintf(&b, "\n%s\n", name)
			for _, l := range lines {
				fmt.Fprintf(&b, "  %s\n", l)
			}
		}
	}
	fmt.Fprintf(&b, "%s: %s\n", c.ID, c.Title)
	fmt.Fprintf(&b, "%s, revision %d; a failure is usually for the %s side to fix\n", c.Severity, c.Revision, c.Side)
	var profiles []string
	for _, p := range Profiles() {
		if c.In(p) {
			profiles = append(profiles, string(p))
		}
	}
	fmt.Fprintf(&b, "profiles: %s\n", strings.Join(profiles, ", "))
	section("Asserts", c.Asserts)
	section("Why it matters", c.Why)
	section("Source", c.Source)
	section("Rests on", askedBy(c.Needs)...)
	section("Rests on one of", askedBy(c.NeedsOne)...)
	section("Reads too, when it is there", askedBy(c.Wants)...)
	section("Blocked when one of these fails", c.After...)
	section("A failure is put down to these when they fail", c.Because...)
	section("Fix", c.exampleFixLines()...)
	section("Finds the known failure modes", c.rowLines()...)
	section("Provides evidence for", c.controlLines()...)
	return b.String()
}

func (c *Check) exampleFixLines() []string {
	example := c.ExampleFix()
	lines := []string{example.Text}
	if example.Command != "" {
		lines = append(lines, example.Command)
	}
	if example.LinkFile != "" {
		lines = append(lines, "in the link file, "+example.LinkFile)
	}
	return lines
}

func (c *Check) rowLines() []string {
	rows, err := Rows()
	if err != nil {
		return []string{err.Error()}
	}
	var lines []string
	for _, r := range rows {
		if slices.Contains(c.Rows, r.ID) {
			lines = append(lines, r.ID+": "+r.Symptom)
		}
	}
	return lines
}

func (c *Check) controlLines() []string {
	m, err := Controls()
	if err != nil {
		return []string{err.Error()}
	}
	var lines []string
	for _, control := range m.Of(*c) {
		lines = append(lines, fmt.Sprintf("%s %s: %s", control.Name, control.ID, control.Title))
	}
	return lines
}

// ExampleFix is the fix with placeholders for ids.
func (c *Check) ExampleFix() Fix {
	o := complete(&probes.Observation{Link: provision.Link{
		Region: "REGION", PrivateDNSName: "NAME", Ports: []provision.Port{{Port: 443}},
		Provider: provision.Provider{Party: provision.Party{Account: "PROVIDER_ACCOUNT"}},
		Consumer: provision.Consumer{Party: provision.Party{Account: "CONSUMER_ACCOUNT"}},
	}})
	o.DNS.TXT.Value = probes.TXT{Domain: "DOMAIN", Label: "LABEL", Want: "VALUE"}
	return makeFix(c.ID, c.fix, o)
}

// askedBy tells of each item which API calls or packets it comes from.
func askedBy(items []string) []string {
	var lines []string
	for _, item := range items {
		if from, ok := probes.ItemSource(item); ok {
			item += " (" + from + ")"
		}
		lines = append(lines, item)
	}
	return lines
}
