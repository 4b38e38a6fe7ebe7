package lab

import (
	"slices"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

type createEndpointResponse struct {
	Endpoint    endpointItem `xml:"vpcEndpoint"`
	ClientToken string       `xml:"clientToken,omitempty"`
}

type describeEndpointsResponse struct {
	Endpoints *wire.Set[endpointItem] `xml:"vpcEndpointSet"`
	NextToken string                  `xml:"nextToken,omitempty"` // AWS documents an empty string on the last page; absent is the same to clients
}

// endpointItem is a VpcEndpoint. PolicyDocument is left out where endpoints to services of customers have
// none, as seen at AWS.
type endpointItem struct {
	ID               string                       `xml:"vpcEndpointId"`
	Type             string                       `xml:"vpcEndpointType"`
	VPC              string                       `xml:"vpcId"`
	ServiceName      string                       `xml:"serviceName"`
	State            string                       `xml:"state"`
	RouteTables      *wire.Set[string]            `xml:"routeTableIdSet"`
	Subnets          *wire.Set[string]            `xml:"subnetIdSet"`
	Groups           *wire.Set[endpointGroupItem] `xml:"groupSet"`
	IPAddressType    string                       `xml:"ipAddressType"`
	DNSOptions       dnsOptionsItem               `xml:"dnsOptions"`
	PrivateDNS       bool                         `xml:"privateDnsEnabled"`
	RequesterManaged bool                         `xml:"requesterManaged"`
	Interfaces       *wire.Set[string]            `xml:"networkInterfaceIdSet"`
	DNSEntries       *wire.Set[dnsEntryItem]      `xml:"dnsEntrySet"`
	Created          string                       `xml:"creationTimestamp"`
	Tags             *wire.Set[tagItem]           `xml:"tagSet"`
	Owner            string                       `xml:"ownerId"`
	LastError        *lastErrorItem               `xml:"lastError"`
	ServiceRegion    string                       `xml:"serviceRegion"`
	Policy           string                       `xml:"policyDocument,omitempty"`
}

type endpointGroupItem struct {
	ID   string `xml:"groupId"`
	Name string `xml:"groupName"`
}

type dnsOptionsItem struct {
	RecordIPType string `xml:"dnsRecordIpType"`
}

type dnsEntryItem struct {
	Name string `xml:"dnsName"`
	Zone string `xml:"hostedZoneId"`
}

type lastErrorItem struct {
	Message string `xml:"message"`
	Code    string `xml:"code"`
}

func (w *world) endpointItem(e *endpoint) endpointItem {
	groups := []endpointGroupItem{}
	for _, id := range e.groups {
		if g := w.groups[id]; g != nil {
			groups = append(groups, endpointGroupItem{ID: g.id, Name: g.name})
		}
	}
	item := endpointItem{
		ID: e.id, Type: e.kind(), VPC: e.vpc, ServiceName: e.serviceName, State: e.state,
		RouteTables: wire.SetOf[string](nil), Subnets: wire.SetOf(slices.Clone(e.subnets)), Groups: wire.SetOf(groups),
		IPAddressType: e.ipAddressType, DNSOptions: dnsOptionsItem{RecordIPType: e.recordIPType}, PrivateDNS: e.privateDNS,
		Interfaces: wire.SetOf(slices.Clone(e.enis)), DNSEntries: wire.SetOf(w.dnsEntries(e)),
		Created: timestamp(e.created), Tags: tagSet(e.tags), Owner: e.account, ServiceRegion: e.serviceRegion(), Policy: e.policy,
	}
	if e.lastErrCode != "" {
		item.LastError = &lastErrorItem{Message: e.lastErrMessage, Code: e.lastErrCode}
	}
	return item
}

// describeEndpoints is DescribeVpcEndpoints: all of the caller's endpoints when none is named.
func describeEndpoints(c *call) (any, error) {
	found, err := c.namedEndpoints()
	if err != nil {
		return nil, err
	}
	filters, err := filtersFrom(c, "ip-address-type", "service-name", "service-region", "vpc-id", "vpc-endpoint-id", "vpc-endpoint-state", "vpc-endpoint-type")
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(e *endpoint) bool {
		return !filters.match(func(name string) []string {
			switch name {
			case "ip-address-type":
				return []string{e.ipAddressType}
			case "service-name":
				return []string{e.serviceName}
			case "service-region":
				return []string{e.serviceRegion()}
			case "vpc-id":
				return []string{e.vpc}
			case "vpc-endpoint-id":
				return []string{e.id}
			case "vpc-endpoint-state":
				return []string{e.state}
			case "vpc-endpoint-type":
				return []string{e.kind()}
			}
			return e.tags.filter(name)
		})
	})
	found, next, err := page(c, found, 1, 1000)
	if err != nil {
		return nil, err
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	items := make([]endpointItem, 0, len(found))
	for _, e := range found {
		items = append(items, c.endpointItem(e))
	}
	return &describeEndpointsResponse{Endpoints: wire.SetOf(items), NextToken: next}, nil
}

// namedEndpoints are those of VpcEndpointId.N, or all that can be seen yet.
func (c *call) namedEndpoints() ([]*endpoint, error) {
	ids := unique(c.params.List("VpcEndpointId"))
	if len(ids) == 0 {
		return slices.DeleteFunc(mine(c, c.endpoints), func(e *endpoint) bool { return e.visibleFrom.After(c.now) }), nil
	}
	var found []*endpoint
	for _, id := range ids {
		e, err := c.ownEndpoint(id)
		if err != nil {
			return nil, err
		}
		found = append(found, e)
	}
	return found, nil
}

type describeAssociationsResponse struct {
	Associations *wire.Set[struct{}] `xml:"vpcEndpointAssociationSet"`
}

// describeEndpointAssociations is DescribeVpcEndpointAssociations. Only Resource and ServiceNetwork
// endpoints have associations, so the answer is empty.
func describeEndpointAssociations(c *call) (any, error) {
	if _, err := c.namedEndpoints(); err != nil {
		return nil, err
	}
	if _, err := filtersFrom(c, "vpc-endpoint-id", "associated-resource-accessibility", "association-id", "associated-resource-id", "service-network-arn", "resource-configuration-group-arn", "service-network-resource-association-id"); err != nil {
		return nil, err
	}
	if _, _, err := page(c, []struct{}{}, 1, 100); err != nil {
		return nil, err
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	return &describeAssociationsResponse{Associations: wire.SetOf[struct{}](nil)}, nil
}
