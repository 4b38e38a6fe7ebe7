package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/lab"
	"github.com/linkassay/linkassay/reports"
	"github.com/linkassay/linkassay/suites"
)

// verify measures one run of the lab's healthy link, and then with a vantage that must not reach it: observed, judged and told.
func verify(ctx context.Context, b *book, s settings) error {
	return withLink(ctx, func(l *lab.Lab, link provision.Link, src probes.Sources) error {
		walls, over, tells, err := verifyRuns(ctx, l, link, src, s.runs)
		if err != nil {
			return err
		}
		b.note(fmt.Sprintf("%d vantages", len(src.Vantages)), "wall", "ms", atMost(1000), milliseconds(walls)...)
		b.add("beyond the longest chain", "ms", atMost(20), milliseconds(over)...)
		b.add("judging and table", "ms", goal{}, milliseconds(tells)...)

		if err := closeLast(ctx, &link, src); err != nil {
			return fmt.Errorf("close a vantage: %w", err)
		}
		closed, over, _, err := verifyRuns(ctx, l, link, src, s.runs)
		if err != nil {
			return err
		}
		slices.Sort(walls)
		timeout := link.Timeouts.Connect.Or(provision.DefaultConnectTimeout)
		var more []time.Duration
		for _, wall := range closed {
			more = append(more, wall-walls[len(walls)/2]-timeout)
		}
		b.note("one of the vantages must not reach the link, and waits "+timeout.String(), "with a closed vantage: wall", "ms", goal{}, milliseconds(closed)...)
		b.add("with a closed vantage: beyond the longest chain", "ms", atMost(20), milliseconds(over)...)
		b.add("with a closed vantage: beyond a healthy run and one timeout", "ms", atMost(20), milliseconds(more)...)
		return nil
	})
}

// verifyRuns observes and judges a link that is as it should be some times.
func verifyRuns(ctx context.Context, l *lab.Lab, link provision.Link, src probes.Sources, runs int) (walls, over, tells []time.Duration, err error) {
	for range runs {
		t := time.Now()
		o := probes.Observe(ctx, link, src, probes.Options{ReadFile: l.ReadFile})
		observed := time.Now()
		verdicts := suites.Judge(o, suites.Catalogue(), nil)
		report := &reports.Report{Tool: "linkassay", Started: t, Finished: time.Now(), Links: []reports.LinkReport{{Observation: o, Verdicts: verdicts}}}
		if err := reports.Print(io.Discard, report, "table", reports.PrintOptions{}); err != nil {
			return nil, nil, nil, err
		}
		wall := time.Since(t)
		walls, over, tells = append(walls, wall), append(over, wall-longestChain(o)), append(tells, time.Since(observed))
		for _, v := range verdicts {
			if v.Status == suites.Failed || v.Status == suites.Untold {
				return nil, nil, nil, fmt.Errorf("the healthy link is not: %s %s: %s", v.Check, v.Status, v.Reason)
			}
		}
	}
	return walls, over, tells, nil
}

// closeLast lets the endpoint's security group admit the subnets of all vantages but the last, which then must not reach the link.
func closeLast(ctx context.Context, link *provision.Link, src probes.Sources) error {
	client := src.Consumer.EC2
	endpoints, err := client.DescribeVpcEndpoints(ctx, &ec2.DescribeVpcEndpointsInput{VpcEndpointIds: []string{link.Consumer.EndpointID}})
	if err != nil {
		return err
	}
	e := endpoints.VpcEndpoints[0]
	group := e.Groups[0].GroupId
	groups, err := client.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{*group}})
	if err != nil {
		return err
	}
	subnets, err := client.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: e.SubnetIds})
	if err != nil {
		return err
	}
	last := &link.Vantages[len(link.Vantages)-1]
	last.Expect = provision.ExpectTimeout
	src.Vantages[len(src.Vantages)-1].Spec.Expect = provision.ExpectTimeout
	before := groups.SecurityGroups[0].IpPermissions
	admit := slices.Clone(before)
	for i := range admit {
		admit[i].IpRanges = nil
		for _, s := range subnets.Subnets {
			if aws.ToString(s.AvailabilityZoneId) != last.Zone {
				admit[i].IpRanges = append(admit[i].IpRanges, ec2types.IpRange{CidrIp: s.CidrBlock})
			}
		}
	}
	_, revoked := client.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: group, IpPermissions: before})
	_, err = client.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: group, IpPermissions: admit})
	return errors.Join(revoked, err)
}

// longestChain walks back from the item that ended last: before it comes the item that ended last
// before it began, and so on. The sum of their durations is what no concurrency could save.
func longestChain(o *probes.Observation) time.Duration {
	type span struct{ from, to time.Time }
	var spans []span
	for _, name := range probes.ItemNames() {
		if m, ok := o.Meta(name); ok && !m.Started.IsZero() {
			spans = append(spans, span{m.Started, m.Started.Add(m.Duration)})
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return b.to.Compare(a.to) })
	var sum time.Duration
	before := time.Now()
	for _, s := range spans {
		if !s.to.After(before) {
			sum += s.to.Sub(s.from)
			before = s.from
		}
	}
	return sum
}
