package suites

import (
	"slices"
	"testing"
)

func TestProfiles(t *testing.T) {
	t.Parallel()
	count := map[Profile]int{}
	for _, c := range Catalogue() {
		for _, p := range Profiles() {
			if c.In(p) {
				count[p]++
			}
			if c.In(p) != slices.Contains(c.Labels(), string(p)) {
				t.Errorf("%s: labels %v", c.ID, c.Labels())
			}
		}
	}
	all := len(Catalogue())
	if count[Acceptance] != all || count[Audit] == 0 || count[Audit] >= all || count[Canary] < all/2 {
		t.Errorf("%v of %d", count, all)
	}
	for _, id := range auditChecks() {
		if _, ok := Find(Catalogue(), id); !ok {
			t.Errorf("the audit profile names %s, which is no check", id)
		}
	}
}

func TestProfileFilter(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ profile, filter, want string }{
		{"", "", ""},
		{"acceptance", "dns || critical", "dns || critical"},
		{"audit", "", "audit"},
		{"canary", " ", "canary"},
		{"canary", "dns || critical", "canary && (dns || critical)"},
	} {
		got, err := ProfileFilter(x.profile, x.filter)
		if err != nil || got != x.want {
			t.Errorf("%q, %q: %q, %v", x.profile, x.filter, got, err)
		}
		selection, err := Select(got)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, c := range Catalogue() {
			if selection("l", c) {
				n++
			}
		}
		if n == 0 {
			t.Errorf("%q selects nothing", got)
		}
	}
	if _, err := ProfileFilter("nightly", ""); err == nil {
		t.Error("an unknown profile is taken")
	}
}
