package provision

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53types "github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/linkassay/linkassay/provision/awsapi"
)

// defaultTXTTTL is what the PrivateLink guide suggests.
const defaultTXTTTL = 1800

// hostedZone is a public hosted zone.
type hostedZone struct{ id, name string }

// publicZone finds the public zone that holds name: the one with that id, or the longest of the
// account's. It is empty when there is none.
func publicZone(ctx context.Context, c *awsapi.Clients, id, name string) (hostedZone, error) {
	if id != "" {
		out, err := c.Route53.GetHostedZone(ctx, &route53.GetHostedZoneInput{Id: aws.String(id)})
		if err != nil {
			return hostedZone{}, attempted(err, "read the hosted zone %s", id)
		}
		zone := strings.TrimSuffix(aws.ToString(out.HostedZone.Name), ".")
		switch {
		case isPrivate(*out.HostedZone):
			return hostedZone{}, fmt.Errorf("the hosted zone %s is private, expected a public one: AWS looks for the TXT record in public DNS", id)
		case !holds(zone, name):
			return hostedZone{}, fmt.Errorf("the hosted zone %s is for %s, which does not hold %s", id, zone, name)
		}
		return hostedZone{id, zone}, nil
	}
	all, err := awsapi.All(ctx, route53.NewListHostedZonesPaginator(c.Route53, &route53.ListHostedZonesInput{}),
		func(o *route53.ListHostedZonesOutput) []r53types.HostedZone { return o.HostedZones })
	if err != nil {
		return hostedZone{}, attempted(err, "list hosted zones")
	}
	var best []hostedZone
	for _, z := range all {
		zone := strings.TrimSuffix(aws.ToString(z.Name), ".")
		if isPrivate(z) || !holds(zone, name) {
			continue
		}
		if len(best) > 0 && len(zone) > len(best[0].name) {
			best = nil
		}
		if len(best) == 0 || zone == best[0].name {
			best = append(best, hostedZone{strings.TrimPrefix(aws.ToString(z.Id), "/hostedzone/"), zone})
		}
	}
	switch len(best) {
	case 0:
		return hostedZone{}, nil
	case 1:
		return best[0], nil
	}
	return hostedZone{}, fmt.Errorf("%s and %s are both public hosted zones for %s: put the one that the parent zone delegates to into the link file as the provider's hostedZone",
		best[0].id, best[1].id, best[0].name)
}

func isPrivate(z r53types.HostedZone) bool { return z.Config != nil && z.Config.PrivateZone }

// holds says whether name is in zone.
func holds(zone, name string) bool { return name == zone || strings.HasSuffix(name, "."+zone) }

// txtSet is a TXT record set as it stands in Route 53. It does not exist when record is nil.
type txtSet struct {
	zone   hostedZone
	name   string
	record *r53types.ResourceRecordSet
	values []string // unquoted
}

func readTXT(ctx context.Context, c *awsapi.Clients, zone hostedZone, name string) (txtSet, error) {
	s := txtSet{zone: zone, name: name}
	out, err := c.Route53.ListResourceRecordSets(ctx, &route53.ListResourceRecordSetsInput{
		HostedZoneId: aws.String(zone.id), StartRecordName: aws.String(name), StartRecordType: r53types.RRTypeTxt, MaxItems: aws.Int32(1),
	})
	if err != nil {
		return s, attempted(err, "read the TXT record %s in zone %s", name, zone.id)
	}
	for _, r := range out.ResourceRecordSets {
		if !strings.EqualFold(strings.TrimSuffix(aws.ToString(r.Name), "."), name) || r.Type != r53types.RRTypeTxt {
			continue
		}
		if r.SetIdentifier != nil || r.AliasTarget != nil {
			return s, fmt.Errorf("the TXT record %s in zone %s has a routing policy or is an alias, expected simple routing", name, zone.id)
		}
		s.record = &r
		for _, v := range r.ResourceRecords {
			s.values = append(s.values, UnquoteTXT(aws.ToString(v.Value)))
		}
	}
	return s, nil
}

// add puts a value beside those that are there, and returns the id of the change.
func (s txtSet) add(ctx context.Context, c *awsapi.Clients, value string) (string, error) {
	return s.edit(ctx, c, func(s txtSet) *r53types.ResourceRecordSet {
		set := r53types.ResourceRecordSet{Name: aws.String(s.name), Type: r53types.RRTypeTxt, TTL: aws.Int64(defaultTXTTTL)}
		if s.record != nil {
			set = *s.record
		}
		if !slices.Contains(s.values, value) {
			set.ResourceRecords = append(slices.Clone(set.ResourceRecords), r53types.ResourceRecord{Value: aws.String(strconv.Quote(value))})
		}
		return &set
	})
}

// remove takes a value away and keeps the others. It returns "" when the value is not there.
func (s txtSet) remove(ctx context.Context, c *awsapi.Clients, value string) (string, error) {
	if !slices.Contains(s.values, value) {
		return "", nil
	}
	return s.edit(ctx, c, func(s txtSet) *r53types.ResourceRecordSet {
		if s.record == nil {
			return nil
		}
		set := *s.record
		set.ResourceRecords = slices.DeleteFunc(slices.Clone(set.ResourceRecords), func(r r53types.ResourceRecord) bool {
			return UnquoteTXT(aws.ToString(r.Value)) == value
		})
		if len(set.ResourceRecords) == 0 {
			return nil
		}
		return &set
	})
}

// edit replaces the record set by what wanted makes of it, nil for none. The old set is deleted as it
// was read and the new one created in one batch, which Route 53 refuses when somebody else changed the
// set in between: an UPSERT would lose their value. It is then read again, a few times.
func (s txtSet) edit(ctx context.Context, c *awsapi.Clients, wanted func(txtSet) *r53types.ResourceRecordSet) (string, error) {
	const tries = 4
	for try := 1; ; try++ {
		var changes []r53types.Change
		if s.record != nil {
			changes = append(changes, r53types.Change{Action: r53types.ChangeActionDelete, ResourceRecordSet: s.record})
		}
		if set := wanted(s); set != nil {
			changes = append(changes, r53types.Change{Action: r53types.ChangeActionCreate, ResourceRecordSet: set})
		}
		if len(changes) == 0 {
			return "", nil
		}
		out, err := c.Route53.ChangeResourceRecordSets(ctx, &route53.ChangeResourceRecordSetsInput{
			HostedZoneId: aws.String(s.zone.id),
			ChangeBatch:  &r53types.ChangeBatch{Comment: aws.String("linkassay"), Changes: changes},
		})
		switch {
		case err == nil:
			return aws.ToString(out.ChangeInfo.Id), nil
		case try == tries || !awsapi.IsCode(err, "InvalidChangeBatch"):
			return "", attempted(err, "change the TXT record %s in zone %s", s.name, s.zone.id)
		}
		if s, err = readTXT(ctx, c, s.zone, s.name); err != nil {
			return "", err
		}
	}
}

// waitInSync waits until all name servers of the zone have the change.
func waitInSync(ctx context.Context, r *runner, c *awsapi.Clients, change string) error {
	return r.wait(ctx, "the name servers", 0, func(ctx context.Context) (string, bool, error) {
		out, err := c.Route53.GetChange(ctx, &route53.GetChangeInput{Id: aws.String(change)})
		if err != nil {
			return "", false, attempted(err, "read the change %s", change)
		}
		return string(out.ChangeInfo.Status), out.ChangeInfo.Status == r53types.ChangeStatusInsync, nil
	})
}

// UnquoteTXT gives the text of a TXT value as Route 53 writes it: one or more quoted strings, joined.
func UnquoteTXT(v string) string {
	var b strings.Builder
	inside := false
	for i := 0; i < len(v); i++ {
		switch {
		case v[i] == '\\' && inside && i+1 < len(v):
			i++
			b.WriteByte(v[i])
		case v[i] == '"':
			inside = !inside
		case inside:
			b.WriteByte(v[i])
		}
	}
	if b.Len() == 0 && !strings.Contains(v, `"`) {
		return v
	}
	return b.String()
}
