package reports

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/linkassay/linkassay/suites"
)

// oscalOf is what --format oscal prints, held against the schema and against the rules that a schema can't state: every
// UUID stands for one thing, and every reference leads to one.
func oscalOf(t *testing.T, r *Report, opts PrintOptions) oscalAssessmentResults {
	t.Helper()
	text := printed(t, r, OSCALFormat, opts)
	plain, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	schema, err := compiler.Compile(filepath.Join("testdata", "oscal-assessment-results.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(plain); err != nil {
		t.Fatal(err)
	}
	var doc oscalDocument
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	a := doc.Results
	things := map[string]string{a.UUID: "document"}
	define := func(id, what string) {
		if things[id] != "" {
			t.Errorf("%s %s is a %s too", what, id, things[id])
		}
		things[id] = what
	}
	for _, x := range a.BackMatter.Resources {
		define(x.UUID, "resource")
	}
	if things[strings.TrimPrefix(a.ImportAP.Href, "#")] != "resource" {
		t.Errorf("the plan %s is nowhere", a.ImportAP.Href)
	}
	for _, res := range a.Results {
		local := map[string]bool{}
		for _, c := range res.LocalDefinitions.Components {
			local[c.UUID] = true // those of one link or tool are the same in each result
		}
		define(res.UUID, "result")
		for _, o := range res.Observations {
			define(o.UUID, "observation")
			if !local[o.Subjects[0].UUID] || !local[o.Origins[0].Actors[0].UUID] {
				t.Errorf("observation %s of something that is nowhere", o.Title)
			}
		}
		for _, k := range res.Risks {
			define(k.UUID, "risk")
			for _, m := range k.Remediations {
				define(m.UUID, "remediation")
			}
			for _, o := range k.Observations {
				if things[o.Observation] != "observation" {
					t.Errorf("risk %s rests on nothing", k.Title)
				}
			}
		}
		for _, f := range res.Findings {
			define(f.UUID, "finding")
			if len(f.Observations) == 0 || len(f.Observations) != len(f.Risks) {
				t.Errorf("finding %s: %d observations, %d risks", f.Title, len(f.Observations), len(f.Risks))
			}
			for i := range f.Observations {
				if things[f.Observations[i].Observation] != "observation" || things[f.Risks[i].Risk] != "risk" {
					t.Errorf("finding %s rests on nothing", f.Title)
				}
			}
			id := strings.TrimSuffix(f.Target.ID, "_smt")
			if !slices.ContainsFunc(res.ReviewedControls.Selections, func(s oscalControlSelection) bool {
				return slices.Contains(s.Include, oscalControlID{id})
			}) {
				t.Errorf("finding on %s, which was not reviewed", id)
			}
		}
	}
	return a
}

func TestOSCALIsValid(t *testing.T) {
	t.Parallel()
	r := report(t, "healthy", "security-group-closed", "one-zone-down", "consumer-only", "txt-of-an-older-service", "healthy")
	r.Links = append(r.Links, LinkReport{Observation: r.Links[0].Observation}) // nothing was judged
	a := oscalOf(t, r, PrintOptions{})
	if len(a.Results) != len(r.Links) {
		t.Errorf("%d results of %d links", len(a.Results), len(r.Links))
	}
	for i, res := range a.Results {
		l := r.Links[i]
		failed := len(suites.Roots(l.Verdicts))
		if len(res.Observations) != len(l.Verdicts) || len(res.Risks) != failed || (len(res.Findings) > 0) != (failed > 0) {
			t.Errorf("%s: %d observations of %d verdicts, %d risks of %d failures, %d findings", res.Title, len(res.Observations), len(l.Verdicts), len(res.Risks), failed, len(res.Findings))
		}
	}
	if again := oscalOf(t, r, PrintOptions{}); again.UUID != a.UUID || again.Results[1].Observations[0].UUID != a.Results[1].Observations[0].UUID {
		t.Error("the same run has other UUIDs when it is printed again")
	}
	later := *r
	later.Started, later.Finished = r.Started.Add(time.Hour), r.Finished.Add(time.Hour)
	b := oscalOf(t, &later, PrintOptions{})
	if b.UUID == a.UUID || b.Results[0].UUID == a.Results[0].UUID {
		t.Error("a later run has the UUIDs of an earlier one")
	}
	if b.Results[0].LocalDefinitions.Components[1].UUID != a.Results[0].LocalDefinitions.Components[1].UUID {
		t.Error("a link has another UUID in each run")
	}
}

func TestOSCALSaysWhatFailed(t *testing.T) {
	t.Parallel()
	r := report(t, "security-group-closed")
	i := slices.IndexFunc(r.Links[0].Verdicts, func(v suites.Verdict) bool { return v.Status == suites.Failed })
	v := &r.Links[0].Verdicts[i]
	res := oscalOf(t, r, PrintOptions{Bundle: "my evidence"}).Results[0]
	if len(res.Risks) != 1 || res.Risks[0].Status != "open" || len(res.Risks[0].Remediations) != 1 {
		t.Errorf("%+v", res.Risks)
	}
	var targets []string
	for _, f := range res.Findings {
		targets = append(targets, f.Target.ID)
	}
	for _, want := range []string{"sc-7.5_smt", "pci-1.2.5_smt", "soc2-cc6.6_smt", "iso-a.8.20_smt", "fsbp-ec2.18_smt"} {
		if !slices.Contains(targets, want) {
			t.Errorf("no finding on %s: %q", want, targets)
		}
	}
	if e := res.Observations[0].Evidence; len(e) != 2 || e[0].Href != "my%20evidence/run.json" {
		t.Errorf("evidence %+v", e)
	}
	v.Accepted = &suites.Accepted{Reason: "known", Expires: "2026-12-31"}
	if k := oscalOf(t, r, PrintOptions{}).Results[0].Risks[0]; k.Status != "deviation-approved" || k.Deadline != "2026-12-31T23:59:59Z" {
		t.Errorf("accepted: %s until %s", k.Status, k.Deadline)
	}
	v.CouldNotAsk = true
	if res := oscalOf(t, r, PrintOptions{}).Results[0]; len(res.Findings)+len(res.Risks) > 0 {
		t.Error("what could not be asked is no finding")
	}
}

func TestOSCALOfHostileTexts(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", " ", "\x1b[31m\u202e\r\n", "<script>alert(1)</script>", "[x](javascript:y)", strings.Repeat("ü\x00", 5000)} {
		r := report(t, "security-group-closed")
		r.Version = text
		r.Links[0].Observation.Link.Name = text
		r.Links[0].Observation.Consumer.Endpoint.Value.ID = text
		for i := range r.Links[0].Verdicts {
			v := &r.Links[0].Verdicts[i]
			v.Title, v.Reason, v.BlockedBy = text, text, text
			v.Fix = &suites.Fix{Text: "do " + text, Command: text}
			v.Accepted = &suites.Accepted{Reason: text, Expires: text}
		}
		res := oscalOf(t, r, PrintOptions{}).Results[0]
		// Titles and descriptions are Markdown, properties are not.
		for _, s := range []string{res.Title, res.Observations[0].Title, res.Observations[0].Description, res.Risks[0].Statement} {
			if strings.Contains(s, "<script") || strings.Contains(s, "[x](") {
				t.Errorf("%q is markup in %q", text, s)
			}
		}
		if s := printed(t, r, OSCALFormat, PrintOptions{}); strings.ContainsAny(s, "\x1b\u202e\r") {
			t.Errorf("%q goes through", text)
		}
	}
}

// The schema of the tests refuses what OSCAL refuses; without that the tests above would say nothing.
func TestOSCALSchemaRefuses(t *testing.T) {
	t.Parallel()
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join("testdata", "oscal-assessment-results.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	text := printed(t, report(t, "security-group-closed"), OSCALFormat, PrintOptions{})
	for _, c := range [][2]string{
		{`"oscal-version": "1.1.2"`, `"oscal-version": ""`},
		{`"import-ap": {`, `"import_ap": {`},
		{`"methods": [`, `"method": [`},
		{`"TEST"`, `"PROBE"`},
		{`"state": "not-satisfied"`, `"state": "satisfied"`},
		{`"target-id": "`, `"target-id": "5 `},
		{`"collected": "2026-`, `"collected": "26-`},
		{`"status": "open"`, `"status": "failed"`},
		{`"control-id": "`, `"control-id": "(`},
	} {
		changed := strings.Replace(text, c[0], c[1], 1)
		if changed == text {
			t.Errorf("%s stands nowhere", c[0])
			continue
		}
		plain, err := jsonschema.UnmarshalJSON(strings.NewReader(changed))
		if err != nil {
			t.Fatal(err)
		}
		if schema.Validate(plain) == nil {
			t.Errorf("%s for %s passes", c[1], c[0])
		}
	}
}

func TestOSCALNeedsALink(t *testing.T) {
	t.Parallel()
	if err := Print(&strings.Builder{}, &Report{}, OSCALFormat, PrintOptions{}); err == nil || !strings.Contains(err.Error(), "no link was observed") {
		t.Error(err)
	}
}

func TestUUID(t *testing.T) {
	t.Parallel()
	if got := uuid("x"); got != uuid("x") || got == uuid("y") || got[14] != '5' || !strings.ContainsRune("89ab", rune(got[19])) {
		t.Error(got)
	}
}
