package suites

import (
	"slices"
	"strings"

	"github.com/linkassay/linkassay/probes"
)

// placeChecks: the record stands where AWS looks, in a zone that public DNS leads to.
func placeChecks() []Check {
	return []Check{
		check("verification.zone-delegated", "public DNS leads to the domain's zone",
			revision(1), severity(Critical), side(ProviderSide),
			after("dns.private-name-of-service"), needs("dns.txt"), wants("provider.hostedZones"), rows("PL-TXT-003"),
			asserts("where the record is not published: the way from the root leads below the top-level domain, to servers that don't refuse, and no public zone of the account that it does not lead to holds the record"),
			why("a zone that its parent does not name, or names other servers for, is nobody's: what stands in it is not found"),
			source("PrivateLink guide, Manage DNS names: a public DNS provider; Route 53 guide, Making Route 53 the DNS service for a domain, and Routing traffic for subdomains"),
			fix(fixDelegation),
			body(judgeDelegation),
		),
		check("verification.zone-public", "the record is not in a private zone only",
			revision(1), severity(Critical), side(ProviderSide),
			after("verification.zone-delegated"), needs("dns.txt"), wants("provider.hostedZones"), rows("PL-TXT-002"),
			asserts("where the record is not published, no private hosted zone of the account holds it (route53:ListHostedZonesByName, ListResourceRecordSets)"),
			why("AWS asks public name servers: what stands in a private zone is seen in its VPCs only"),
			source("PrivateLink guide, Manage DNS names: only public domain name servers"),
			fix(fixTXT),
			body(func(c *C, o *probes.Observation) {
				r, ok := unpublished(c, o)
				if !ok {
					return
				}
				r.needZones(c)
				for _, z := range r.zones {
					if owners := r.heldBy(z); z.Private && len(owners) > 0 {
						c.Wrong(owners[0], "the record stands in the private hosted zone %s (%s)", z.Name, z.ID)
					}
				}
			}),
		),
		check("verification.no-cname", "no CNAME hides the TXT record",
			revision(1), severity(Critical), side(ProviderSide),
			after("verification.zone-delegated"), needs("dns.txt"), wants("provider.hostedZones"), rows("PL-TXT-011"),
			asserts("where the record is not published, no name server answers LABEL.DOMAIN with a CNAME"),
			why("no other record can stand beside a CNAME, which leads the question away"),
			source("RFC 1034, section 3.6.2; PrivateLink guide, Manage DNS names"),
			fix(fixCNAME),
			body(func(c *C, o *probes.Observation) {
				r, ok := unpublished(c, o)
				if !ok {
					return
				}
				if owner, target, _ := r.cname(); owner != "" {
					c.Wrong(owner, "it is a CNAME to %s, where the value is not", target)
				}
			}),
		),
		misplacedCheck("verification.name-not-doubled", "the record's name has the domain only once",
			"PL-TXT-004", record.doubled,
			"where the record is not published, the value does not stand at a name that ends in the zone's name twice",
			"a DNS host that appends the zone's name to what is typed makes LABEL.DOMAIN.DOMAIN of a whole name without a dot at its end",
			fixMisplaced(record.doubled)),
		misplacedCheck("verification.label-whole", "the record's name keeps its underscore",
			"PL-TXT-007", record.withoutUnderscore,
			"where the record is not published, the value does not stand at the label without its underscore",
			"some DNS hosts take no underscores; AWS accepts the value at the domain itself instead",
			fixUnderscore),
		misplacedCheck("verification.domain-right", "the record is at the name or a domain above it",
			"PL-TXT-009", record.elsewhere,
			"where the record is not published, no public zone of the account holds the value below another domain than the private DNS name and those above it",
			"AWS looks at the private DNS name and above, never below or beside it",
			fixMisplaced(record.elsewhere)),
	}
}

// misplacedCheck fails when the value stands at one of the owner names that are given.
func misplacedCheck(id, title, row string, wrong func(r record) []string, statement, reason string, mend func(*probes.Observation) Fix) Check {
	return check(id, title,
		revision(1), severity(Critical), side(ProviderSide),
		after("verification.zone-delegated"), needs("dns.txt"), wants("provider.hostedZones"), rows(row),
		asserts(statement), why(reason),
		source("PrivateLink guide, Manage DNS names, domain ownership verification"),
		fix(mend),
		body(func(c *C, o *probes.Observation) {
			r, ok := unpublished(c, o)
			if !ok {
				return
			}
			if id == "verification.domain-right" {
				r.needZones(c)
			}
			for _, owner := range wrong(r) {
				c.Wrong(owner, "the value stands here, where AWS does not look; it looks at %s", txtOwner(r.TXT))
			}
		}),
	)
}

// unpublished reads the record, and says whether there is anything to judge.
func unpublished(c *C, o *probes.Observation) (record, bool) {
	r, done := judgedRecord(c, o)
	if done {
		return r, false
	}
	if !r.answered {
		c.Untold("no authoritative name server answered")
	}
	return r, true
}

// needZones says that what only the provider's zones can tell is not known, where they are not.
func (r record) needZones(c *C) {
	if !r.zonesKnown {
		c.Unknown("hosted zones", "the provider's could not be read")
	}
}

// misplaced are the names at which the value stands and AWS does not look.
func (r record) misplaced() []string {
	var out []string
	for _, f := range r.all {
		if f.has && !f.place {
			out = append(out, f.owner)
		}
	}
	for _, z := range r.zones {
		if !z.Private {
			for _, owner := range r.heldBy(z) {
				if !looksAt(r.TXT, owner) {
					out = append(out, owner)
				}
			}
		}
	}
	return sorted(out)
}

func (r record) doubled() []string {
	return slices.DeleteFunc(r.misplaced(), func(owner string) bool { return !r.isDoubled(owner) })
}

func (r record) withoutUnderscore() []string {
	return slices.DeleteFunc(r.misplaced(), func(owner string) bool { return !looksAt(r.TXT, "_"+owner) })
}

func (r record) elsewhere() []string {
	return slices.DeleteFunc(r.misplaced(), func(owner string) bool { return r.isDoubled(owner) || looksAt(r.TXT, "_"+owner) })
}

// cname is a CNAME at the label that leads to no value.
func (r record) cname() (owner, target string, ttl int64) {
	for _, f := range r.all {
		if n := len(f.question.Chain); f.place && !f.has && n > 0 && strings.HasPrefix(strings.ToLower(f.owner), strings.ToLower(r.Label)+".") &&
			sameName(f.question.Name, f.owner) {
			return f.owner, f.question.Chain[0], int64(f.question.TTL)
		}
	}
	return "", "", 0
}

// undelegated is a public zone of the account that holds the record and that public DNS does not
// lead to.
func (r record) undelegated() (probes.ProviderZone, bool) {
	i := slices.IndexFunc(r.zones, func(z probes.ProviderZone) bool { return !z.Private && !r.serves(z) && r.holdsAtPlace(z) })
	if i < 0 {
		return probes.ProviderZone{}, false
	}
	return r.zones[i], true
}

func judgeDelegation(c *C, o *probes.Observation) {
	r, done := judgedRecord(c, o)
	last := r.deepest()
	way := make([]string, len(r.Zones))
	for i, z := range r.Zones {
		way[i] = z.Zone
	}
	c.Fact("from the root", "%s", list(way))
	if done {
		return
	}
	servers := make([]string, len(last.Servers))
	for i, s := range last.Servers {
		servers[i] = s.Name
	}
	refused := len(r.all) > 0
	for _, f := range r.all {
		refused = refused && f.question.Outcome == probes.DNSRefused
	}
	z, held := r.undelegated()
	switch {
	case !strings.Contains(strings.Trim(last.Zone, "."), "."):
		c.Wrong(r.Domain, "the way from the root ends at %q, which names no servers for the domain", last.Zone)
	case refused:
		c.Wrong(last.Zone, "all servers that its parent names refuse to answer for it: %s", list(sorted(servers)))
	case held:
		c.Fact("zone "+z.ID, "%s", list(z.NameServers))
		c.Wrong(z.Name, "the record stands in zone %s, and the way from the root ends at %s with %s", z.ID, last.Zone, list(sorted(servers)))
	case !r.answered:
		c.Untold("no authoritative name server answered")
	}
}
