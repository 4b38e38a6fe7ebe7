package reports

import (
	"bufio"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/linkassay/linkassay/suites"
)

//go:embed html
var htmlFiles embed.FS

// WriteHTML writes the report as one page that needs nothing beside it: no script, no font, no picture, no
// network. It opens from a folder years later, prints, and is read aloud.
func WriteHTML(w io.Writer, r *Report) error { return writePage(w, r, nil) }

// writePage writes the page of a run whose run.json has the SHA-256 that digest tells, which is asked last; nil is for a page that no
// run.json is beside.
func writePage(w io.Writer, r *Report, digest func() (string, error)) error {
	t, err := htmlTemplate()
	if err != nil {
		return fmt.Errorf("read the page's template: %w", err)
	}
	d, err := newDocument(r)
	if err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	d.digest = digest
	b := bufio.NewWriterSize(w, 1<<16)
	if err := t.Execute(b, d); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return b.Flush()
}

var htmlTemplate = sync.OnceValues(func() (*template.Template, error) {
	tones := template.FuncMap{}
	for _, t := range []tone{good, unsure, dull} {
		tones[string(t)] = func() tone { return t }
	}
	return template.New("page.html").Funcs(tones).ParseFS(htmlFiles, "html/*.html")
})

// tone is how a state looks. It never stands alone: a word and a sign say the same.
type tone string

const (
	good   tone = "good"
	bad    tone = "bad"
	warn   tone = "warn"
	unsure tone = "unsure" // could not be told, or was not asked
	dull   tone = "dull"   // says nothing by itself: blocked, skipped, not there
)

// Sign is the tone's sign. In the cells of tables, of which there are many, the style sets it.
func (t tone) Sign() template.HTML {
	switch t {
	case good, bad, warn, unsure, dull: // no other text may become markup
		return template.HTML(`<svg class="sign ` + string(t) + `" aria-hidden="true"><use href="#sign-` + string(t) + `"/></svg>`)
	}
	return ""
}

// document is what the page shows. All its strings are clean; the templates only escape and place them.
type document struct {
	Style     template.CSS
	StyleHash string // of the style element, for the policy that allows it alone

	Title, Tool    string
	Single         bool // one link, which then needs no index
	Started, Ended string
	Took           string
	Tone           tone
	Outcome        string
	Counts         string
	Exits, Notes   []string
	Index          []indexRow // more than one link
	Brief          string     // says that there are links told in words
	// Links makes each section when it is written: a fleet's would not fit side by side.
	Links      iter.Seq[*section]
	Outside    []string
	Frameworks []frameworkView
	MapVersion int
	Mapped     []mappedCheck // what each check says and its controls, where they do not stand beside it
	made       []pair
	digest     func() (string, error) // of run.json; nil where none is beside the page
}

// pair is a name and what stands under it.
type pair struct{ Name, Value string }

// indexRow is a link in the table that stands first where there are several.
type indexRow struct {
	Anchor, Name, Region string
	Tone                 tone
	Outcome, Counts      string
	Cause                string
	order                int // in the report
}

// linksInFull is how many links are shown with everything, the broken ones first. Those beyond are shown with their
// causes and checks, but in words: a browser takes seconds over a thousand drawings that nobody looks at.
const linksInFull = 30

// utc is how the page tells a time.
const utc = "2006-01-02 15:04:05 UTC"

func newDocument(r *Report) (*document, error) {
	style, err := htmlFiles.ReadFile("html/style.css")
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(style)
	d := &document{
		Style: template.CSS(style), StyleHash: "sha256-" + base64.StdEncoding.EncodeToString(hash[:]),
		Tool:    clean(strings.TrimSpace(r.Tool + " " + r.Version)),
		Started: r.Started.UTC().Format(utc), Ended: r.Finished.UTC().Format(utc), Took: took(r.Finished.Sub(r.Started)),
	}
	for _, reason := range r.ExitReasons {
		d.Exits = append(d.Exits, clean(fmt.Sprintf("exit %d: %s", r.ExitCode, reason)))
	}
	for _, n := range r.Notes {
		d.Notes = append(d.Notes, clean("note: "+n))
	}
	for _, x := range r.NotInScope() {
		d.Outside = append(d.Outside, clean(x.words()))
	}
	evidence, err := newEvidence()
	if err != nil {
		return nil, err
	}
	if len(r.Links) > linksInFull {
		d.Mapped, evidence.of = evidence.mapped, nil
		d.Brief = fmt.Sprintf("The first %d links have everything that was seen; those below them are told in words. A run of one link (verify --link NAME --out DIR) has a page of its own with everything, and run.json has all of all.", linksInFull)
	}
	anchors := newAnchors(r)
	summary := r.Summary()
	d.Outcome, d.Tone, d.Counts = outcome(summary), outcomeTone(summary), counts(summary)
	if d.Single = len(r.Links) == 1; d.Single {
		d.Title = clean(r.Links[0].Observation.Link.Name) + ": " + d.Outcome
	} else {
		d.Index = indexOf(r, anchors)
		d.Outcome, d.Tone = fleetOutcome(d.Index)
		d.Title = plural(len(r.Links), "link", "links") + ": " + d.Outcome
	}
	order := make([]int, len(r.Links))
	for i := range order {
		order[i] = i
	}
	for i, row := range d.Index {
		order[i] = row.order
	}
	d.Links = func(yield func(*section) bool) {
		for k, i := range order {
			s := newSection(r, r.Links[i], anchors[i], evidence, k >= linksInFull)
			if d.Single {
				s.Remarks = slices.Concat(d.Exits, d.Notes)
			}
			if !yield(s) {
				return
			}
		}
	}
	d.Frameworks, d.MapVersion = evidence.frameworks(r, anchors), evidence.version
	d.made = made(r)
	return d, nil
}

// Made says what made the page. The template comes to it after the links, when run.json may have been written.
func (d *document) Made() ([]pair, error) {
	if d.digest == nil {
		return d.made, nil
	}
	sum, err := d.digest()
	return append(slices.Clone(d.made), pair{"SHA-256 of " + RunFile, sum}), err
}

// made says what made the page, for those who ask with which rules it was.
func made(r *Report) []pair {
	failOn, profile := r.FailOn, r.Profile
	if failOn == "" {
		failOn = suites.Critical
	}
	if profile == "" {
		profile = suites.Acceptance
	}
	pairs := []pair{
		{"Tool", clean(strings.TrimSpace(r.Tool + " " + r.Version))},
		{"Run", r.Started.UTC().Format(utc) + " to " + r.Finished.UTC().Format(utc)},
		{"Profile", clean(string(profile))},
		{"Fails the run", "checks of severity " + clean(string(failOn)) + " or more"},
		{"Exit code", fmt.Sprint(r.ExitCode)},
		{"Format of run.json", Format},
	}
	if r.Selection != "" {
		pairs = append(pairs, pair{"Only the checks", clean(r.Selection)})
	}
	if r.Catalogue != "" {
		pairs = append(pairs, pair{"SHA-256 of the checks and their revisions", clean(r.Catalogue)})
	}
	return pairs
}

// took tells a duration as short as it can be compared.
func took(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Millisecond:
		return fmt.Sprintf("%.2f ms", float64(d)/1e6)
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/1e6)
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

func outcomeTone(s suites.Summary) tone {
	switch {
	case s.RequiredFailed > 0:
		return bad
	case s.RequiredUntold > 0 || s.Failed+s.Passed == 0:
		return unsure
	case s.Failed > 0:
		return warn
	}
	return good
}

func statusTone(v suites.Verdict, failOn suites.Severity) tone {
	switch {
	case v.Status == suites.Passed:
		return good
	case v.Status == suites.Failed && suites.Required(v, failOn):
		return bad
	case v.Status == suites.Failed:
		return warn
	case v.Status == suites.Untold:
		return unsure
	}
	return dull
}
