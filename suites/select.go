package suites

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/onsi/ginkgo/v2/types"
)

// ErrNothingSelected says that a label filter matches no check of no link.
var ErrNothingSelected = errors.New("nothing selected")

// Selection picks the checks to judge on a link.
type Selection func(link string, c Check) bool

// Select reads a Ginkgo label filter, such as "dns && !advice" or "link:orders". The labels of a
// check are its id, its area, its severity, and link:NAME. An empty filter selects all.
func Select(filter string) (Selection, error) {
	matches, err := types.ParseLabelFilter(filter)
	if err != nil {
		return nil, fmt.Errorf("label filter %q: %s; expected labels joined by &&, ||, ! and parentheses, such as 'dns && !advice'",
			filter, plain(bareError(err.Error())))
	}
	selected := func(link string, c Check) bool { return matches(append(c.Labels(), linkLabel(link))) }
	if strings.Contains(strings.ToLower(filter), "link") || strings.Contains(filter, "/") {
		return selected, nil
	}
	// It says nothing of links: what a check's labels say is the same on all of a fleet.
	var known sync.Map // of check ids to bool
	return func(link string, c Check) bool {
		if v, ok := known.Load(c.ID); ok {
			return v.(bool)
		}
		v := selected("", c)
		known.Store(c.ID, v)
		return v
	}, nil
}

// bareError takes what Ginkgo paints, and where it sends its own users, out of a message about a filter.
func bareError(s string) string {
	s = regexp.MustCompile(`\x1b\[[0-9;]*[A-Za-z]`).ReplaceAllString(s, "")
	s, _, _ = strings.Cut(s, "Learn more at:")
	return strings.TrimSuffix(strings.Join(strings.Fields(s), " "), ".")
}

// linkLabel is a link's label. Names come from a file, and Ginkgo ends the process on a label that
// it does not like, so other characters than those of a valid link name are replaced.
func linkLabel(link string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			return r
		}
		return '_'
	}, link)
	if name == "" {
		name = "_"
	}
	return "link:" + name
}
