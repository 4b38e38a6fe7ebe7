package suites

import (
	"fmt"
	"slices"
	"strings"
)

// Profile is a named set of checks: who asks decides what is asked.
type Profile string

// The profiles. A check's profiles are labels of it too.
const (
	Acceptance Profile = "acceptance" // every check: does the link work, and will it go on working?
	Canary     Profile = "canary"     // what can break while a link is in use: everything but advice
	Audit      Profile = "audit"      // who may use the link, what is exposed, encrypted, redundant, and whose the name is
)

// Profiles lists all profiles; the first is the default.
func Profiles() []Profile { return []Profile{Acceptance, Canary, Audit} }

// In says whether the check belongs to the profile.
func (c *Check) In(p Profile) bool {
	switch p {
	case Acceptance:
		return true
	case Canary:
		return c.Severity != Advice
	case Audit:
		return slices.Contains(auditAreas(), c.Area) || slices.Contains(auditChecks(), c.ID)
	}
	return false
}

// auditAreas are the areas of which an auditor asks every check.
func auditAreas() []string {
	return []string{"identity", "verification", "exposure", "resilience", "scope", "network"}
}

// auditChecks are what an auditor asks of the other areas.
func auditChecks() []string {
	return []string{
		"connection.provider-account", "connection.consumer-account", "connection.principal-allowed", "connection.accepted",
		"connection.sides-agree", "connection.endpoint-service", "connection.endpoint-security-group", "connection.load-balancer-security-group",
		"connection.healthy-target-in-each-zone", "dns.private-name-matches-endpoint", "dns.no-shadowing-zone",
		"reachability.closed-vantages", "reachability.tls-handshake", "reachability.tls-certificate", "reachability.tls-certificate-lasts",
	}
}

// ProfileFilter is the label filter that selects a profile's checks, of which filter selects a part; "" is
// the default profile.
func ProfileFilter(profile, filter string) (string, error) {
	p := Profile(profile)
	switch {
	case p == "" || p == Acceptance:
		return filter, nil
	case !slices.Contains(Profiles(), p):
		return "", fmt.Errorf("no profile %q: expected acceptance, canary or audit", profile)
	case strings.TrimSpace(filter) == "":
		return profile, nil
	}
	return profile + " && (" + filter + ")", nil
}
