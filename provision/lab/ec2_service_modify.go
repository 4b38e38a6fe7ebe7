package lab

import (
	"regexp"
	"slices"
	"strings"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// serviceChange is what one ModifyVpcEndpointServiceConfiguration would make of a service. It is
// worked out completely before anything is changed.
type serviceChange struct {
	acceptance    bool
	privateName   string
	loadBalancers []string
	ipTypes       []string
	regions       []string
}

// modifyServiceConfiguration is ModifyVpcEndpointServiceConfiguration. Called with the service id
// alone it picks up the zones that the load balancers have gained since.
func modifyServiceConfiguration(c *call) (any, error) {
	s, err := c.ownService(c.params.String("ServiceId"))
	if err != nil {
		return nil, err
	}
	if s.state != serviceAvailable {
		// UNSOURCED code and text.
		return nil, wire.Errorf(400, "OperationNotPermitted", "The VPC endpoint service '%s' is in the state %s", s.id, s.state)
	}
	change := serviceChange{regions: s.supportedRegions}
	if change.acceptance, err = c.params.Bool("AcceptanceRequired", s.acceptanceRequired); err != nil {
		return nil, err
	}
	if change.privateName, err = changedPrivateName(c, s); err != nil {
		return nil, err
	}
	if change.loadBalancers, err = changedBalancers(c, s); err != nil {
		return nil, err
	}
	if change.ipTypes, err = changedIPTypes(c, s, change.loadBalancers); err != nil {
		return nil, err
	}
	if change.regions, err = changedRegions(c, s); err != nil {
		return nil, err
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}

	s.acceptanceRequired = change.acceptance
	s.loadBalancers = change.loadBalancers
	s.zoneIDs = c.serviceZoneIDs(change.loadBalancers)
	s.ipTypes = change.ipTypes
	s.supportedRegions = change.regions
	if change.privateName != s.privateName {
		c.setPrivateName(s, change.privateName)
	}
	return done{true}, nil
}

// setPrivateName gives the service another private DNS name, or none. The new name has to be
// verified anew. Endpoints that had private DNS lose it: left on, they would answer for a name
// that nobody has verified. (What AWS does with them is UNSOURCED.)
func (c *call) setPrivateName(s *endpointService, name string) {
	s.privateName, s.verification = name, verification{}
	if name != "" {
		s.verification = c.newVerification()
	}
	for _, e := range c.endpoints {
		if e.serviceID == s.id && e.privateDNS {
			e.privateDNS, e.privateZone = false, ""
		}
	}
}

// newVerification makes the TXT record's label and value for a private DNS name.
func (c *call) newVerification() verification {
	return verification{state: verificationPending, name: "_" + c.alnum(20), value: "vpce:" + c.mixed(20)}
}

func changedPrivateName(c *call, s *endpointService) (string, error) {
	name, err := privateNameFrom(c.params.String("PrivateDnsName"))
	if err != nil {
		return "", err
	}
	remove, err := c.params.Bool("RemovePrivateDnsName", false)
	switch {
	case err != nil:
		return "", err
	case remove && name != "":
		return "", wire.Errorf(400, "InvalidParameterCombination", "PrivateDnsName and RemovePrivateDnsName cannot be used together")
	case remove:
		return "", nil
	case name != "":
		return name, nil
	}
	return s.privateName, nil
}

func changedBalancers(c *call, s *endpointService) ([]string, error) {
	add := unique(c.params.List("AddNetworkLoadBalancerArn"))
	remove := unique(c.params.List("RemoveNetworkLoadBalancerArn"))
	if len(c.params.List("AddGatewayLoadBalancerArn"))+len(c.params.List("RemoveGatewayLoadBalancerArn")) > 0 {
		return nil, wire.Errorf(400, "UnsupportedOperation", "The lab's services keep the Gateway Load Balancers that they were made with")
	}
	kind := "network"
	if s.gateway {
		kind = "gateway"
	}
	if err := c.checkServiceBalancers(add, s.id, kind); err != nil {
		return nil, err
	}
	for _, arn := range remove {
		if !slices.Contains(s.loadBalancers, arn) {
			// UNSOURCED code and text.
			return nil, wire.Errorf(400, "InvalidParameter", "The load balancer '%s' is not associated with the VPC endpoint service '%s'", shown(arn), s.id)
		}
	}
	if len(remove) > 0 && c.hasConnections(s, endpointPendingAcceptance, endpointPending, endpointAvailable) {
		return nil, wire.Errorf(400, "ExistingVpcEndpointConnections", "Service has existing active VPC Endpoint connections!")
	}
	left := slices.DeleteFunc(unique(append(slices.Clone(s.loadBalancers), add...)), func(arn string) bool {
		return slices.Contains(remove, arn)
	})
	if len(left) == 0 {
		// That one must stay is documented; the text is UNSOURCED.
		return nil, wire.Errorf(400, "InvalidParameter", "At least one load balancer must stay associated with the VPC endpoint service '%s'", s.id)
	}
	return left, nil
}

func changedIPTypes(c *call, s *endpointService, arns []string) ([]string, error) {
	add := c.params.List("AddSupportedIpAddressType")
	remove := c.params.List("RemoveSupportedIpAddressType")
	if len(add)+len(remove) == 0 {
		return s.ipTypes, nil
	}
	left := slices.DeleteFunc(unique(append(slices.Clone(s.ipTypes), add...)), func(t string) bool {
		return slices.Contains(remove, t)
	})
	if len(left) == 0 {
		return nil, wire.Errorf(400, "InvalidParameter", "The VPC endpoint service '%s' must support at least one IP address type", s.id) // UNSOURCED
	}
	return c.serviceIPTypes(left, arns)
}

func changedRegions(c *call, s *endpointService) ([]string, error) {
	remove := c.params.List("RemoveSupportedRegion")
	if slices.Contains(remove, s.region) {
		// That the host Region stays is documented; code and text are UNSOURCED.
		return nil, wire.Errorf(400, "InvalidParameter", "The Region %s hosts the VPC endpoint service '%s' and cannot be removed", s.region, s.id)
	}
	if err := c.checkRegions(c.params.List("AddSupportedRegion"), s.loadBalancers); err != nil {
		return nil, err
	}
	all := withHostRegion(append(slices.Clone(s.supportedRegions), c.params.List("AddSupportedRegion")...), s.region)
	return slices.DeleteFunc(all, func(r string) bool { return slices.Contains(remove, r) }), nil
}

// startVerification is StartVpcEndpointServicePrivateDnsVerification: the data plane looks the TXT
// record up in the lab's internet.
func startVerification(c *call) (any, error) {
	s, err := c.ownService(c.params.String("ServiceId"))
	if err != nil {
		return nil, err
	}
	if s.privateName == "" {
		// UNSOURCED code and text.
		return nil, wire.Errorf(400, "InvalidParameter", "The VPC endpoint service '%s' does not have a private DNS name", s.id)
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	// A verified name stays verified while it is looked up again.
	if s.verification.state == verificationFailed {
		s.verification.state = verificationPending
	}
	c.plane.verifyLater(s)
	return done{true}, nil
}

// modifyServicePayer is ModifyVpcEndpointServicePayerResponsibility. There is no way back from
// ServiceOwner, at AWS as here.
func (p *privateLink) modifyServicePayer(c *call) (any, error) {
	s, err := c.ownService(c.params.String("ServiceId"))
	if err != nil {
		return nil, err
	}
	switch payer := c.params.String("PayerResponsibility"); payer {
	case "ServiceOwner":
	case "":
		return nil, missingParameter("PayerResponsibility")
	default:
		return nil, wire.Errorf(400, "InvalidParameterValue", "Invalid value '%s' for PayerResponsibility: expected ServiceOwner", shown(payer))
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	p.ownerPays[s.id] = true
	return done{true}, nil
}

var dnsLabel = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$`)

// privateNameFrom checks a private DNS name: lower case, at least two labels, the first may be a
// wildcard. Mixed case is lowered, as Terraform's users see AWS do; the PrivateLink guide says only that names must
// be lower case, and that AWS never refuses one for it is UNSOURCED.
func privateNameFrom(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	lower := strings.ToLower(name)
	labels := strings.Split(strings.TrimPrefix(lower, "*."), ".")
	good := len(lower) <= 255 && len(labels) >= 2
	for _, l := range labels {
		good = good && dnsLabel.MatchString(l)
	}
	if !good {
		// UNSOURCED text.
		return "", wire.Errorf(400, "InvalidParameter", "The private DNS name '%s' is not a valid domain name", shown(name))
	}
	return lower, nil
}
