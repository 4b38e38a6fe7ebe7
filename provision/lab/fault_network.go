package lab

import (
	"context"
	"fmt"
)

// networkFaults: what no API call can break.
func networkFaults() []Fault {
	return []Fault{
		{
			Name: "zone-down", Text: "one availability zone drops every packet",
			Excludes: []string{"zone", "target-group"}, set: (*breaker).zoneDown,
		},
	}
}

func (b *breaker) zoneDown(ctx context.Context) error {
	subnets := b.lab.Subnets(b.link.Consumer.Account)
	if len(subnets) == 0 {
		return fmt.Errorf("account %s has no subnet", b.link.Consumer.Account)
	}
	b.lab.ZoneDown(subnets[0].ZoneID, true)
	return nil
}
