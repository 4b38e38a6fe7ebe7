package suites_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/suites"
)

// A subnet that the endpoint's security group leaves out must not reach the link, and does not: all of its attempts
// wait at the same time, so that it costs the run one timeout.
func TestClosedVantagesCostOneTimeout(t *testing.T) {
	t.Parallel()
	l := startLink(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	subnets := l.lab.Subnets(l.link.Consumer.Account)
	consumer, err := l.lab.Open(ctx, l.link.Consumer.Party, l.link.Region)
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	endpoints, err := consumer.EC2.DescribeVpcEndpoints(ctx, &ec2.DescribeVpcEndpointsInput{VpcEndpointIds: []string{l.link.Consumer.EndpointID}})
	if err != nil {
		t.Fatal(err)
	}
	group := endpoints.VpcEndpoints[0].Groups[0].GroupId
	groups, err := consumer.EC2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{*group}})
	if err != nil {
		t.Fatal(err)
	}
	rules := groups.SecurityGroups[0].IpPermissions
	if _, err := consumer.EC2.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: group, IpPermissions: rules}); err != nil {
		t.Fatal(err)
	}
	described, err := consumer.EC2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{subnets[0].ID, subnets[1].ID}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range rules {
		rules[i].IpRanges = nil
		for _, s := range described.Subnets {
			rules[i].IpRanges = append(rules[i].IpRanges, ec2types.IpRange{CidrIp: aws.String(*s.CidrBlock)})
		}
	}
	if _, err := consumer.EC2.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: group, IpPermissions: rules}); err != nil {
		t.Fatal(err)
	}
	closed := "consumer-" + subnets[2].ZoneID
	o := l.observe(t, func(k *provision.Link) {
		for i := range k.Vantages {
			if k.Vantages[i].Name == closed {
				k.Vantages[i].Expect = provision.ExpectTimeout
			}
		}
	})
	verdicts := suites.Judge(o, suites.Catalogue(), nil)
	for _, s := range with(verdicts, suites.Failed, suites.Untold, suites.Blocked) {
		t.Error(s)
	}
	if !slices.ContainsFunc(verdicts, func(v suites.Verdict) bool {
		return v.Check == "reachability.closed-vantages" && v.Status == suites.Passed
	}) {
		t.Error("the closed vantage was not judged")
	}
	var first, last time.Time // the first attempt to end, and the last to begin
	n := 0
	for _, a := range o.Reach.TCP.Value {
		if a.Vantage != closed {
			continue
		}
		n++
		if len(a.Tries) != 1 || a.Tries[0].Outcome != probes.TimedOut {
			t.Errorf("%s: %+v, want one try that timed out", a.Addr, a.Tries)
			continue
		}
		if end := a.Tries[0].Started.Add(a.Tries[0].Duration); first.IsZero() || end.Before(first) {
			first = end
		}
		if a.Tries[0].Started.After(last) {
			last = a.Tries[0].Started
		}
	}
	if n != 6 || !last.Before(first) {
		t.Errorf("%d attempts; the last began at %s, the first had ended at %s", n, last, first)
	}
}
