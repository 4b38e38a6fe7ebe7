package lab

import (
	"slices"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// gatewayServices are AWS's own services that gateway endpoints lead to, which CreateVpcEndpoint makes
// when no type is given.
func gatewayServices(region string) []string {
	return []string{"com.amazonaws." + region + ".s3", "com.amazonaws." + region + ".dynamodb"}
}

// wantsGateway says whether a CreateVpcEndpoint is for a gateway endpoint to one of them.
func (c *call) wantsGateway() bool {
	kind := c.params.String("VpcEndpointType")
	return (kind == "" || kind == "Gateway") && slices.Contains(gatewayServices(c.region), c.params.String("ServiceName"))
}

// createGateway makes a gateway endpoint: an entry of the VPC, without interfaces and names. The lab has
// no route to what is behind it.
func createGateway(c *call) (any, error) {
	id, err := c.required("VpcId")
	if err != nil {
		return nil, err
	}
	v, err := c.vpc(id)
	if err != nil {
		return nil, err
	}
	for _, list := range []string{"SubnetId", "SecurityGroupId"} {
		if len(c.params.List(list)) > 0 {
			// UNSOURCED text.
			return nil, wire.Errorf(400, "InvalidParameter", "Subnets and security groups are not supported for Gateway endpoints")
		}
	}
	t, err := tagsFrom(c, "vpc-endpoint")
	if err != nil {
		return nil, err
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	e := &endpoint{
		owned:       owned{id: c.newID("vpce"), account: c.account, region: c.region, created: c.stamp(), tags: t},
		serviceName: c.params.String("ServiceName"), vpc: v.id, state: endpointAvailable, gateway: true,
		ipAddressType: "ipv4", recordIPType: "ipv4", visibleFrom: c.now.Add(c.timing.EndpointVisible),
	}
	c.endpoints[e.id] = e
	clientTokenKeep(c, e.id)
	return c.createdEndpoint(e), nil
}

// kind is the endpoint's VpcEndpointType.
func (e *endpoint) kind() string {
	if e.gateway {
		return "Gateway"
	}
	return "Interface"
}
