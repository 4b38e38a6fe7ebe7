package suites

import "slices"

// Catalogue returns all checks, in the order in which a reader would follow the link: who is asked,
// the service, its load balancer and targets, the permission, the endpoint, who may do what and who else is there, names, connections, and
// the ownership of the domain. It is made anew on each call; callers may change what they get.
func Catalogue() []Check {
	return slices.Concat(
		identityChecks(),
		serviceChecks(),
		regionChecks(),
		loadBalancerChecks(),
		loadBalancerZoneChecks(),
		targetStateChecks(),
		targetPathChecks(),
		targetChecks(),
		resilienceChecks(),
		subnetChecks(),
		endpointChecks(),
		permitChecks(),
		scopeChecks(),
		exposureChecks(),
		securityGroupChecks(),
		clientPathChecks(),
		familyChecks(),
		zoneChecks(),
		verificationChecks(),
		vpcDNSChecks(),
		nameChecks(),
		tcpChecks(),
		proxyChecks(),
		tlsChecks(),
		httpChecks(),
	)
}
