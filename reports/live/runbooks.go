package live

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/linkassay/linkassay/suites"
	"github.com/linkassay/linkassay/suites/canary"
)

// Runbooks say where it stands what to do about a check that fails. The zero value knows of none.
type Runbooks struct {
	all  string            // a template; "" without one
	some map[string]string // templates by check
}

// ParseRunbooks reads "URL", which is for all checks, and "CHECK=URL", which is for one. URLs are https, and hold {check}
// and {area} for the id of the check and its first part.
func ParseRunbooks(texts []string, catalogue []suites.Check) (Runbooks, error) {
	r := Runbooks{some: map[string]string{}}
	for _, text := range texts {
		check, address, one := strings.Cut(text, "=")
		if strings.Contains(check, "/") { // a URL with a query
			check, address, one = "", text, false
		}
		if !one {
			address = text
		}
		if err := checkRunbook(address); err != nil {
			return Runbooks{}, fmt.Errorf("%q: %w", text, err)
		}
		switch {
		case !one && r.all != "":
			return Runbooks{}, fmt.Errorf("%q: there is one for all checks already", text)
		case !one:
			r.all = address
		case !slices.ContainsFunc(catalogue, func(c suites.Check) bool { return c.ID == check }):
			return Runbooks{}, fmt.Errorf("%q: there is no check %q; see linkassay list checks", text, check)
		case r.some[check] != "":
			return Runbooks{}, fmt.Errorf("%q: there is one for %s already", text, check)
		default:
			r.some[check] = address
		}
	}
	return r, nil
}

func checkRunbook(address string) error {
	rest := fill(address, "x.y")
	if strings.ContainsAny(rest, "{}") {
		return errors.New("expected no placeholders but {check} and {area}")
	}
	u, err := url.Parse(rest)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return errors.New("expected an https URL, such as https://wiki.example.com/{check}")
	}
	if strings.ContainsAny(strings.TrimPrefix(address, "https://"), " \t\n\"<>") {
		return errors.New("expected a URL without spaces, quotes and angle brackets")
	}
	if host, _, _ := strings.Cut(strings.TrimPrefix(address, "https://"), "/"); strings.Contains(host, "{") {
		return errors.New("expected no placeholder in the host's name")
	}
	return nil
}

func fill(address, check string) string {
	area, _, _ := strings.Cut(check, ".")
	return strings.NewReplacer("{check}", url.PathEscape(check), "{area}", url.PathEscape(area)).Replace(address)
}

// Of is the address for a check, or "".
func (r Runbooks) Of(check string) string {
	address := r.some[check]
	if address == "" {
		address = r.all
	}
	return fill(address, check)
}

// In returns a sink that tells another one changes with the address for their cause.
func (r Runbooks) In(s canary.Sink) canary.Sink {
	if r.all == "" && len(r.some) == 0 {
		return s
	}
	return &withRunbook{s, r}
}

type withRunbook struct {
	canary.Sink
	runbooks Runbooks
}

// Change adds the address.
func (w *withRunbook) Change(c canary.Change) error {
	c.Incident.Runbook = w.runbooks.Of(c.Incident.Cause.Check)
	return w.Sink.Change(c)
}
