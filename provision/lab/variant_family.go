package lab

import (
	"context"

	"github.com/linkassay/linkassay/provision"
)

// familyVariants: links that apply does not build yet.
func familyVariants() []Variant {
	return []Variant{
		{Name: "dualstack", Text: "IPv6 beside IPv4, from the clients to the load balancer", Set: reshape((*breaker).dualstack)},
		{Name: "cross-region", Text: "consumer and service in different Regions", Prepare: serviceIn("ap-southeast-2", "ap-northeast-1")},
	}
}

// serviceIn puts the service into the first of the Regions that is not the consumer's.
func serviceIn(candidates ...string) func(o *Options) {
	return func(o *Options) {
		before := o.Link
		o.Link = func(l *provision.Link) {
			if before != nil {
				before(l)
			}
			for _, r := range candidates {
				if r != l.Region {
					l.Provider.Region = r
					return
				}
			}
		}
	}
}

// reshape is a Variant's Set that calls the API of both sides.
func reshape(set func(b *breaker, ctx context.Context) error) func(context.Context, *Lab, provision.Link) error {
	return func(ctx context.Context, l *Lab, link provision.Link) error {
		sides, err := provision.Open(ctx, &link, l.Open)
		if err != nil {
			return err
		}
		defer sides.Close()
		return set(&breaker{lab: l, link: link, sides: sides}, ctx)
	}
}
