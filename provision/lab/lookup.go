package lab

import (
	"strings"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// The methods below find a resource of the caller, in the Region of the call, or say what AWS says
// when there is none. A resource of another account does not exist for the caller.

func (c *call) vpc(id string) (*vpc, error) {
	if err := wellFormed(id, "vpc", "InvalidVpcID.Malformed"); err != nil {
		return nil, err
	}
	if v := c.vpcs[id]; v != nil && c.owns(v) {
		return v, nil
	}
	return nil, wire.Errorf(400, "InvalidVpcID.NotFound", "The vpc ID '%s' does not exist", id)
}

func (c *call) subnetByID(id string) (*subnet, error) {
	if err := wellFormed(id, "subnet", "InvalidSubnetID.Malformed"); err != nil {
		return nil, err
	}
	if s := c.subnets[id]; s != nil && c.owns(s) {
		return s, nil
	}
	return nil, wire.Errorf(400, "InvalidSubnetID.NotFound", "The subnet ID '%s' does not exist", id)
}

func (c *call) group(id string) (*securityGroup, error) {
	if err := wellFormed(id, "sg", "InvalidGroupId.Malformed"); err != nil {
		return nil, err
	}
	if g := c.groups[id]; g != nil && c.owns(g) {
		return g, nil
	}
	return nil, wire.Errorf(400, "InvalidGroup.NotFound", "The security group '%s' does not exist", id)
}

func (c *call) networkInterface(id string) (*networkInterface, error) {
	if err := wellFormed(id, "eni", "InvalidNetworkInterfaceId.Malformed"); err != nil {
		return nil, err
	}
	if n := c.interfaces[id]; n != nil && c.owns(n) {
		return n, nil
	}
	return nil, wire.Errorf(400, "InvalidNetworkInterfaceID.NotFound", "The networkInterface ID '%s' does not exist", id)
}

func (c *call) instance(id string) (*instance, error) {
	if err := wellFormed(id, "i", "InvalidInstanceID.Malformed"); err != nil {
		return nil, err
	}
	if i := c.instances[id]; i != nil && c.owns(i) {
		return i, nil
	}
	return nil, wire.Errorf(400, "InvalidInstanceID.NotFound", "The instance ID '%s' does not exist", id)
}

func (c *call) gateway(id string) (*internetGateway, error) {
	if err := wellFormed(id, "igw", "InvalidInternetGatewayId.Malformed"); err != nil {
		return nil, err
	}
	if g := c.gateways[id]; g != nil && c.owns(g) {
		return g, nil
	}
	return nil, wire.Errorf(400, "InvalidInternetGatewayID.NotFound", "The internetGateway ID '%s' does not exist", id)
}

// owns says whether the resource is the caller's and in the Region of the call.
func (c *call) owns(r resource) bool {
	o := r.record()
	return o.account == c.account && o.region == c.region
}

// required reads a parameter that must be there; name is how AWS spells it in the message.
func (c *call) required(key string) (string, error) {
	v := c.params.String(key)
	if v == "" {
		return "", wire.Errorf(400, "MissingParameter", "The request must contain the parameter %s", lowerFirst(key))
	}
	return v, nil
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// wellFormed refuses what cannot be an id of the kind. Ids are 8 to 17 hexadecimal digits behind
// the prefix.
func wellFormed(id, prefix, code string) error {
	rest, ok := strings.CutPrefix(id, prefix+"-")
	if ok && rest != "" && len(rest) <= 17 && strings.Trim(rest, hexDigits) == "" {
		return nil
	}
	return wire.Errorf(400, code, "Invalid id: \"%.128s\" (expecting \"%s-...\")", id, prefix)
}
