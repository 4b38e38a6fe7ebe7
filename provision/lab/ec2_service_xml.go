package lab

import (
	"slices"
	"strings"
	"unicode"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

type createServiceResponse struct {
	Service     serviceItem `xml:"serviceConfiguration"`
	ClientToken string      `xml:"clientToken,omitempty"`
}

type describeServiceConfigurationsResponse struct {
	Services  *wire.Set[serviceItem] `xml:"serviceConfigurationSet"`
	NextToken string                 `xml:"nextToken,omitempty"`
}

type describeServicesResponse struct {
	Names     *wire.Set[string]            `xml:"serviceNameSet"`
	Details   *wire.Set[serviceDetailItem] `xml:"serviceDetailSet"`
	NextToken string                       `xml:"nextToken,omitempty"`
}

type serviceTypeItem struct {
	Type string `xml:"serviceType"`
}

// serviceItem is a ServiceConfiguration.
type serviceItem struct {
	Types              *wire.Set[serviceTypeItem]   `xml:"serviceType"`
	ID                 string                       `xml:"serviceId"`
	Name               string                       `xml:"serviceName"`
	State              string                       `xml:"serviceState"`
	ZoneIDs            *wire.Set[string]            `xml:"availabilityZoneIdSet"`
	Zones              *wire.Set[string]            `xml:"availabilityZoneSet"`
	AcceptanceRequired bool                         `xml:"acceptanceRequired"`
	ManagesEndpoints   bool                         `xml:"managesVpcEndpoints"`
	LoadBalancers      *wire.Set[string]            `xml:"networkLoadBalancerArnSet"`
	Gateways           *wire.Set[string]            `xml:"gatewayLoadBalancerArnSet"`
	IPTypes            *wire.Set[string]            `xml:"supportedIpAddressTypeSet"`
	BaseNames          *wire.Set[string]            `xml:"baseEndpointDnsNameSet"`
	PrivateName        string                       `xml:"privateDnsName,omitempty"`
	Verification       privateNameItem              `xml:"privateDnsNameConfiguration"` // empty, not absent, without a private name
	Payer              string                       `xml:"payerResponsibility,omitempty"`
	Tags               *wire.Set[tagItem]           `xml:"tagSet"`
	Regions            *wire.Set[serviceRegionItem] `xml:"supportedRegionSet"`
	RemoteAccess       bool                         `xml:"remoteAccessEnabled"`
}

type privateNameItem struct {
	State string `xml:"state,omitempty"`
	Type  string `xml:"type,omitempty"`
	Value string `xml:"value,omitempty"`
	Name  string `xml:"name,omitempty"`
}

type serviceRegionItem struct {
	Region string `xml:"region"`
	State  string `xml:"serviceState"`
}

// serviceDetailItem is a ServiceDetail.
type serviceDetailItem struct {
	Name               string                        `xml:"serviceName"`
	ID                 string                        `xml:"serviceId"`
	Types              *wire.Set[serviceTypeItem]    `xml:"serviceType"`
	Region             string                        `xml:"serviceRegion"`
	ZoneIDs            *wire.Set[string]             `xml:"availabilityZoneIdSet"`
	Zones              *wire.Set[string]             `xml:"availabilityZoneSet"`
	Owner              string                        `xml:"owner"`
	BaseNames          *wire.Set[string]             `xml:"baseEndpointDnsNameSet"`
	PrivateName        string                        `xml:"privateDnsName,omitempty"`
	PrivateNames       *wire.Set[privateDetailsItem] `xml:"privateDnsNameSet"`
	PolicySupported    bool                          `xml:"vpcEndpointPolicySupported"`
	AcceptanceRequired bool                          `xml:"acceptanceRequired"`
	ManagesEndpoints   bool                          `xml:"managesVpcEndpoints"`
	Payer              string                        `xml:"payerResponsibility,omitempty"`
	Tags               *wire.Set[tagItem]            `xml:"tagSet"`
	VerificationState  string                        `xml:"privateDnsNameVerificationState,omitempty"`
	IPTypes            *wire.Set[string]             `xml:"supportedIpAddressTypeSet"`
}

type privateDetailsItem struct {
	Name string `xml:"privateDnsName"`
}

// kind is the service's type: what kind of endpoint can use it.
func (s *endpointService) kind() string {
	if s.gateway {
		return "GatewayLoadBalancer"
	}
	return "Interface"
}

func (s *endpointService) types() *wire.Set[serviceTypeItem] {
	return wire.SetOf([]serviceTypeItem{{Type: s.kind()}})
}

func (s *endpointService) baseNames() *wire.Set[string] {
	return wire.SetOf([]string{s.id + "." + s.region + ".vpce.amazonaws.com"})
}

func (p *privateLink) payer(s *endpointService) string {
	if p.ownerPays[s.id] {
		return "ServiceOwner"
	}
	return ""
}

func (p *privateLink) serviceItem(c *call, s *endpointService) serviceItem {
	ids, names := c.commonZones(s, s.account)
	item := serviceItem{
		Types: s.types(), ID: s.id, Name: s.name, State: s.state,
		ZoneIDs: wire.SetOf(ids), Zones: wire.SetOf(names),
		AcceptanceRequired: s.acceptanceRequired,
		LoadBalancers:      wire.SetOf(slices.Clone(s.loadBalancers)),
		IPTypes:            wire.SetOf(slices.Clone(s.ipTypes)),
		BaseNames:          s.baseNames(),
		PrivateName:        s.privateName,
		Payer:              p.payer(s),
		Tags:               tagSet(s.tags),
		Regions:            wire.SetOf([]serviceRegionItem{}),
	}
	if s.gateway {
		item.LoadBalancers, item.Gateways = wire.SetOf([]string{}), item.LoadBalancers
	}
	if s.privateName != "" {
		v := s.verification
		item.Verification = privateNameItem{State: v.state, Type: "TXT", Value: v.value, Name: v.name}
	}
	for _, r := range s.supportedRegions {
		item.Regions.Items = append(item.Regions.Items, serviceRegionItem{Region: r, State: serviceAvailable})
		item.RemoteAccess = item.RemoteAccess || r != s.region
	}
	return item
}

func (p *privateLink) serviceDetail(c *call, s *endpointService) serviceDetailItem {
	ids, names := c.commonZones(s, c.account)
	item := serviceDetailItem{
		Name: s.name, ID: s.id, Types: s.types(), Region: s.region,
		ZoneIDs: wire.SetOf(ids), Zones: wire.SetOf(names), Owner: s.account, BaseNames: s.baseNames(),
		PrivateName: s.privateName, AcceptanceRequired: s.acceptanceRequired, Payer: p.payer(s),
		Tags: tagSet(s.tagsFor(c.account)), IPTypes: wire.SetOf(slices.Clone(s.ipTypes)),
	}
	if s.privateName != "" {
		item.PrivateNames = wire.SetOf([]privateDetailsItem{{Name: s.privateName}})
		item.VerificationState = s.verification.state
	}
	return item
}

// unsuccessfulResponse is an HTTP 200 that lists what did not work.
type unsuccessfulResponse struct {
	Unsuccessful *wire.Set[unsuccessfulResource] `xml:"unsuccessful"`
}

type unsuccessfulResource struct {
	Error struct {
		Code    string `xml:"code"`
		Message string `xml:"message"`
	} `xml:"error"`
	ID string `xml:"resourceId"`
}

func unsuccessful(id, code, message string) unsuccessfulResource {
	u := unsuccessfulResource{ID: id}
	u.Error.Code, u.Error.Message = code, message
	return u
}

func missingParameter(name string) *wire.Error {
	return wire.Errorf(400, "MissingParameter", "The request must contain the parameter %s", lowerFirst(name))
}

// unique drops repeated values and keeps the order.
func unique(values []string) []string {
	var out []string
	for _, v := range values {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// shown makes a caller's bytes fit to stand in a message.
func shown(s string) string {
	const most = 256
	clean := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, s)
	if runes := []rune(clean); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return clean
}
