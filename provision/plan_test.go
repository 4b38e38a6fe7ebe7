package provision

import (
	"fmt"
	"strings"
	"testing"
)

func walkThrough() Link {
	return Link{
		Name: "api", Region: "ap-southeast-1", PrivateDNSName: "api-svc.intra.example.com",
		Provider: Provider{Party: Party{Account: "111111111111"}, Build: &ProviderBuild{}},
		Consumer: Consumer{Party: Party{Account: "222222222222"}, Build: &ConsumerBuild{}},
		Ports:    []Port{{Port: 80, HTTP: &HTTP{}}, {Port: 443, TLS: &TLS{}, HTTP: &HTTP{}}},
	}
}

func planned(steps []Step) string {
	var b strings.Builder
	for _, s := range steps {
		fmt.Fprintf(&b, "%s: %s: %s\n", s.Side, s.Name, s.What)
	}
	return b.String()
}

func TestPlanOfTheWalkThrough(t *testing.T) {
	t.Parallel()
	l := walkThrough()
	const want = `provider: credentials: check that the credentials belong to account 111111111111
consumer: credentials: check that the credentials belong to account 222222222222
provider: VPC: create a VPC with 10.0.0.0/16
provider: subnets: create a subnet in each of the Region's first three zones
provider: security group: create the targets' security group, open for ports 80, 443 from the VPC
provider: instances: launch an instance in each zone that serves ports 80, 443
provider: load balancer: create the internal Network Load Balancer linkassay-api
provider: port 80: create the target group linkassay-api-80 with its targets, and the listener for port 80
provider: port 443: create the target group linkassay-api-443 with its targets, and the listener for port 443
provider: health: wait until the load balancer is active and its targets are healthy
provider: service: create the endpoint service (acceptance required)
provider: permission: allow arn:aws:iam::222222222222:root to find the service
consumer: service: wait until account 222222222222 sees the service
consumer: VPC: create a VPC with 10.0.0.0/16
consumer: subnets: create a subnet in each of the zones that the service offers
consumer: security group: create the endpoint's security group, open for ports 80, 443 from the VPC
consumer: endpoint: create the interface endpoint, with private DNS off
provider: acceptance: accept the endpoint's connection, if it waits for that
consumer: connection: wait until the endpoint is available
provider: private DNS name: set the service's private DNS name api-svc.intra.example.com
provider: TXT record: add the verification value to a TXT record in the public hosted zone that holds the name
provider: verification: start the verification of the name and wait for it
consumer: private DNS: enable private DNS on the endpoint
`
	if got := planned(Plan(&l)); got != want {
		t.Errorf("plan:\n%s\nexpected:\n%s", got, want)
	}
}

func TestPlansOfOtherLinks(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name         string
		change       func(*Link)
		with, not    []string // lines that the plan of Apply has, and has not
		destroy, nor []string
	}{
		{
			"consumer only", func(l *Link) {
				l.Provider = Provider{Party: Party{Access: AccessNone, Account: "111111111111"}, ServiceName: "com.amazonaws.vpce.ap-southeast-1.vpce-svc-0123456789abcdef0"}
			},
			[]string{"consumer: endpoint: create", "consumer: private DNS: enable"},
			[]string{"provider:"},
			[]string{"consumer: endpoint: delete"},
			[]string{"provider:"},
		},
		{
			"provider only", func(l *Link) { l.Consumer = Consumer{Party: Party{Access: AccessNone, Account: "222222222222"}} },
			[]string{"provider: service: create", "provider: acceptance:", "provider: verification:"},
			[]string{"consumer:"},
			[]string{"provider: service: delete"},
			[]string{"consumer:"},
		},
		{
			"existing things", func(l *Link) {
				l.Provider.Build, l.Provider.ServiceID = nil, "vpce-svc-0123456789abcdef0"
				l.Consumer.Build, l.Consumer.EndpointID = nil, "vpce-0123456789abcdef0"
				l.PrivateDNSName = ""
			},
			[]string{"provider: service: use the endpoint service vpce-svc-0123456789abcdef0", "consumer: endpoint: use the endpoint vpce-0123456789abcdef0"},
			[]string{"create", "launch", "DNS", "TXT"},
			[]string{"provider: service changes: undo what apply changed on vpce-svc-0123456789abcdef0", "consumer: private DNS: disable"},
			nil,
		},
		{
			"existing networks and targets", func(l *Link) {
				l.Provider.Build = &ProviderBuild{VPCID: "vpc-1", SubnetIDs: []string{"subnet-1"}, Targets: []TargetRef{{Instance: "i-1"}}, AcceptanceRequired: new(bool)}
				l.Consumer.Build = &ConsumerBuild{VPCID: "vpc-2", SubnetIDs: []string{"subnet-2"}, SecurityGroupIDs: []string{"sg-2"}}
			},
			[]string{"provider: VPC: use the VPC vpc-1", "consumer: subnets: use the subnets subnet-2", "no acceptance required"},
			[]string{"launch", "security group"},
			nil, nil,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := walkThrough()
			test.change(&l)
			check := func(verb, got string, with, not []string) {
				for _, w := range with {
					if !strings.Contains(got, w) {
						t.Errorf("%s lacks %q:\n%s", verb, w, got)
					}
				}
				for _, n := range not {
					if strings.Contains(got, n) {
						t.Errorf("%s has %q:\n%s", verb, n, got)
					}
				}
			}
			check("apply", planned(Plan(&l)), test.with, test.not)
			check("destroy", planned(DestroyPlan(&l)), test.destroy, test.nor)
		})
	}
}
