package suites

import (
	"slices"
	"strings"

	"github.com/onsi/gomega"

	"github.com/linkassay/linkassay/probes"
)

// verificationChecks: the provider owns the private DNS name, and the record that proves it is where
// AWS looks. The record is the cause and the state the effect, so the state comes after it. How a
// record usually goes wrong are checks of their own: each has another fix.
func verificationChecks() []Check {
	return slices.Concat(placeChecks(), valueChecks(), []Check{
		check("verification.txt-published", "the TXT record is published, value exact",
			revision(2), severity(Critical), side(ProviderSide),
			after("dns.private-name-of-service", "verification.zone-delegated", "verification.zone-public", "verification.no-cname",
				"verification.name-not-doubled", "verification.label-whole", "verification.domain-right",
				"verification.value-case-kept", "verification.value-unaltered", "verification.value-kept-beside-others", "verification.value-current"),
			needs("dns.txt"), wants("provider.service", "consumer.service"),
			rows("PL-TXT-001", "PL-TXT-016"),
			asserts("a name server that is authoritative for the domain, found by walking NS from the root, has the service's value at LABEL.DOMAIN, at a parent domain, or at the domain itself; the value matches exactly, case included"),
			why("AWS looks the record up in public DNS again and again: without it the name is not verified, or loses its verification later, and new connections are refused private DNS"),
			source("PrivateLink guide, Manage DNS names, domain ownership verification; EC2 API reference, PrivateDnsNameConfiguration"),
			fix(fixTXT),
			body(judgePublished),
		),
		check("verification.txt-servers-agree", "all name servers have the TXT record",
			revision(1), severity(Critical), side(ProviderSide),
			after("verification.txt-published"), needs("dns.txt"), rows("PL-TXT-012"),
			asserts("every authoritative server that answers has the value"),
			why("AWS asks any of the servers: one that lags behind or was forgotten makes the verification come and go"),
			source("PrivateLink guide, Manage DNS names; DNS changes can take up to 48 hours"),
			fix(fixTXT),
			body(judgeServersAgree),
		),
		check("verification.state", "AWS has verified the private DNS name",
			revision(2), severity(Critical), side(ProviderSide),
			after("dns.private-name-of-service"), because("verification.txt-published", "verification.txt-servers-agree"),
			needsOne("provider.service", "consumer.service"), wants("consumer.endpoint"),
			rows("PL-DNS-002", "PL-DNS-016", "PL-TXT-013"),
			asserts("PrivateDnsNameConfiguration.State, or PrivateDnsNameVerificationState as the consumer sees it, is verified"),
			why("consumers can enable private DNS only while the name is verified; when it is lost later, endpoints that have private DNS keep it, and new ones don't get it"),
			source("EC2 API reference, PrivateDnsNameConfiguration.State and StartVpcEndpointServicePrivateDnsVerification; PrivateLink guide, Manage DNS names"),
			fix(func(o *probes.Observation) Fix {
				return Fix{
					Text: "the record is right: start the verification and wait some minutes",
					Command: command(o.Link, ProviderSide, "ec2", "start-vpc-endpoint-service-private-dns-verification",
						"--service-id", serviceIDOf(o)),
				}
			}),
			body(func(c *C, o *probes.Observation) {
				skipWithoutName(c, o)
				state := verificationStateOf(o)
				if state == "" {
					c.Untold("neither side tells the verification state")
				}
				c.Fact("state", "%s", state)
				if e, ok := value(o.Consumer.Endpoint); ok && e.PrivateDNSEnabled && !same(state, "verified") {
					c.Fact("before", "it was verified once: endpoint %s has private DNS", e.ID)
				}
				c.Expect(same(state, "verified")).To(gomega.BeTrue(), "the private DNS name is %s", state)
			}),
		),
	})
}

func verificationStateOf(o *probes.Observation) string {
	own, provider := value(o.Provider.Service)
	seen, _ := value(o.Consumer.Service)
	if provider && own.Verification != nil {
		return own.Verification.State
	}
	return seen.VerificationState
}

func judgePublished(c *C, o *probes.Observation) {
	r, _ := judgedRecord(c, o)
	for _, owner := range ownersOf(r.all) {
		var said []string
		servers := 0
		for _, f := range r.all {
			if f.owner == owner && f.asked {
				servers++
				said = append(said, saidOf(f))
			}
		}
		if servers > 0 && telling(said) {
			c.Fact(owner, "%s at %d servers", list(sorted(said)), servers)
		}
	}
	if r.published {
		return
	}
	if !r.answered {
		c.Untold("no authoritative name server answered")
	}
	if same(verificationStateOf(o), "verified") {
		c.Fact("state", "still verified: AWS has not looked again yet")
	}
	c.Expect(r.published).To(gomega.BeTrue(), "no name server has a TXT record with %s at %s or above it", r.Want, txtOwner(r.TXT))
}

// telling leaves out the many names at which there is nothing.
func telling(said []string) bool {
	return slices.ContainsFunc(said, func(s string) bool { return s != string(probes.NXDomain) && s != string(probes.NoData) })
}

func judgeServersAgree(c *C, o *probes.Observation) {
	r := recordIn(o)
	// One owner name at which every server has the value is enough; else the fullest one is told.
	best, most := "", 0
	for _, owner := range ownersOf(r.all) {
		has, asked := tally(r.all, owner)
		if !looksAt(r.TXT, owner) {
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
	for _, f := range r.all {
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

// valueChecks: what stands where AWS looks is the value itself.
func valueChecks() []Check {
	of := func(how string) func(c *C, o *probes.Observation) (record, []string, string) {
		return func(c *C, o *probes.Observation) (r record, missed []string, owner string) {
			r, done := judgedRecord(c, o)
			if done {
				return r, nil, ""
			}
			if !r.answered {
				c.Untold("no authoritative name server answered")
			}
			texts, owner := r.textsAt()
			return r, slices.DeleteFunc(texts, func(t string) bool { return missOf(t, r.Want) != how }), owner
		}
	}
	others := func(o *probes.Observation, texts []string) (mine, unknown []string) {
		services, _ := value(o.Provider.Services)
		for _, t := range texts {
			i := slices.IndexFunc(services, func(s probes.OtherService) bool { return s.Verification != nil && s.Verification.Value == t })
			if i >= 0 {
				mine = append(mine, t+" of "+services[i].ID)
			} else {
				unknown = append(unknown, t)
			}
		}
		return mine, unknown
	}
	return []Check{
		check("verification.value-case-kept", "the TXT value keeps its upper case",
			revision(1), severity(Critical), side(ProviderSide),
			after("verification.zone-delegated"), needs("dns.txt"), rows("PL-TXT-005"),
			asserts("where the record is not published, no TXT record where AWS looks equals the value but for its case"),
			why("AWS compares the value exactly; some DNS hosts write it in lower case"),
			source("PrivateLink guide, Manage DNS names: the value is case-sensitive"),
			fix(fixTXTWhereItIs),
			body(func(c *C, o *probes.Observation) {
				if _, missed, owner := of(valueLowered)(c, o); len(missed) > 0 {
					c.Wrong(owner, "it has %s, which is the value in another case", quoted(missed))
				}
			}),
		),
		check("verification.value-unaltered", "nothing is added to or missing from the value",
			revision(1), severity(Critical), side(ProviderSide),
			after("verification.zone-delegated"), needs("dns.txt"), rows("PL-TXT-006"),
			asserts("where the record is not published, no TXT record where AWS looks has the value with quotes or spaces in it, without vpce: in front, or run together with something else"),
			why("AWS compares the whole text of the record; quotes typed into a form that adds its own become part of it"),
			source("PrivateLink guide, Manage DNS names; Route 53 guide, TXT record type: values are written in double quotes"),
			fix(fixTXTWhereItIs),
			body(func(c *C, o *probes.Observation) {
				r, missed, owner := of(valueAltered)(c, o)
				for _, t := range missed {
					c.Wrong(owner, "it has %q: %s", t, alteration(t, r.Want))
				}
			}),
		),
		check("verification.value-kept-beside-others", "another service's value has not replaced it",
			revision(1), severity(Critical), side(ProviderSide),
			after("verification.zone-delegated"), needs("dns.txt"), wants("provider.services"), rows("PL-TXT-008"),
			asserts("where the record is not published, no TXT record where AWS looks has the value of another service of the account instead"),
			why("each service has a value of its own; several share a TXT record set only if each keeps what is there"),
			source("PrivateLink guide, Manage DNS names: several values in one TXT record"),
			fix(fixTXTWhereItIs),
			body(func(c *C, o *probes.Observation) {
				_, missed, owner := of(valueOther)(c, o)
				if mine, _ := others(o, missed); len(mine) > 0 {
					c.Wrong(owner, "it has %s and not this service's value", list(mine))
				}
			}),
		),
		check("verification.value-current", "the TXT value is that of this service",
			revision(1), severity(Critical), side(ProviderSide),
			after("verification.zone-delegated"), needs("dns.txt"), wants("provider.services"), rows("PL-TXT-010"),
			asserts("where the record is not published, no TXT record where AWS looks has a vpce: value that belongs to no service of the account"),
			why("a service that is made anew, or gets another private DNS name, gets another value: the old record proves nothing"),
			source("EC2 API reference, PrivateDnsNameConfiguration; PrivateLink guide, Manage DNS names"),
			fix(fixTXTWhereItIs),
			body(func(c *C, o *probes.Observation) {
				_, missed, owner := of(valueOther)(c, o)
				if _, unknown := others(o, missed); len(unknown) > 0 {
					c.Wrong(owner, "it has %s, an older or a foreign value", quoted(unknown))
				}
			}),
		),
	}
}

// isDoubled says whether a name is one at which AWS looks with the zone's name once more at its end.
func (r record) isDoubled(owner string) bool {
	for _, end := range []string{r.deepest().Zone, r.Domain} {
		rest, ok := strings.CutSuffix(strings.ToLower(owner), "."+strings.ToLower(end))
		if ok && end != "" && end != "." && inDomain(rest, end) && looksAt(r.TXT, rest) {
			return true
		}
	}
	return false
}
