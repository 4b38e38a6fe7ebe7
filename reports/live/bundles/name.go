package bundles

import (
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/linkassay/linkassay/suites/canary"
)

// names are TIME-OUTCOME-LINK, so that a listing is in order of time.
var namePattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(\d{8}T\d{6}\.\d{3}Z)-(good|bad|untold)-([a-z0-9-]{1,60})$`)
})

const nameTime = "20060102T150405.000Z"

func newName(r canary.Round) string {
	word := map[canary.Outcome]string{canary.Good: "good", canary.Bad: "bad"}[r.Outcome]
	if word == "" {
		word = "untold"
	}
	link := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			return c
		}
		return '-'
	}, strings.ToLower(r.Link))
	return r.Started.UTC().Format(nameTime) + "-" + word + "-" + link[:min(len(link), 60)]
}

func isName(s string) bool { return namePattern().MatchString(s) }

func parseName(s string) (*kept, bool) {
	m := namePattern().FindStringSubmatch(s)
	if m == nil {
		return nil, false
	}
	at, err := time.Parse(nameTime, m[1])
	return &kept{at: at, good: m[2] == "good"}, err == nil
}
