package suites

import (
	"github.com/onsi/gomega"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

// identityChecks: the credentials belong to the accounts that the link file names. With the wrong
// ones every other answer would be about another account.
func identityChecks() []Check {
	account := func(id, title, item string, s Side, party func(provision.Link) provision.Party,
		who func(*probes.Observation) *probes.Item[probes.Identity],
	) Check {
		return check(id, title,
			revision(1), severity(Critical), side(s), needs(item),
			asserts("sts:GetCallerIdentity Account equals "+string(s)+".account of the link file"),
			why("with credentials of another account its resources are described, and the link's own seem not to exist"),
			source("STS API reference, GetCallerIdentity"),
			fix(func(o *probes.Observation) Fix {
				return Fix{
					Text:     "use credentials of account " + party(o.Link).Account + ", or correct the account",
					Command:  command(o.Link, s, "sts", "get-caller-identity"),
					LinkFile: string(s) + ": set profile or role to one of account " + party(o.Link).Account + ", or account to the one meant",
				}
			}),
			body(func(c *C, o *probes.Observation) {
				is, _ := value(who(o))
				want := party(o.Link).Account
				c.Fact("caller", "%s", is.ARN)
				c.Expect(is.Account).To(gomega.Equal(want), "the %s side's credentials belong to account %s, not %s", s, is.Account, want)
			}),
		)
	}
	return []Check{
		account("connection.provider-account", "the provider credentials are the provider's",
			"provider.identity", ProviderSide,
			func(l provision.Link) provision.Party { return l.Provider.Party },
			func(o *probes.Observation) *probes.Item[probes.Identity] { return o.Provider.Identity }),
		account("connection.consumer-account", "the consumer credentials are the consumer's",
			"consumer.identity", ConsumerSide,
			func(l provision.Link) provision.Party { return l.Consumer.Party },
			func(o *probes.Observation) *probes.Item[probes.Identity] { return o.Consumer.Identity }),
	}
}
