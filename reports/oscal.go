package reports

import (
	"cmp"
	"crypto/sha1" //nolint:gosec // RFC 9562 makes version 5 of it; it protects nothing here
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/linkassay/linkassay/suites"
)

// oscalNamespace is of the properties and of the UUIDs that are linkassay's own.
const oscalNamespace = "https://github.com/linkassay/linkassay/ns/oscal"

// notForUs says what a failed check leaves to the assessor.
const notForUs = "A check that provides evidence for this control failed on this link. Whether the control is met is for the assessor to say."

// writeOSCAL writes the report as OSCAL Assessment Results, a result per link: an observation for each verdict, a risk for
// each failure, and a finding for each control that a failure is evidence against. A control that nothing failed has no
// finding, since OSCAL has only satisfied and not-satisfied, and no check shows that a control is satisfied. bundle is
// the directory of the run's files; "" where there is none.
func writeOSCAL(w io.Writer, r *Report, bundle string) error {
	m, err := suites.Controls()
	if err != nil {
		return err
	}
	if len(r.Links) == 0 {
		return errors.New("no link was observed, and OSCAL Assessment Results must have a result")
	}
	run := fmt.Sprintf("run/%s/%s/%s", r.Version, r.Started.UTC().Format(time.RFC3339Nano), r.Finished.UTC().Format(time.RFC3339Nano))
	for _, l := range r.Links {
		run += "/" + linkKey(l)
	}
	plan := uuid(run + "/plan")
	doc := oscalDocument{oscalAssessmentResults{
		UUID: uuid(run),
		Metadata: oscalMetadata{
			Title:        "PrivateLink connections verified by linkassay",
			LastModified: oscalTime(r.Finished, r.Started), Version: oscalTime(r.Started), OSCALVersion: oscalVersion,
			Props:   props("tool-version", r.Version, "mapping-version", fmt.Sprint(m.Version)),
			Remarks: "A passed check provides evidence for a control: on this link, at this time. It does not show that the control is met. Control ids of other catalogues than NIST's begin with the framework's key, since they have no OSCAL catalogue.",
		},
		ImportAP: oscalImport{Href: "#" + plan, Remarks: "There is no assessment plan in OSCAL: the link file and the checks of linkassay stand for one."},
		BackMatter: &oscalBackMatter{[]oscalResource{{
			UUID: plan, Title: "Checks of linkassay", Description: "What each check asserts, from what and why.",
			Links: []oscalRLink{{Href: "https://github.com/linkassay/linkassay/blob/main/docs/catalogue.md", MediaType: "text/markdown"}},
		}}},
	}}
	tool := oscalComponent{
		UUID: uuid("tool/" + r.Version), Type: "software", Title: "linkassay", Description: "Observes AWS PrivateLink connections and judges what it saw.",
		Props: props("version", r.Version), Status: oscalState{"operational"},
	}
	catalogue := suites.Catalogue()
	for i, l := range r.Links {
		b := oscalBuilder{run: fmt.Sprintf("%s/%d", run, i), tool: tool, bundle: bundle, controls: map[string][]suites.Control{}}
		for _, v := range l.Verdicts {
			if c, ok := suites.Find(catalogue, v.Check); ok {
				b.controls[v.Check] = m.Of(c)
			}
		}
		doc.Results.Results = append(doc.Results.Results, b.result(r, l, m.Coverage(catalogue)))
	}
	b, err := json.MarshalIndent(doc, "", " ")
	if err != nil {
		return fmt.Errorf("encode the OSCAL assessment results: %w", err)
	}
	_, err = w.Write(append(escapeInvisible(b), '\n'))
	return err
}

// oscalBuilder makes the result of one link.
type oscalBuilder struct {
	run      string // names what is of this run and link
	tool     oscalComponent
	bundle   string
	controls map[string][]suites.Control // by check
}

func (b *oscalBuilder) result(r *Report, l LinkReport, coverage []suites.Coverage) oscalResult {
	link := oscalComponent{UUID: uuid("link/" + linkKey(l)), Type: "interconnection", Title: "a link", Description: "A link of which nothing was observed.", Status: oscalState{"operational"}}
	start, end := r.Started, r.Finished
	if o := l.Observation; o != nil {
		start, end = o.Started, o.Finished
		link.Title = cmp.Or(cut(md(o.Link.Name), maxCell), "a link without a name")
		link.Description = cut(md(fmt.Sprintf("PrivateLink connection of account %s to the service of account %s, in %s.", o.Link.Consumer.Account, o.Link.Provider.Account, o.Link.Region)), maxCell)
		link.Props = props("consumer-account", o.Link.Consumer.Account, "provider-account", o.Link.Provider.Account, "region", o.Link.Region,
			"provider-region", o.Link.ProviderRegion(), "private-dns-name", o.Link.PrivateDNSName,
			"endpoint-id", cmp.Or(itemValue(o.Consumer.Endpoint).ID, o.Link.Consumer.EndpointID),
			"service-id", cmp.Or(itemValue(o.Provider.Service).ID, o.Link.Provider.ServiceID))
	}
	res := oscalResult{
		UUID: uuid(b.run + "/result"), Title: "Link " + link.Title, Description: "Each check of linkassay that was asked, on this link.",
		Start: oscalTime(start, r.Started), End: oscalTime(end, r.Finished, start, r.Started),
		Props:            props("profile", string(r.Profile)),
		LocalDefinitions: &oscalLocalDefinitions{[]oscalComponent{b.tool, link}},
		ReviewedControls: b.reviewed(coverage),
	}
	for _, v := range l.Verdicts {
		res.Observations = append(res.Observations, b.observation(v, link.UUID, res.End))
		if assess(v).status == string(suites.Failed) {
			res.Risks = append(res.Risks, b.risk(v))
		}
	}
	for _, c := range coverage {
		if f, ok := b.finding(c, l.Verdicts); ok {
			res.Findings = append(res.Findings, f)
		}
	}
	return res
}

// reviewed are the controls that a check of the run is mapped to; where there is none, all that checks are mapped to.
func (b *oscalBuilder) reviewed(coverage []suites.Coverage) oscalReviewedControls {
	out := oscalReviewedControls{Description: "The controls that the checks of this run provide evidence for, or would have."}
	for _, c := range coverage {
		judged := slices.ContainsFunc(c.Checks, func(x suites.Check) bool { return b.controls[x.ID] != nil })
		if len(c.Checks) == 0 || !judged && len(b.controls) > 0 {
			continue
		}
		if n := len(out.Selections); n == 0 || out.Selections[n-1].Props[0].Value != c.Framework {
			out.Selections = append(out.Selections, oscalControlSelection{Description: c.Name, Props: props("framework", c.Framework)})
		}
		last := &out.Selections[len(out.Selections)-1]
		last.Include = append(last.Include, oscalControlID{oscalControl(c.Control)})
	}
	return out
}

func (b *oscalBuilder) observation(v suites.Verdict, link, collected string) oscalObservation {
	a := assess(v)
	o := oscalObservation{
		UUID: b.id("observation", v.Check), Title: cut(md(v.Title), maxCell), Description: cut(md(describe(v)), maxCell),
		Props: props("check", v.Check, "check-revision", fmt.Sprint(v.Revision), "status", a.status, "verdict", string(v.Status), "severity", string(v.Severity),
			"side", string(v.Side), "blocked-by", v.BlockedBy),
		Methods: []string{"TEST"}, Types: []string{"control-objective"},
		Origins:   []oscalOrigin{{[]oscalActor{{"tool", b.tool.UUID}}}},
		Subjects:  []oscalSubject{{link, "component"}},
		Collected: collected,
		Remarks:   strings.ToUpper(a.does[:1]) + a.does[1:] + " the controls that are named in its properties.",
	}
	for _, c := range b.controls[v.Check] {
		o.Props = append(o.Props, props("control", oscalControl(c))...)
	}
	if b.bundle != "" {
		o.Evidence = []oscalEvidence{
			{fileReference(b.bundle, "run.json"), "All that was observed, and the verdicts, as they can be judged again."},
			{fileReference(b.bundle, ControlsFile), "What each check is evidence for."},
		}
	}
	return o
}

func (b *oscalBuilder) risk(v suites.Verdict) oscalRisk {
	k := oscalRisk{
		UUID: b.id("risk", v.Check), Title: cut(md("Does not hold: "+v.Title), maxCell), Description: cut(md(describe(v)), maxCell),
		Statement: cmp.Or(cut(md(v.Reason), maxCell), cut(md(v.Title), maxCell), "The check failed."), Props: props("severity", string(v.Severity), "side", string(v.Side)),
		Status: "open", Observations: []oscalRelated{{Observation: b.id("observation", v.Check)}},
	}
	if v.Stands() {
		k.Status = "deviation-approved" // by the link file
	}
	if v.Accepted != nil {
		if day, err := time.Parse(time.DateOnly, v.Accepted.Expires); err == nil {
			k.Deadline = oscalTime(day.Add(24*time.Hour - time.Second))
		}
	}
	if v.Fix != nil && strings.TrimSpace(clean(v.Fix.Text)) != "" {
		text := md(v.Fix.Text)
		if v.Fix.Command != "" {
			text += ": " + code(v.Fix.Command)
		}
		k.Remediations = []oscalRemediation{{b.id("remediation", v.Check), "recommendation", "Fix", cut(text, maxCell)}}
	}
	return k
}

// finding is what the failed checks say against a control, if any failed.
func (b *oscalBuilder) finding(c suites.Coverage, verdicts []suites.Verdict) (oscalFinding, bool) {
	id := oscalControl(c.Control)
	f := oscalFinding{
		UUID: b.id("finding", id), Title: c.Name + " " + c.ID, Props: props("framework", c.Framework),
		Target: oscalTarget{"statement-id", id + "_smt", oscalObjectiveStatus{"not-satisfied", "fail", notForUs}},
	}
	var failed []string
	for _, v := range verdicts {
		if assess(v).status == string(suites.Failed) && slices.ContainsFunc(c.Checks, func(x suites.Check) bool { return x.ID == v.Check }) {
			failed = append(failed, v.Check)
			f.Observations = append(f.Observations, oscalRelated{Observation: b.id("observation", v.Check)})
			f.Risks = append(f.Risks, oscalRelated{Risk: b.id("risk", v.Check)})
		}
	}
	f.Description = cut(c.Title+". Failed: "+strings.Join(failed, ", ")+".", maxCell)
	return f, len(failed) > 0
}

func (b *oscalBuilder) id(kind, name string) string { return uuid(b.run + "/" + kind + "/" + name) }

// oscalControl is a control's id as a token: NIST's as in its own OSCAL catalogue (SC-7(5) is sc-7.5), others with the
// framework's key before it.
func oscalControl(c suites.Control) string {
	id := strings.ToLower(strings.NewReplacer("(", ".", ")", "").Replace(c.ID))
	if c.Framework == "nist" {
		return id
	}
	return c.Framework + "-" + id
}

// props are properties of linkassay's own, from pairs of name and value; those without a value are left out.
func props(pairs ...string) []oscalProp {
	var all []oscalProp
	for i := 0; i+1 < len(pairs); i += 2 {
		if value := cut(pairs[i+1], maxCell); value != "" {
			all = append(all, oscalProp{pairs[i], oscalNamespace, value})
		}
	}
	return all
}

// oscalTime writes the first time that is one.
func oscalTime(times ...time.Time) string {
	i := slices.IndexFunc(times, func(t time.Time) bool { return !t.IsZero() })
	return times[max(i, 0)].UTC().Format(time.RFC3339)
}

// linkKey names a link beyond one run.
func linkKey(l LinkReport) string {
	if l.Observation == nil {
		return ""
	}
	return l.Observation.Link.Region + "/" + l.Observation.Link.Consumer.Account + "/" + l.Observation.Link.Name
}

// fileReference is a URI reference to a file of the bundle.
func fileReference(dir, name string) string {
	u := url.URL{Path: filepath.ToSlash(filepath.Join(dir, name))}
	if filepath.IsAbs(dir) {
		u.Scheme = "file"
	}
	return u.String()
}

// uuid is the UUID of version 5 (RFC 9562) of a name within linkassay's own: the same name gives the same one.
func uuid(name string) string {
	h := sha1.New()                                                                                                 //nolint:gosec // see above
	h.Write([]byte{0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8}) // namespace URL
	io.WriteString(h, oscalNamespace+"/"+name)
	s := h.Sum(nil)[:16]
	s[6], s[8] = s[6]&0x0f|0x50, s[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", s[:4], s[4:6], s[6:8], s[8:10], s[10:])
}
