package lab

import (
	"cmp"
	"slices"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// endpointZoneOwner owns the hidden zones of private DNS names in ListHostedZonesByVPC. The API
// reference says that the owner is a service then, not how it is spelled (UNSOURCED).
const endpointZoneOwner = "vpce.amazonaws.com"

// listHostedZonesByName lists zones in the order of their names with the labels reversed, from
// dnsname and hostedzoneid on.
func listHostedZonesByName(c *call, r *restRequest) (any, error) {
	n, err := r.maxItems(100)
	if err != nil {
		return nil, err
	}
	from, fromID := r.query.Get("dnsname"), plainID(r.query.Get("hostedzoneid"))
	if from == "" && fromID != "" {
		return nil, invalidInput("You must specify DNSName when you specify HostedZoneId")
	}
	out := struct {
		HostedZones      hostedZones
		DNSName          string `xml:",omitempty"`
		HostedZoneID     string `xml:"HostedZoneId,omitempty"`
		IsTruncated      bool
		NextDNSName      string `xml:",omitempty"`
		NextHostedZoneID string `xml:"NextHostedZoneId,omitempty"`
		MaxItems         int
	}{HostedZoneID: fromID, MaxItems: n}
	if from != "" {
		name, bad := domainName(from)
		if bad != "" {
			return nil, wire.Errorf(400, "InvalidDomainName", "%s is not a valid domain name", from)
		}
		from, out.DNSName = name, showName(name)
	}
	order := func(nameA, idA, nameB, idB string) int {
		return cmp.Or(cmp.Compare(sortKey(nameA), sortKey(nameB)), cmp.Compare(idA, idB))
	}
	zones := c.myZones()
	slices.SortFunc(zones, func(a, b *hostedZone) int { return order(a.name, a.id, b.name, b.id) })
	if from != "" {
		zones = slices.DeleteFunc(zones, func(z *hostedZone) bool { return order(z.name, z.id, from, fromID) < 0 })
	}
	if len(zones) > n {
		out.IsTruncated, out.NextDNSName, out.NextHostedZoneID = true, showName(zones[n].name), zones[n].id
		zones = zones[:n]
	}
	for _, z := range zones {
		out.HostedZones.Items = append(out.HostedZones.Items, z.element())
	}
	return out, nil
}

type zoneSummary struct {
	ID    string `xml:"HostedZoneId"`
	Name  string
	Owner struct {
		Account string `xml:"OwningAccount,omitempty"`
		Service string `xml:"OwningService,omitempty"`
	}
}

// listHostedZonesByVPC lists the private zones that a VPC sees: those of any account, and the
// hidden ones that AWS makes for the private DNS names of endpoints.
func listHostedZonesByVPC(c *call, r *restRequest) (any, error) {
	n, err := r.maxItems(100)
	if err != nil {
		return nil, err
	}
	v, err := c.zoneVPC(zoneVPCElement{Region: r.query.Get("vpcregion"), ID: r.query.Get("vpcid")})
	if err != nil {
		return nil, invalidInput("The VPC %s in region %s doesn't exist or isn't yours", v.id, v.region)
	}
	var all []zoneSummary
	for _, z := range c.hostedZones {
		if slices.Contains(z.vpcs, v) {
			s := zoneSummary{ID: z.id, Name: showName(z.name)}
			s.Owner.Account = z.account
			all = append(all, s)
		}
	}
	for _, e := range c.endpoints {
		if name := c.privateNameOf(e); e.vpc == v.id && name != "" {
			s := zoneSummary{ID: e.privateZone, Name: showName(name) + "."}
			s.Owner.Service = endpointZoneOwner
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b zoneSummary) int {
		return cmp.Or(cmp.Compare(sortKey(a.Name), sortKey(b.Name)), cmp.Compare(a.ID, b.ID))
	})
	all, next, err := cut(all, c, r.query.Get("nexttoken"), n, wire.Errorf(400, "InvalidPaginationToken", "The pagination token is not valid"))
	if err != nil {
		return nil, err
	}
	var out struct {
		Summaries struct {
			Items []zoneSummary `xml:"HostedZoneSummary"`
		} `xml:"HostedZoneSummaries"`
		MaxItems  int
		NextToken string `xml:",omitempty"`
	}
	out.Summaries.Items, out.MaxItems, out.NextToken = all, n, next
	return out, nil
}
