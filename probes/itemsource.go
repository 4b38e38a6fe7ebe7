package probes

// ItemSource says in words which API calls or packets an item is gathered from; false when that is not told.
func ItemSource(name string) (string, bool) {
	s, ok := map[string]string{
		"provider.identity":       "sts:GetCallerIdentity",
		"provider.zones":          "ec2:DescribeAvailabilityZones",
		"provider.service":        "ec2:DescribeVpcEndpointServiceConfigurations",
		"provider.permissions":    "ec2:DescribeVpcEndpointServicePermissions",
		"provider.connections":    "ec2:DescribeVpcEndpointConnections",
		"provider.loadBalancers":  "elasticloadbalancing:DescribeLoadBalancers and DescribeLoadBalancerAttributes",
		"provider.listeners":      "elasticloadbalancing:DescribeListeners",
		"provider.targetGroups":   "elasticloadbalancing:DescribeTargetGroups and DescribeTargetGroupAttributes",
		"provider.targetHealth":   "elasticloadbalancing:DescribeTargetHealth; ec2:DescribeInstances and DescribeSubnets for zones",
		"provider.securityGroups": "ec2:DescribeSecurityGroups of the load balancers",
		"consumer.identity":       "sts:GetCallerIdentity",
		"consumer.zones":          "ec2:DescribeAvailabilityZones",
		"consumer.service":        "ec2:DescribeVpcEndpointServices",
		"consumer.endpoint":       "ec2:DescribeVpcEndpoints",
		"consumer.interfaces":     "ec2:DescribeNetworkInterfaces of the endpoint",
		"consumer.subnets":        "ec2:DescribeSubnets of the endpoint",
		"consumer.vpc":            "ec2:DescribeVpcs and DescribeVpcAttribute",
		"consumer.securityGroups": "ec2:DescribeSecurityGroups of the endpoint",
		"consumer.hostedZones":    "route53:ListHostedZonesByVPC",
		"dns.private":             "A and AAAA questions for the private DNS name to each vantage's resolver",
		"dns.regional":            "A and AAAA questions for the endpoint's regional name to each vantage's resolver",
		"dns.zonal":               "A and AAAA questions for the endpoint's zonal names to each vantage's resolver",
		"dns.txt":                 "NS and TXT questions from the root to the authoritative servers of the domain",
		"path.clients":            "the address of a socket at each vantage; ec2:DescribeSubnets and DescribeNetworkInterfaces of the endpoint's VPC",
		"path.clientGroups":       "ec2:DescribeSecurityGroups of the vantages' interfaces",
		"path.consumerAcls":       "ec2:DescribeNetworkAcls of the endpoint's VPC",
		"path.routes":             "ec2:DescribeRouteTables of the endpoint's VPC",
		"path.nodes":              "ec2:DescribeNetworkInterfaces of the load balancers",
		"path.targets":            "ec2:DescribeNetworkInterfaces of the registered targets",
		"path.targetGroups":       "ec2:DescribeSecurityGroups of the targets' interfaces",
		"path.providerAcls":       "ec2:DescribeNetworkAcls of the load balancers' VPCs",
		"reach.large":             "HTTP requests of several full packets to each interface, on connections of their own",
		"reach.tcp":               "TCP connects from each vantage to each interface and name, on each port",
		"reach.tls":               "TLS handshakes on those connections, and the certificates that they show",
		"reach.http":              "HTTP exchanges on those connections",
	}[name]
	return s, ok
}
