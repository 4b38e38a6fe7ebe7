package lab

import (
	"encoding/xml"
	"slices"
	"strings"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// Record sets that every hosted zone has, as AWS writes them.
const (
	soaTTL    = 900
	nsTTL     = 172800
	soaFields = " awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"
)

type createHostedZoneRequest struct {
	XMLName         xml.Name
	Name            string
	VPC             *zoneVPCElement
	CallerReference string
	Config          struct {
		Comment     string
		PrivateZone bool
	} `xml:"HostedZoneConfig"`
	DelegationSetID string `xml:"DelegationSetId"`
}

type zoneVPCElement struct {
	Region string `xml:"VPCRegion"`
	ID     string `xml:"VPCId"`
}

type hostedZoneElement struct {
	ID              string `xml:"Id"`
	Name            string
	CallerReference string
	Config          struct {
		Comment     string `xml:",omitempty"`
		PrivateZone bool
	}
	Count int `xml:"ResourceRecordSetCount"`
}

type delegationSetElement struct {
	NameServers []string `xml:"NameServers>NameServer"`
}

type createHostedZoneResult struct {
	HostedZone    hostedZoneElement
	Info          changeInfo `xml:"ChangeInfo"`
	DelegationSet *delegationSetElement
	VPC           *zoneVPCElement
}

func (r createHostedZoneResult) location() string {
	return "https://route53.amazonaws.com/2013-04-01" + r.HostedZone.ID
}

// hostedZones is written also when it is empty: clients count on the element.
type hostedZones struct {
	Items []hostedZoneElement `xml:"HostedZone"`
}

func (z *hostedZone) element() hostedZoneElement {
	e := hostedZoneElement{ID: "/hostedzone/" + z.id, Name: showName(z.name), CallerReference: z.reference, Count: len(z.records)}
	e.Config.Comment, e.Config.PrivateZone = z.comment, z.private
	return e
}

func (z *hostedZone) delegationSet() *delegationSetElement {
	if z.private {
		return nil
	}
	return &delegationSetElement{z.nameServers}
}

func createHostedZone(c *call, r *restRequest) (any, error) {
	var in createHostedZoneRequest
	if err := wire.ParseXML(r.body, "CreateHostedZoneRequest", &in); err != nil {
		return nil, err
	}
	z, err := c.newHostedZone(in)
	if err != nil {
		return nil, err
	}
	out := createHostedZoneResult{HostedZone: z.element(), DelegationSet: z.delegationSet(), VPC: in.VPC}
	out.Info = c.submit(z, "", z.changeAll()).info()
	return out, nil
}

// newHostedZone makes a zone with its SOA and NS records. Its name servers have nothing of it yet.
func (c *call) newHostedZone(in createHostedZoneRequest) (*hostedZone, error) {
	private := in.VPC != nil
	name, bad := domainName(in.Name)
	switch {
	case in.CallerReference == "" || len(in.CallerReference) > 128:
		return nil, invalidInput("Invalid value for CallerReference: expected 1 to 128 characters")
	case in.Name == "" || bad != "" || name == "." || strings.Contains(name, "*") || !private && strings.Count(name, ".") < 2:
		return nil, wire.Errorf(400, "InvalidDomainName", "%s is not a valid domain name", in.Name)
	case in.Config.PrivateZone && !private:
		return nil, invalidInput("When you're creating a private hosted zone (when you specify true for PrivateZone), you must also specify values for VPCId and VPCRegion.")
	case in.DelegationSetID != "":
		return nil, wire.Errorf(400, "NoSuchDelegationSet", "The specified delegation set does not exist.")
	case len(in.Config.Comment) > 256:
		return nil, invalidInput("Invalid value for Comment: expected up to 256 characters")
	}
	for _, z := range c.hostedZones {
		if z.account == c.account && z.reference == in.CallerReference {
			return nil, wire.Errorf(409, "HostedZoneAlreadyExists", "A hosted zone has already been created with the specified caller reference.")
		}
	}
	z := &hostedZone{
		owned:     owned{id: "Z" + c.ids.upper(20), account: c.account, region: globalRegion, created: c.stamp(), tags: tags{}},
		name:      name,
		reference: in.CallerReference, comment: in.Config.Comment, private: private, records: map[recordKey]*recordSet{},
	}
	if private {
		v, err := c.zoneVPC(*in.VPC)
		if err != nil {
			return nil, err
		}
		if c.associated(v, name) != nil {
			return nil, wire.Errorf(400, "ConflictingDomainExists", "A conflicting domain is already associated with the given VPC or Delegation Set.")
		}
		z.vpcs = []zoneVPC{v}
		// These names stand in every private zone and lead nowhere.
		z.nameServers = []string{"ns-1536.awsdns-00.co.uk", "ns-0.awsdns-00.com", "ns-1024.awsdns-00.org", "ns-512.awsdns-00.net"}
	} else {
		for _, s := range c.plane.delegationSet() {
			z.nameServers = append(z.nameServers, strings.TrimSuffix(s, "."))
		}
	}
	ns := &recordSet{recordKey: recordKey{name, "NS"}, ttl: nsTTL}
	for _, s := range z.nameServers {
		ns.values = append(ns.values, s+".")
	}
	soa := &recordSet{recordKey: recordKey{name, "SOA"}, ttl: soaTTL, values: []string{ns.values[0] + soaFields}}
	z.records[ns.recordKey], z.records[soa.recordKey] = ns, soa
	c.hostedZones[z.id] = z
	return z, nil
}

func getHostedZone(c *call, r *restRequest) (any, error) {
	z, err := c.hostedZone(r.ids[0])
	if err != nil {
		return nil, err
	}
	out := struct {
		HostedZone    hostedZoneElement
		DelegationSet *delegationSetElement
		VPCs          []zoneVPCElement `xml:"VPCs>VPC"`
	}{HostedZone: z.element(), DelegationSet: z.delegationSet()}
	for _, v := range z.vpcs {
		out.VPCs = append(out.VPCs, zoneVPCElement{v.region, v.id})
	}
	return out, nil
}

func deleteHostedZone(c *call, r *restRequest) (any, error) {
	z, err := c.hostedZone(r.ids[0])
	if err != nil {
		return nil, err
	}
	for key := range z.records {
		if key.name != z.name || key.kind != "SOA" && key.kind != "NS" {
			return nil, wire.Errorf(400, "HostedZoneNotEmpty", "The specified hosted zone contains non-required resource record sets and so cannot be deleted.")
		}
	}
	delete(c.hostedZones, z.id)
	return changeResult{c.submit(z, "", nil).info()}, nil
}

// myZones lists the caller's hosted zones, oldest first.
func (c *call) myZones() []*hostedZone {
	var out []*hostedZone
	for _, z := range c.hostedZones {
		if z.account == c.account {
			out = append(out, z)
		}
	}
	byAge(out)
	return out
}

func listHostedZones(c *call, r *restRequest) (any, error) {
	n, err := r.maxItems(100)
	if err != nil {
		return nil, err
	}
	zones := c.myZones()
	switch kind := r.query.Get("hostedzonetype"); kind {
	case "":
	case "PrivateHostedZone":
		zones = slices.DeleteFunc(zones, func(z *hostedZone) bool { return !z.private })
	default:
		return nil, invalidInput("Invalid value '%s' for hostedzonetype", kind)
	}
	if r.query.Get("delegationsetid") != "" {
		return nil, wire.Errorf(400, "NoSuchDelegationSet", "The specified delegation set does not exist.")
	}
	out := struct {
		HostedZones hostedZones
		Marker      string `xml:",omitempty"`
		IsTruncated bool
		NextMarker  string `xml:",omitempty"`
		MaxItems    int
	}{Marker: r.query.Get("marker"), MaxItems: n}
	if out.Marker != "" {
		start := slices.IndexFunc(zones, func(z *hostedZone) bool { return z.id == plainID(out.Marker) })
		if start < 0 {
			return nil, invalidInput("The marker '%s' is not valid", out.Marker)
		}
		zones = zones[start:]
	}
	if len(zones) > n {
		out.IsTruncated, out.NextMarker, zones = true, zones[n].id, zones[:n]
	}
	for _, z := range zones {
		out.HostedZones.Items = append(out.HostedZones.Items, z.element())
	}
	return out, nil
}
