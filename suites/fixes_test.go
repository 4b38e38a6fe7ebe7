package suites

import (
	"slices"
	"strings"
	"testing"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

// onlyRoot judges and returns the one verdict that failed.
func onlyRoot(t *testing.T, o *probes.Observation) Verdict {
	t.Helper()
	verdicts := Judge(o, Catalogue(), nil)
	roots := Roots(verdicts)
	if len(roots) != 1 {
		t.Fatalf("failed: %v", byStatus(verdicts, Failed))
	}
	return roots[0]
}

func TestFixesUseWhatIsKnown(t *testing.T) {
	t.Parallel()
	drain := func(o *probes.Observation, zone string) {
		for i := range o.Provider.TargetHealth.Value {
			if h := &o.Provider.TargetHealth.Value[i]; h.TargetGroupARN == "tg/https" && (zone == "" || h.ZoneID == zone) {
				h.State, h.Reason, h.Port = "draining", "Target.DeregistrationInProgress", 8443
			}
		}
	}
	tests := []struct {
		name, root string
		side       Side
		command    string
		make       func(o *probes.Observation)
	}{
		{
			"deregistered targets are registered again", "connection.healthy-target", ProviderSide,
			"elbv2 register-targets --target-group-arn tg/https --targets Id=i-00,Port=8443 Id=i-01,Port=8443 Id=i-02,Port=8443 ",
			func(o *probes.Observation) { drain(o, "") },
		},
		{
			"so are those of one zone", "connection.healthy-target-in-endpoint-zones", ProviderSide,
			"elbv2 register-targets --target-group-arn tg/https --targets Id=i-01,Port=8443 ",
			func(o *probes.Observation) { drain(o, zones[1]) },
		},
		{
			"a zone's own targets are mended first", "connection.healthy-target-in-endpoint-zones", ProviderSide,
			"elbv2 describe-target-health --target-group-arn tg/https ",
			func(o *probes.Observation) {
				o.Provider.LoadBalancers.Value[0].CrossZone = true
				o.Provider.TargetGroups.Value[1].CrossZone = "false"
				unhealthy(o, "Target.Timeout", zones[1])
			},
		},
		{
			"a stopped instance is started", "connection.healthy-target-in-endpoint-zones", ProviderSide,
			"ec2 start-instances --instance-ids i-01 ",
			func(o *probes.Observation) {
				for i := range o.Provider.TargetHealth.Value {
					if h := &o.Provider.TargetHealth.Value[i]; h.ZoneID == zones[1] {
						h.State, h.Reason = "unused", "Target.InvalidState"
					}
				}
			},
		},
		{
			"a target that one port lacks is the one that the other has", "connection.healthy-target-in-endpoint-zones", ProviderSide,
			"elbv2 register-targets --target-group-arn tg/https --targets Id=i-01 ",
			func(o *probes.Observation) {
				o.Provider.TargetHealth.Value = slices.DeleteFunc(o.Provider.TargetHealth.Value, func(h probes.TargetHealth) bool {
					return h.TargetGroupARN == "tg/https" && h.ZoneID == zones[1]
				})
			},
		},
		{
			"a zone that other VPCs see is taken off this one", "dns.no-shadowing-zone", ConsumerSide,
			"route53 disassociate-vpc-from-hosted-zone --hosted-zone-id ZHIDING --vpc VPCRegion=ap-southeast-1,VPCId=vpc-0aa ",
			func(o *probes.Observation) { hiding(o, 2, 3) },
		},
		{
			"a zone that no other VPC sees is emptied", "dns.no-shadowing-zone", ConsumerSide,
			"$(aws route53 list-resource-record-sets --hosted-zone-id ZHIDING ",
			func(o *probes.Observation) { hiding(o, 1, 3) },
		},
		{
			"and deleted", "dns.no-shadowing-zone", ConsumerSide,
			" && aws route53 delete-hosted-zone --id ZHIDING ",
			func(o *probes.Observation) { hiding(o, 1, 3) },
		},
		{
			"cross-zone load balancing is not turned on twice", "connection.healthy-target-in-each-zone", ProviderSide,
			"elbv2 describe-target-health --target-group-arn tg/http ",
			func(o *probes.Observation) {
				o.Provider.LoadBalancers.Value[0].CrossZone = true
				unhealthy(o, "Target.Timeout", zones[1])
			},
		},
		{
			"a listener is put in front of the spare target group", "connection.listener-on-each-port", ProviderSide,
			"TargetGroupArn=tg/spare ",
			func(o *probes.Observation) {
				o.Link.Ports[1].TargetPort = 8443
				o.Provider.Listeners.Value = o.Provider.Listeners.Value[:1]
				o.Provider.TargetGroups.Value = []probes.TargetGroup{{ARN: "tg/http", Port: 80}, {ARN: "tg/spare", Port: 8443}}
			},
		},
		{
			"the target group of the port that answers wrongly", "reachability.http-interfaces", ProviderSide,
			"describe-target-health --target-group-arn tg/https ",
			func(o *probes.Observation) {
				for i := range o.Reach.HTTP.Value {
					if x := &o.Reach.HTTP.Value[i]; x.Addr.Port() == 443 {
						x.Status = 503
					}
				}
			},
		},
		{
			"the hosted zone of the link file", "verification.txt-published", ProviderSide, "--hosted-zone-id Z0123 ",
			func(o *probes.Observation) { o.Link.Provider.HostedZone = "/hostedzone/Z0123"; setTXT(o, withoutTXT) },
		},
		{
			"a hosted zone that nobody knows is asked for", "verification.txt-published", ProviderSide, "--hosted-zone-id \"$(aws route53 list-hosted-zones-by-name",
			func(o *probes.Observation) { txtGone(o); o.Provider.HostedZones.Value = nil },
		},
		{
			// The group admits its own members only, and the vantage is none.
			"a security group that leaves the vantage out", "connection.endpoint-security-group", ConsumerSide,
			"ec2 authorize-security-group-ingress --group-id sg-0e --ip-permissions 'IpProtocol=tcp,FromPort=80,ToPort=80,IpRanges=[{CidrIp=10.0.0.0/16}]' 'IpProtocol=tcp,FromPort=443,ToPort=443,IpRanges=[{CidrIp=10.0.0.0/16}]' ",
			func(o *probes.Observation) {
				o.Consumer.SecurityGroups.Value[0].Ingress = []probes.SecurityGroupRule{{Protocol: "-1", GroupID: "sg-0e"}}
				allTCP(o, probes.TimedOut)
			},
		},
		{
			// The same, where the vantage's own groups are not known.
			"a security group that seems to leave the vantage out", "reachability.tcp-interfaces", ConsumerSide,
			"ec2 authorize-security-group-ingress --group-id sg-0e --protocol tcp --port 80 --cidr 10.0.0.0/16 ",
			func(o *probes.Observation) {
				o.Path.Clients.Value[0].InterfaceID, o.Path.Clients.Value[0].GroupIDs = "", nil
				o.Consumer.SecurityGroups.Value[0].Ingress = []probes.SecurityGroupRule{{Protocol: "-1", GroupID: "sg-0e"}}
				allTCP(o, probes.TimedOut)
			},
		},
		{
			"the wrong account is not the one to allow", "connection.consumer-account", ConsumerSide, "sts get-caller-identity ",
			func(o *probes.Observation) { o.Link.Consumer.Account = "333333333334" },
		},
	}
	for _, x := range tests {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			o := healthy()
			x.make(o)
			v := onlyRoot(t, o)
			if v.Check != x.root || v.Side != x.side || v.Fix == nil || !strings.Contains(v.Fix.Command, x.command) {
				t.Errorf("%s on the %s side: %+v\nwant %s on the %s side with %s", v.Check, v.Side, v.Fix, x.root, x.side, x.command)
			}
		})
	}
}

// hiding gives the consumer's VPC a zone for the private name, which so many VPCs see.
func hiding(o *probes.Observation, vpcs int, records int64) {
	o.Consumer.HostedZones.Value = append(o.Consumer.HostedZones.Value, probes.HostedZone{
		ID: "ZHIDING", Name: name, OwnerAccount: "222222222222", VPCs: vpcs, Records: records,
	})
	noPrivateName(o)
}

// Cross-zone load balancing is the other way, on where it is decided: a target group's own setting goes before the load
// balancer's.
func TestCrossZoneIsTheOtherWay(t *testing.T) {
	t.Parallel()
	o := healthy()
	o.Provider.LoadBalancers.Value[0].CrossZone = true
	o.Provider.TargetGroups.Value[1].CrossZone = "false"
	unhealthy(o, "Target.Timeout", zones[1])
	const want = "turn load_balancing.cross_zone.enabled on in target group tg/https"
	if v := onlyRoot(t, o); !strings.HasSuffix(v.Fix.Text, want) {
		t.Errorf("%q does not end with %q", v.Fix.Text, want)
	}
	o = healthy()
	o.Provider.LoadBalancers.Value[0].CrossZone = true
	unhealthy(o, "Target.Timeout", zones[1])
	if v := onlyRoot(t, o); strings.Contains(v.Fix.Text, "cross_zone") {
		t.Errorf("it is on: %q", v.Fix.Text)
	}
}

// A link of which only names are known, with vantages in another company's VPC, is told from them
// alone, and the exit code is 0.
func TestVantagesWithoutTheConsumersAccount(t *testing.T) {
	t.Parallel()
	o := healthy()
	i := slices.IndexFunc(variants(), func(v variant) bool { return v.name == "provider-only" })
	dns, reached, vantages := o.DNS, o.Reach, o.Link.Vantages
	variants()[i].make(o)
	o.DNS, o.Reach, o.Link.Vantages = dns, reached, vantages
	absent(&o.DNS.Regional, probes.NoConsumerAccess)
	absent(&o.DNS.Zonal, probes.NoConsumerAccess)
	private := func(t probes.Target) bool { return t.Kind == probes.TargetPrivate }
	for i, a := range o.Reach.TCP.Value {
		if a.Vantage == outside {
			o.Reach.TCP.Value[i].Target = probes.Target{Kind: probes.TargetPrivate, Name: name}
		}
	}
	o.Reach.TCP.Value = slices.DeleteFunc(o.Reach.TCP.Value, func(a probes.Attempt) bool { return !private(a.Target) })
	o.Reach.TLS.Value = slices.DeleteFunc(o.Reach.TLS.Value, func(h probes.Handshake) bool { return !private(h.Target) })
	o.Reach.HTTP.Value = slices.DeleteFunc(o.Reach.HTTP.Value, func(x probes.Exchange) bool { return !private(x.Target) })
	o.Link.Consumer.Access = provision.AccessNone

	verdicts := Judge(o, Catalogue(), nil)
	for _, v := range verdicts {
		if v.Status != Passed && v.Status != Skipped {
			t.Errorf("%s: %s: %s", v.Check, v.Status, v.Reason)
		}
	}
	for _, id := range []string{"reachability.http-interfaces", "reachability.http-aws-names"} {
		if !slices.ContainsFunc(NotVerified(verdicts), func(v Verdict) bool { return v.Check == id }) {
			t.Errorf("%s is not listed as not verified", id)
		}
	}
	for _, id := range []string{"reachability.tls-certificate", "reachability.http-private-name", "reachability.closed-vantages"} {
		if !slices.Contains(byStatus(verdicts, Passed), id) {
			t.Errorf("%s should pass", id)
		}
	}
}

// An endpoint that carries nothing yet times out from everywhere: that is no proof of a closed way.
func TestClosedVantagesProveNothingOnAPendingEndpoint(t *testing.T) {
	t.Parallel()
	o := healthy()
	state(o, "pendingAcceptance")
	if got := byStatus(Judge(o, Catalogue(), nil), Blocked); !slices.Contains(got, "reachability.closed-vantages") {
		t.Errorf("blocked: %v", got)
	}
}
