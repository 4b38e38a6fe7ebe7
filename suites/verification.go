package suites

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/onsi/gomega"

	"github.com/linkassay/linkassay/probes"
)

// verificationChecks: the provider owns the private DNS name, and the record that proves it is where
// AWS looks. The record is the cause and the state the effect, so the state comes after it.
func verificationChecks() []Check {
	return []Check{
		check("verification.txt-published", "the TXT record is published, value exact",
			revision(1), severity(Critical), side(ProviderSide),
			after("dns.private-name-of-service"), needs("dns.txt"),
			asserts("a name server that is authoritative for the domain, found by walking NS from the root, has the service's value at LABEL.DOMAIN, at a parent domain, or at the domain itself; the value matches exactly, case included"),
			why("AWS looks the record up in public DNS again and again: without it the name is not verified, or loses its verification later, and new connections are refused private DNS"),
			source("PrivateLink guide, Manage DNS names, domain ownership verification; EC2 API reference, PrivateDnsNameConfiguration"),
			fix(fixTXT),
			body(judgePublished),
		),
		check("verification.txt-servers-agree", "all name servers have the TXT record",
			revision(1), severity(Critical), side(ProviderSide),
			after("verification.txt-published"), needs("dns.txt"),
			asserts("every authoritative server that answers has the value"),
			why("AWS asks any of the servers: one that lags behind or was forgotten makes the verification come and go"),
			source("PrivateLink guide, Manage DNS names; DNS changes can take up to 48 hours"),
			fix(fixTXT),
			body(judgeServersAgree),
		),
		check("verification.state", "AWS has verified the private DNS name",
			revision(1), severity(Critical), side(ProviderSide),
			after("dns.private-name-of-service"), because("verification.txt-published", "verification.txt-servers-agree"),
			needsOne("provider.service", "consumer.service"),
			asserts("PrivateDnsNameConfiguration.State, or PrivateDnsNameVerificationState as the consumer sees it, is verified"),
			why("consumers can enable private DNS only while the name is verified"),
			source("EC2 API reference, PrivateDnsNameConfiguration.State and StartVpcEndpointServicePrivateDnsVerification"),
			fix(func(o *probes.Observation) Fix {
				return Fix{
					Text: "the record is right: start the verification and wait some minutes",
					Command: command(o.Link, ProviderSide, "ec2", "start-vpc-endpoint-service-private-dns-verification",
						"--service-id", serviceIDOf(o)),
				}
			}),
			body(func(c *C, o *probes.Observation) {
				skipWithoutName(c, o)
				own, provider := value(o.Provider.Service)
				seen, _ := value(o.Consumer.Service)
				state := seen.VerificationState
				if provider && own.Verification != nil {
					state = own.Verification.State
				}
				if state == "" {
					c.Untold("neither side tells the verification state")
				}
				c.Fact("state", "%s", state)
				c.Expect(same(state, "verified")).To(gomega.BeTrue(), "the private DNS name is %s", state)
			}),
		),
	}
}

// finding is what one server answered for one owner name.
type finding struct {
	owner, server string
	place         bool // AWS looks at this owner name
	asked         bool // it answered, whatever it said
	has           bool // the wanted value is in the answer
	question      probes.TXTQuestion
}

func findingsOf(t probes.TXT) []finding {
	names := map[netip.Addr]string{}
	for _, z := range t.Zones {
		for _, s := range z.Servers {
			names[s.Addr] = s.Name
		}
	}
	var out []finding
	for _, q := range t.Asked {
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

func judgePublished(c *C, o *probes.Observation) {
	t, _ := value(o.DNS.TXT)
	if t.Want == "" {
		c.Untold("the service does not tell the value of the record")
	}
	c.Fact("wanted", "%s", t.Want)
	all := findingsOf(t)
	published := false
	var misplaced, other, unanswered []string
	answered := false
	for _, owner := range ownersOf(all) {
		var said []string
		servers := 0
		for _, f := range all {
			switch {
			case f.owner != owner:
				continue
			case !f.asked:
				unanswered = append(unanswered, f.server+": "+string(f.question.Outcome))
				continue
			case f.has && f.place:
				published = true
			case f.has:
				misplaced = append(misplaced, owner)
			default:
				other = append(other, valuesLike(f.question.Texts, t.Want)...)
			}
			answered = true
			servers++
			said = append(said, saidOf(f))
		}
		if servers > 0 && telling(said) {
			c.Fact(owner, "%s at %d servers", list(sorted(said)), servers)
		}
	}
	switch {
	case published:
		return
	case !answered:
		c.Untold("no authoritative name server answered (%s)", list(sorted(unanswered)))
	case len(misplaced) > 0:
		c.Fact("cause", "wrong place")
		c.Wrong("record", "it stands at %s, where AWS does not look", list(sorted(misplaced)))
	case len(other) > 0:
		c.Fact("cause", "wrong value")
		c.Expect(sorted(other)).To(gomega.ContainElement(t.Want), "the TXT record has %s, not %q", list(sorted(other)), t.Want)
	default:
		c.Fact("cause", "missing")
		c.Expect(published).To(gomega.BeTrue(), "no name server has a TXT record with %s at %s or above it", t.Want, txtOwner(t))
	}
}

// telling leaves out the many names at which there is nothing.
func telling(said []string) bool {
	return slices.ContainsFunc(said, func(s string) bool { return s != string(probes.NXDomain) && s != string(probes.NoData) })
}

func judgeServersAgree(c *C, o *probes.Observation) {
	t, _ := value(o.DNS.TXT)
	all := findingsOf(t)
	// One owner name at which every server has the value is enough; else the fullest one is told.
	best, most := "", 0
	for _, owner := range ownersOf(all) {
		has, asked := tally(all, owner)
		if !looksAt(t, owner) {
			continue
		}
		if has > 0 && has == asked {
			c.Fact(owner, "at all %d servers that answered", asked)
			return
		}
		if has > most {
			best, most = owner, has
		}
	}
	for _, f := range all {
		if f.owner != best {
			continue
		}
		switch {
		case f.has:
			c.Fact(f.server, "has it")
		case f.asked:
			c.Wrong(f.server, "%s: %s", best, saidOf(f))
		default:
			c.Fact(f.server, "%s", f.question.Outcome)
		}
	}
	if best == "" {
		c.Untold("no authoritative name server has the record") // txt-published could not be told either
	}
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
	values := make([]string, len(f.question.Texts))
	for i, t := range f.question.Texts {
		values[i] = fmt.Sprintf("%q", t)
	}
	return list(values)
}

// valuesLike are the texts that look like an attempt at the value: any vpce: value, or the wanted
// one in other case, in quotes, or without its prefix.
func valuesLike(texts []string, want string) []string {
	bare := strings.ToLower(strings.TrimPrefix(want, "vpce:"))
	var out []string
	for _, s := range texts {
		low := strings.ToLower(s)
		if strings.Contains(low, "vpce:") || bare != "" && strings.Contains(low, bare) {
			out = append(out, fmt.Sprintf("%q", s))
		}
	}
	return out
}

// isOtherValue says whether a text is the value of another service, which may share the record set.
func isOtherValue(text, want string) bool {
	return strings.HasPrefix(text, "vpce:") && !strings.Contains(strings.ToLower(text), strings.ToLower(strings.TrimPrefix(want, "vpce:")))
}

func txtOwner(t probes.TXT) string { return t.Label + "." + t.Domain }

// fixTXT writes the record next to what the name holds already: other services may share it.
func fixTXT(o *probes.Observation) Fix {
	t := maybe(o.DNS.TXT)
	owner := txtOwner(t)
	values := []string{t.Want}
	for _, q := range t.Asked {
		for _, text := range q.Texts {
			// Not what only looks like the value: a slip of the pen need not be kept.
			if sameName(q.Owner, owner) && len(valuesLike([]string{text}, t.Want)) == 0 || isOtherValue(text, t.Want) {
				values = append(values, text)
			}
		}
	}
	type record struct{ Value string }
	var records []record
	for _, v := range sorted(values) {
		records = append(records, record{`"` + strings.ReplaceAll(plain(v), `"`, `\"`) + `"`})
	}
	set := map[string]any{"Name": owner, "Type": "TXT", "TTL": 1800, "ResourceRecords": records}
	batch, err := json.Marshal(map[string]any{"Changes": []any{map[string]any{"Action": "UPSERT", "ResourceRecordSet": set}}})
	if err != nil || len(batch) > maxText {
		return Fix{Text: fmt.Sprintf("publish the TXT record %s with the value %s, and keep it for ever", owner, t.Want)}
	}
	return Fix{
		Text:    fmt.Sprintf("publish TXT %s %q in the domain's public zone, at all its name servers, and keep it for ever", owner, t.Want),
		Command: inHostedZone(o, t, "route53", "change-resource-record-sets", "--hosted-zone-id", zonePlace, "--change-batch", string(batch)),
	}
}

// zonePlace stands for the hosted zone's id where nobody knows it.
const zonePlace = "HOSTED_ZONE_ID"

// inHostedZone writes a command with the id of the domain's public hosted zone. Where the link file
// does not give it, the command asks Route 53 for it by the zone that the name servers were found by.
func inHostedZone(o *probes.Observation, t probes.TXT, args ...string) string {
	if id := o.Link.Provider.HostedZone; id != "" {
		args[slices.Index(args, zonePlace)] = strings.TrimPrefix(id, "/hostedzone/")
		return command(o.Link, ProviderSide, args...)
	}
	line := command(o.Link, ProviderSide, args...)
	if len(t.Zones) == 0 || !strings.Contains(t.Zones[len(t.Zones)-1].Zone, ".") || t.Zones[len(t.Zones)-1].Zone == "." {
		return line
	}
	zone := t.Zones[len(t.Zones)-1].Zone
	find := command(o.Link, ProviderSide, "route53", "list-hosted-zones-by-name", "--dns-name", zone, "--output", "text",
		"--query", "HostedZones[?Name==`\""+zone+".\"` && Config.PrivateZone==`false`].Id")
	return strings.Replace(line, zonePlace, `"$(`+find+`)"`, 1)
}
