package lab

import (
	"slices"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

type describeConnectionsResponse struct {
	Connections *wire.Set[connectionItem] `xml:"vpcEndpointConnectionSet"`
	NextToken   string                    `xml:"nextToken,omitempty"`
}

// connectionItem is a VpcEndpointConnection: an endpoint as the provider sees it.
type connectionItem struct {
	ServiceID     string                  `xml:"serviceId"`
	EndpointID    string                  `xml:"vpcEndpointId"`
	Owner         string                  `xml:"vpcEndpointOwner"`
	State         string                  `xml:"vpcEndpointState"`
	Created       string                  `xml:"creationTimestamp"`
	DNSEntries    *wire.Set[dnsEntryItem] `xml:"dnsEntrySet"`
	LoadBalancers *wire.Set[string]       `xml:"networkLoadBalancerArnSet"`
	IPAddressType string                  `xml:"ipAddressType"`
	ID            string                  `xml:"vpcEndpointConnectionId"`
	Tags          *wire.Set[tagItem]      `xml:"tagSet"`
	Region        string                  `xml:"vpcEndpointRegion"`
}

// describeConnections is DescribeVpcEndpointConnections: the connections of all services that the
// caller owns.
func describeConnections(c *call) (any, error) {
	filters, err := filtersFrom(c, "ip-address-type", "service-id", "vpc-endpoint-owner", "vpc-endpoint-region", "vpc-endpoint-state", "vpc-endpoint-id")
	if err != nil {
		return nil, err
	}
	var found []*endpoint
	for _, e := range c.endpoints {
		if s := c.services[e.serviceID]; s != nil && c.owns(s) && !e.connectedFrom.After(c.now) && !e.hidden {
			found = append(found, e)
		}
	}
	byAge(found)
	found = slices.DeleteFunc(found, func(e *endpoint) bool {
		return !filters.match(func(name string) []string {
			switch name {
			case "ip-address-type":
				return []string{e.ipAddressType}
			case "service-id":
				return []string{e.serviceID}
			case "vpc-endpoint-owner":
				return []string{e.account}
			case "vpc-endpoint-region":
				if e.remote() {
					return []string{e.region, "cross-region"}
				}
				return []string{e.region}
			case "vpc-endpoint-state":
				return []string{e.state}
			case "vpc-endpoint-id":
				return []string{e.id}
			}
			return nil
		})
	})
	found, next, err := page(c, found, 5, 1000)
	if err != nil {
		return nil, err
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	items := make([]connectionItem, 0, len(found))
	for _, e := range found {
		items = append(items, connectionItem{
			ServiceID: e.serviceID, EndpointID: e.id, Owner: e.account, State: e.state,
			Created: timestamp(e.created), DNSEntries: wire.SetOf(c.publicNames(e)),
			LoadBalancers: wire.SetOf(slices.Clone(c.services[e.serviceID].loadBalancers)),
			IPAddressType: e.ipAddressType, ID: e.connectionID, Tags: wire.SetOf[tagItem](nil), Region: e.region,
		})
	}
	return &describeConnectionsResponse{Connections: wire.SetOf(items), NextToken: next}, nil
}

// acceptConnections is AcceptVpcEndpointConnections.
func acceptConnections(c *call) (any, error) {
	// Whether AWS lets a provider accept a connection again that it rejected is UNSOURCED; known
	// clients delete the endpoint and make a new one.
	return c.eachConnection("accepted", []string{endpointPendingAcceptance}, c.settleEndpoint)
}

// rejectConnections is RejectVpcEndpointConnections; it also ends connections that were accepted.
func rejectConnections(c *call) (any, error) {
	return c.eachConnection("rejected", []string{endpointPendingAcceptance, endpointPending, endpointAvailable}, (*endpoint).reject)
}

// eachConnection does something to the named connections of one service. Those that are unknown or
// in another state are listed in an HTTP 200.
func (c *call) eachConnection(what string, states []string, do func(*endpoint)) (any, error) {
	s, err := c.ownService(c.params.String("ServiceId"))
	if err != nil {
		return nil, err
	}
	ids := unique(c.params.List("VpcEndpointId"))
	if len(ids) == 0 {
		return nil, missingParameter("VpcEndpointId")
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	var failed []unsuccessfulResource
	for _, id := range ids {
		e := c.endpoints[id]
		switch {
		case e == nil || e.serviceID != s.id || e.visibleFrom.After(c.now):
			failed = append(failed, unsuccessful(id, "InvalidVpcEndpointId.NotFound", "The Vpc Endpoint Id '"+shown(id)+"' does not exist"))
		case !e.inState(states...):
			// UNSOURCED code and text.
			failed = append(failed, unsuccessful(id, codeWrongState, "The VPC endpoint connection "+id+" cannot be "+what+": its state is "+e.state))
		default:
			do(e)
		}
	}
	return &unsuccessfulResponse{Unsuccessful: wire.SetOf(failed)}, nil
}
