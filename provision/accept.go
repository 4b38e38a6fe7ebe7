package provision

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Acceptance says that a finding is known and may stand until a day. It is shown all the same; it only
// doesn't fail a run.
type Acceptance struct {
	Check   string `yaml:"check" json:"check" jsonschema:"pattern=^[a-z]+\\.[a-z0-9]+(-[a-z0-9]+)*$,description=id of the check (linkassay list checks)"`
	Reason  string `yaml:"reason" json:"reason" jsonschema:"minLength=1,description=why it may stand; shown with the finding"`
	Expires string `yaml:"expires" json:"expires" jsonschema:"pattern=^[0-9]{4}-[0-9]{2}-[0-9]{2}$,description=the last day (UTC) on which it is accepted such as 2026-12-31"`
}

// maxReason bounds a reason in bytes: it stands in every report.
const maxReason = 400

// Holds says whether the finding is accepted at that time: until the end of the day of Expires, in UTC.
func (a Acceptance) Holds(at time.Time) bool {
	day, err := time.Parse(time.DateOnly, a.Expires)
	return err == nil && at.UTC().Before(day.AddDate(0, 0, 1))
}

var checkSyntax = regexp.MustCompile(`^[a-z]+\.[a-z0-9]+(-[a-z0-9]+)*$`)

// checkAccept checks the accepted findings. Which checks there are is not known here.
func (d *document) checkAccept(l *Link, at string) {
	seen := map[string]string{}
	for i, a := range l.Accept {
		at := at + "/" + strconv.Itoa(i)
		d.rule(a.Check == "" || checkSyntax.MatchString(a.Check), at+"/check", "check is %s, expected %s", show(a.Check), expectation("check"))
		d.unique(seen, a.Check, at+"/check", "accepted check")
		d.rule(!d.has(at+"/reason") || strings.TrimSpace(a.Reason) != "", at+"/reason", "reason is empty, expected %s", expectation("reason"))
		d.rule(len(a.Reason) <= maxReason, at+"/reason", "reason has %d bytes, expected at most %d", len(a.Reason), maxReason)
		if _, err := time.Parse(time.DateOnly, a.Expires); a.Expires != "" {
			d.rule(err == nil, at+"/expires", "expires is %s, expected %s", show(a.Expires), expectation("expires"))
		}
	}
}

// FindAcceptance returns what the link file says of a check, if it accepts its failure.
func (l *Link) FindAcceptance(check string) (Acceptance, bool) {
	for _, a := range l.Accept {
		if a.Check == check {
			return a, true
		}
	}
	return Acceptance{}, false
}

// String is how reports name an acceptance.
func (a Acceptance) String() string { return fmt.Sprintf("accepted until %s: %s", a.Expires, a.Reason) }
