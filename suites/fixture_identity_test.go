package suites

import (
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

// identities adds what the APIs say of the callers, and what else is on the service and in the VPC.
func identities(o *probes.Observation) {
	o.Link.Provider.Build = &provision.ProviderBuild{AllowedPrincipals: []string{"arn:aws:iam::222222222222:root", "arn:aws:iam::333333333333:root"}}
	if o.Link.Consumer.Build == nil {
		o.Link.Consumer.Build = &provision.ConsumerBuild{}
	}
	o.Consumer.Endpoint.Value.Policy = `{"Statement":[{"Action":"*","Effect":"Allow","Principal":"*","Resource":"*"}]}`
	api := probes.API{Requests: 40, ClockKnown: true, ClockOffset: -400 * time.Millisecond}
	o.Provider.API, o.Consumer.API = item(api), item(api)
	own := &o.Provider.Services.Value[0]
	own.State, own.LoadBalancerARNs = "Available", []string{lbARN}
	o.Provider.Services.Value = append(o.Provider.Services.Value, probes.OtherService{
		ID: "vpce-svc-0ccccccccccccccccc", State: "Available", LoadBalancerARNs: []string{"arn:aws:elasticloadbalancing:ap-southeast-1:111111111111:loadbalancer/net/billing/50dc6c495c0c9188"},
	})
	o.Provider.DryRuns = item([]probes.DryRun{
		{Operation: "ec2:CreateVpcEndpointServiceConfiguration", For: "make the service", Code: "InvalidParameter", Message: "LBs are already associated with another VPC Endpoint Service Configuration"},
		{Operation: "ec2:ModifyVpcEndpointServicePermissions", For: "allow the consumer", Code: probes.DryRunAllowed},
		{Operation: "ec2:AcceptVpcEndpointConnections", For: "accept the connection", Code: probes.DryRunAllowed},
	})
	o.Consumer.Endpoints = item([]probes.EndpointSummary{
		{ID: "vpce-0aaaaaaaaaaaaaaaa", Type: "Gateway", State: "available", ServiceName: "com.amazonaws.ap-southeast-1.s3"},
		{ID: endpointID, Type: "Interface", State: "available", ServiceName: service, Created: start},
	})
	o.Consumer.DryRuns = item([]probes.DryRun{
		{Operation: "ec2:CreateVpcEndpoint", For: "make the endpoint", Code: probes.DryRunAllowed},
		{Operation: "ec2:ModifyVpcEndpoint", For: "switch private DNS on", Code: probes.DryRunAllowed},
	})
}
