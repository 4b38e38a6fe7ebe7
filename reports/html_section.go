package reports

import (
	"fmt"
	"strings"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/suites"
)

// section is one link of the page.
type section struct {
	Anchor, Name    string
	Tone            tone
	Outcome, Counts string
	Remarks         []string // on the run, where it was of one link
	Facts           []pair
	Interrupted     bool
	Panics          []string

	// InWords stands for the drawing and the tables where the section is brief.
	InWords         string
	Passed, Skipped wordsView

	Causes      []causeView
	Untold      []groupView
	NotVerified []groupView
	Path        *drawing
	Matrix      matrixView
	Timeline    timelineView
	Latency     []latencyRow
	Areas       []areaView
	Identities  []pair
	Served      []certificateView
}

// groupView is what was not verified for one reason.
type groupView struct {
	Reason string
	Count  string
	Checks []string
}

// causeView is one cause: what fails, why, whose it is and what to do.
type causeView struct {
	Anchor, Row string // Row is where it stands among the checks
	Label       string
	Tone        tone
	Check       string
	Whose       string
	Title       string
	Accepted    string
	Reason      string
	Blocks      string
	Facts       []pair
	More        string
	Fix         *fixView
	Evidence    string
}

type fixView struct{ Apply, Text, Command, LinkFile string }

// factsInFull is how many facts of a cause the page has; run.json has all.
const factsInFull = 24

func newSection(r *Report, l LinkReport, at anchors, e *evidence, brief bool) *section {
	o := l.Observation
	s := l.summary(r.FailOn)
	out := &section{
		Anchor: at.link, Name: clean(o.Link.Name), Tone: outcomeTone(s), Outcome: outcome(s), Counts: counts(s),
		Interrupted: o.Interrupted,
		Untold:      groups(withStatus(l.Verdicts, suites.Untold)), NotVerified: groups(suites.NotVerified(l.Verdicts)),
	}
	for _, p := range o.Panics {
		out.Panics = append(out.Panics, clean(p))
	}
	roots := suites.Roots(l.Verdicts)
	for i, v := range roots {
		out.Causes = append(out.Causes, newCause(l, v, i, at, e))
	}
	rows := matrixRows(o)
	out.Facts = factsOf(l)
	out.Areas = areasOf(r, l, at, e)
	path := pathOf(o, rows, roots)
	if brief {
		out.InWords = path.says()
		out.Passed, out.Skipped = inWords(out.Areas)
		return out
	}
	out.Path = draw(path)
	out.Matrix = newMatrixView(matrixFrom(o, rows))
	out.Timeline = timelineOf(l)
	out.Latency = latencyOf(o)
	out.Identities, out.Served = identitiesOf(o), servedBy(o)
	return out
}

// factsOf say of which link the section is, when it was looked at and from where.
func factsOf(l LinkReport) []pair {
	o := l.Observation
	when := o.Started.UTC().Format(utc) + ", in " + took(o.Finished.Sub(o.Started))
	if o.Started.IsZero() {
		when = "not at all"
	}
	if n := len(l.Rounds); n > 1 {
		when += fmt.Sprintf(", the last of %d rounds", n)
	}
	region := o.Link.Region
	if o.Link.CrossRegion() {
		region += " to " + o.Link.ProviderRegion()
	}
	facts := []pair{
		{"When", when},
		{"From", fromWhere(o.Link.Vantages)},
		{"Consumer", side(o.Link.Consumer.Party, o.Link.Consumer.EndpointID)},
		{"Provider", side(o.Link.Provider.Party, o.Link.Provider.ServiceID)},
		{"Region", clean(region)},
	}
	if o.Link.PrivateDNSName != "" {
		facts = append(facts, pair{"Name", clean(o.Link.PrivateDNSName)})
	}
	return facts
}

// side tells a side in a line for each of its ids.
func side(p provision.Party, id string) string {
	s := clean("account " + p.Account)
	if id != "" {
		s += "\n" + clean(id)
	}
	if p.Access == provision.AccessNone {
		s += "\nnot asked: no access"
	}
	return s
}

// fromWhere names the vantages, with what they expect where it is not to get through.
func fromWhere(vantages []provision.Vantage) string {
	const named = 6
	if len(vantages) == 0 {
		return "nowhere: no vantage, so the control planes alone"
	}
	var parts []string
	for i, v := range vantages {
		if i == named && len(vantages) > named+1 {
			parts = append(parts, fmt.Sprintf("%d more", len(vantages)-named))
			break
		}
		name := clean(v.Name)
		if v.Expect == provision.ExpectTimeout {
			name += " (must not get through)"
		}
		parts = append(parts, name)
	}
	return strings.Join(parts, ", ")
}

func withStatus(verdicts []suites.Verdict, s suites.Status) []suites.Verdict {
	var out []suites.Verdict
	for _, v := range verdicts {
		if v.Status == s {
			out = append(out, v)
		}
	}
	return out
}

func groups(verdicts []suites.Verdict) []groupView {
	var out []groupView
	for _, g := range byReason(verdicts) {
		view := groupView{Reason: clean(g.reason), Count: plural(len(g.checks), "check", "checks")}
		for _, c := range g.checks {
			view.Checks = append(view.Checks, clean(c))
		}
		out = append(out, view)
	}
	return out
}

func newCause(l LinkReport, v suites.Verdict, i int, at anchors, e *evidence) causeView {
	c := causeView{
		Anchor: at.cause(v.Check), Row: at.checks[v.Check], Label: fmt.Sprintf("Cause %d", i+1), Tone: bad,
		Check: clean(v.Check), Whose: clean(string(v.Severity) + ", " + sideName(v.Side)), Title: clean(v.Title),
		Accepted: clean(acceptance(v)), Evidence: e.of[v.Check],
	}
	switch {
	case v.Stands():
		c.Label, c.Tone = "Known", warn
	case v.Severity != suites.Critical:
		c.Tone = warn
	}
	if reasonTells(v) {
		c.Reason = clean(v.Reason)
	}
	if n := blockedBy(l.Verdicts, v.Check); n > 0 {
		c.Blocks = plural(n, "other check is", "other checks are") + " blocked by it"
	}
	c.Facts = factsShort(v.Facts, factsInFull)
	if n := len(v.Facts) - len(c.Facts); n > 0 {
		c.More = fmt.Sprintf("%d more in run.json", n)
	}
	if f := v.Fix; f != nil {
		c.Fix = &fixView{clean(f.Apply), clean(f.Text), "", clean(f.LinkFile)}
		if f.Command != "" {
			c.Fix.Command = strings.Join(wrapCommand(clean(f.Command), 100), "\n")
		}
	}
	return c
}

func factsShort(facts []suites.Fact, most int) []pair {
	var out []pair
	for i, f := range facts {
		if i == most {
			break
		}
		out = append(out, pair{clean(f.Name), clean(f.Value)})
	}
	return out
}

// identitiesOf say who asked, how far the clocks were apart, and by which addresses the vantages are known.
func identitiesOf(o *probes.Observation) []pair {
	var out []pair
	for _, s := range []struct {
		name     string
		identity *probes.Item[probes.Identity]
		api      *probes.Item[probes.API]
	}{{"Consumer", o.Consumer.Identity, o.Consumer.API}, {"Provider", o.Provider.Identity, o.Provider.API}} {
		switch {
		case s.identity == nil || s.identity.Absent != "":
			out = append(out, pair{s.name + " identity", "not asked"})
		case s.identity.Error != nil:
			out = append(out, pair{s.name + " identity", clean("could not be told: " + s.identity.Error.Message)})
		default:
			out = append(out, pair{s.name + " identity", clean(s.identity.Value.ARN + " in account " + s.identity.Value.Account)})
		}
		if api := itemValue(s.api); api.Requests > 0 {
			value := plural(int(api.Requests), "request", "requests")
			if api.Throttled > 0 {
				value += fmt.Sprintf(", %d throttled", api.Throttled)
			}
			if api.ClockKnown {
				ahead := "ahead of"
				if api.ClockOffset < 0 {
					ahead = "behind"
				}
				value += fmt.Sprintf("; AWS's clock was %s %s this host's", took(api.ClockOffset.Abs()), ahead)
			}
			out = append(out, pair{s.name + " API", value})
		}
	}
	for _, c := range itemValue(o.Path.Clients) {
		if c.Addr.IsValid() {
			out = append(out, pair{"Vantage " + clean(c.Vantage), clean(strings.Join(strings.Fields(c.Addr.String()+" "+c.SubnetID+" "+c.InterfaceID), ", "))})
		}
	}
	return append(out, pair{"Format of the observation", clean(o.Format)})
}

// certificateView is a certificate that was served on the link.
type certificateView struct{ Subject, Issuer, Until, SHA256 string }

// servedBy lists the leaf certificates that were served, each once.
func servedBy(o *probes.Observation) []certificateView {
	const most = 12
	var out []certificateView
	seen := map[string]bool{}
	for _, h := range itemValue(o.Reach.TLS) {
		if len(h.Chain) == 0 || seen[h.Chain[0].SHA256] || len(out) == most {
			continue
		}
		leaf := h.Chain[0]
		seen[leaf.SHA256] = true
		subject := leaf.Subject
		if subject == "" {
			subject = strings.Join(leaf.DNSNames, ", ")
		}
		out = append(out, certificateView{clean(subject), clean(leaf.Issuer), leaf.NotAfter.UTC().Format(utc), clean(leaf.SHA256)})
	}
	return out
}
