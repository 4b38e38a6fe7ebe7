package suites

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/linkassay/linkassay/probes"
)

// record is what is known of the verification record: what the name servers answered, and what the
// provider's own zones hold.
type record struct {
	probes.TXT
	all        []finding
	published  bool // a server has the value where AWS looks
	answered   bool // a server answered at all
	zones      []probes.ProviderZone
	zonesKnown bool
}

// finding is what one server answered for one owner name.
type finding struct {
	owner, server string
	place         bool // AWS looks at this owner name
	asked         bool // it answered, whatever it said
	has           bool // the wanted value is in the answer
	question      *probes.TXTQuestion
}

// recordIn reads the record out of an Observation that has dns.txt and may have the provider's zones.
func recordIn(o *probes.Observation) record {
	t := maybe(o.DNS.TXT)
	r := record{TXT: t, all: findingsOf(t)}
	if o.Provider.HostedZones != nil {
		r.zones, r.zonesKnown = value(o.Provider.HostedZones)
	}
	for _, f := range r.all {
		r.published = r.published || f.has && f.place
		r.answered = r.answered || f.asked
	}
	return r
}

// judged reads the record for a body. A check of how the record went wrong passes where the record is
// published: what else there is does no harm.
func judgedRecord(c *C, o *probes.Observation) (r record, done bool) {
	r = recordIn(o)
	if r.Want == "" {
		c.Untold("the service does not tell the value of the record")
	}
	c.Fact("wanted", "%s", r.Want)
	if r.published {
		c.Fact("record", "published where AWS looks")
	}
	return r, r.published
}

func findingsOf(t probes.TXT) []finding {
	names := map[netip.Addr]string{}
	for _, z := range t.Zones {
		for _, s := range z.Servers {
			names[s.Addr] = s.Name
		}
	}
	out := make([]finding, 0, len(t.Asked))
	for i := range t.Asked {
		q := &t.Asked[i]
		f := finding{owner: q.Owner, server: or(names[q.Server.Addr()], q.Server.Addr().String()), question: q, place: looksAt(t, q.Owner)}
		switch q.Outcome {
		case probes.OK, probes.NXDomain, probes.NoData:
			f.asked, f.has = true, slices.Contains(q.Texts, t.Want)
		}
		out = append(out, f)
	}
	// A server that has a CNAME there has what stands at its end, which was asked for separately.
	for i, f := range out {
		if len(f.question.Chain) > 0 && len(f.question.Texts) == 0 {
			out[i].has = slices.ContainsFunc(out, func(g finding) bool { return g.owner == f.owner && g.has })
		}
	}
	return out
}

// looksAt says whether AWS looks for the record at this name: with or without the label, at the
// private DNS name or a domain above it. Probes also ask where it is often put by mistake.
func looksAt(t probes.TXT, owner string) bool {
	for d := t.Domain; strings.Contains(d, "."); _, d, _ = strings.Cut(d, ".") {
		if sameName(owner, d) || sameName(owner, t.Label+"."+d) {
			return true
		}
	}
	return false
}

// deepest is the zone in which the walk from the root ended.
func (r record) deepest() probes.ServersOf {
	if len(r.Zones) == 0 {
		return probes.ServersOf{}
	}
	return r.Zones[len(r.Zones)-1]
}

// heldBy are the owner names at which a zone of the provider's account holds the value itself.
func (r record) heldBy(z probes.ProviderZone) []string {
	var out []string
	for _, rec := range z.Records {
		if rec.Type == "TXT" && slices.Contains(rec.Texts, r.Want) {
			out = append(out, rec.Name)
		}
	}
	return out
}

// holdsAtPlace says whether a zone has the value at a name at which AWS would look.
func (r record) holdsAtPlace(z probes.ProviderZone) bool {
	return slices.ContainsFunc(r.heldBy(z), func(owner string) bool { return looksAt(r.TXT, owner) })
}

// serves says whether a zone of the account is the one that public DNS leads to.
func (r record) serves(z probes.ProviderZone) bool {
	if z.Private {
		return false
	}
	return slices.ContainsFunc(r.Zones, func(step probes.ServersOf) bool {
		return sameName(step.Zone, z.Name) && slices.ContainsFunc(step.Servers, func(s probes.Server) bool {
			return slices.ContainsFunc(z.NameServers, func(ns string) bool { return sameName(ns, s.Name) })
		})
	})
}

// public is the account's zone in which the record belongs: the one that the delegations lead to, or
// else the closest public one.
func (r record) public() (probes.ProviderZone, bool) {
	var best probes.ProviderZone
	found, served := false, false
	for _, z := range r.zones {
		if z.Private || !inDomain(r.Domain, z.Name) {
			continue
		}
		serves := r.serves(z)
		if !found || serves && !served || serves == served && len(z.Name) > len(best.Name) {
			best, found, served = z, true, serves
		}
	}
	return best, found
}

// inDomain says whether a name is a domain or below it.
func inDomain(name, domain string) bool { return sameName(name, domain) || covers("*."+domain, name) }

// textsAt are the texts that servers have where AWS looks and that look like an attempt at a value,
// with the names they stand at.
func (r record) textsAt() (texts []string, owner string) {
	for _, f := range r.all {
		if !f.place {
			continue
		}
		if like := attempts(f.question.Texts, r.Want); len(like) > 0 {
			texts = append(texts, like...)
			owner = or(owner, f.owner)
		}
	}
	return sorted(texts), owner
}

// attempts are the texts that look like an attempt at the value: any vpce: value, or the wanted
// one in other case, in quotes, or without its prefix.
func attempts(texts []string, want string) []string {
	bare := bareValue(want)
	var out []string
	for _, s := range texts {
		low := strings.ToLower(s)
		if strings.Contains(low, "vpce:") || bare != "" && strings.Contains(squeezed(low), bare) {
			out = append(out, s)
		}
	}
	return out
}

func bareValue(want string) string { return strings.ToLower(strings.TrimPrefix(want, "vpce:")) }

// squeezed takes out what is written around or into a value by mistake.
func squeezed(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\"'`\\“”’", r) {
			return -1
		}
		return r
	}, s)
}

// The ways in which a text can miss the value.
const (
	valueLowered = "in another case"
	valueAltered = "altered"
	valueOther   = "another value"
)

// missOf says how a text that looks like a value misses the wanted one.
func missOf(text, want string) string {
	switch {
	case strings.EqualFold(text, want):
		return valueLowered
	case strings.Contains(squeezed(strings.ToLower(text)), bareValue(want)):
		return valueAltered
	}
	return valueOther
}

// alteration says in words what was done to a value.
func alteration(text, want string) string {
	var how []string
	if strings.ContainsAny(text, "\"'`“”’\\") {
		how = append(how, "quotes are part of it")
	}
	if strings.ContainsAny(text, " \t") {
		how = append(how, "there are spaces in it")
	}
	plain := squeezed(text)
	if !strings.Contains(strings.ToLower(plain), "vpce:") {
		how = append(how, "vpce: is missing in front")
	} else if !strings.EqualFold(plain, want) {
		how = append(how, "it is run together with something else")
	}
	if len(how) == 0 {
		return "not the same"
	}
	return strings.Join(how, ", ")
}

func quoted(texts []string) string {
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = fmt.Sprintf("%q", t)
	}
	return list(out)
}

func tally(all []finding, owner string) (has, asked int) {
	for _, f := range all {
		if f.owner == owner && f.asked {
			asked++
			if f.has {
				has++
			}
		}
	}
	return has, asked
}

func ownersOf(all []finding) []string {
	var out []string
	for _, f := range all {
		if !slices.Contains(out, f.owner) {
			out = append(out, f.owner)
		}
	}
	return out
}

// saidOf says in a few words what a server has at a name.
func saidOf(f finding) string {
	if f.has {
		return "the value"
	}
	if f.question.Outcome != probes.OK {
		return string(f.question.Outcome)
	}
	return quoted(f.question.Texts)
}

func txtOwner(t probes.TXT) string { return t.Label + "." + t.Domain }
