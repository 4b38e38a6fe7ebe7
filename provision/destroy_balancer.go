package provision

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/linkassay/linkassay/provision/awsapi"
)

// balancers deletes the load balancer that was built, with its listeners. Listeners that somebody
// added keep it alive, and what it stands on.
func (d *destroyer) balancers(ctx context.Context) error {
	c := d.sides.Provider
	found, err := balancerByName(ctx, c, d.link.Name)
	var foreign *foreignError
	if errors.As(err, &foreign) || err == nil && found == nil {
		return nil // not ours, or gone
	}
	if err != nil {
		return err
	}
	arn := aws.ToString(found.LoadBalancerArn)
	added, err := d.listeners(ctx, arn)
	if err != nil {
		return err
	}
	if len(added) > 0 && d.kept[arn] == "" {
		d.kept[arn] = "it has listeners that linkassay did not make: " + strings.Join(added, ", ")
	}
	if why := d.kept[arn]; why != "" {
		d.keep(SideProvider, "load balancer", arn, why)
		for _, z := range found.AvailabilityZones {
			d.kept[aws.ToString(z.SubnetId)] = "the load balancer " + stem(d.link.Name) + " stands in it"
		}
		return nil
	}
	err = d.try(ctx, "what uses the load balancer", 0, anyOf("ResourceInUse", "OperationNotPermitted"), func(ctx context.Context) error {
		_, err := c.ELB.DeleteLoadBalancer(ctx, &elb.DeleteLoadBalancerInput{LoadBalancerArn: aws.String(arn)})
		return attempted(err, "delete the load balancer %s", stem(d.link.Name))
	})
	if err == nil {
		err = d.wait(ctx, "the deletion of the load balancer", 0, func(ctx context.Context) (string, bool, error) {
			out, err := c.ELB.DescribeLoadBalancers(ctx, &elb.DescribeLoadBalancersInput{LoadBalancerArns: []string{arn}})
			if awsapi.IsCode(err, "LoadBalancerNotFound") || err == nil && len(out.LoadBalancers) == 0 {
				return "", true, nil
			}
			return "deleting", false, attempted(err, "read the load balancer %s", arn)
		})
	}
	return d.removal(ctx, SideProvider, "load balancer", arn, err)
}

// listeners deletes the listeners that were built, and returns those that were not. When the load
// balancer has to stay anyway, they stay too: a service needs them.
func (d *destroyer) listeners(ctx context.Context, balancer string) (added []string, err error) {
	c := d.sides.Provider
	all, err := listenersOf(ctx, c, balancer)
	if err != nil {
		return nil, err
	}
	var arns []string
	for _, l := range all {
		arns = append(arns, aws.ToString(l.ListenerArn))
	}
	tags, err := elbTagsOf(ctx, c, arns)
	if err != nil {
		return nil, err
	}
	served := d.kept[balancer] != ""
	for _, l := range all {
		arn := aws.ToString(l.ListenerArn)
		if tags[arn][tagLink] == d.link.Name && !served {
			_, err := c.ELB.DeleteListener(ctx, &elb.DeleteListenerInput{ListenerArn: aws.String(arn)})
			if awsapi.IsCode(err, "ListenerNotFound") {
				err = nil
			}
			if err := d.removal(ctx, SideProvider, "listener", arn, attempted(err, "delete the listener for port %d", aws.ToInt32(l.Port))); err != nil {
				return nil, err
			}
			continue
		}
		if tags[arn][tagLink] != d.link.Name {
			added = append(added, fmt.Sprintf("port %d", aws.ToInt32(l.Port)))
		}
		for _, group := range forwardedTo(l) {
			d.kept[group] = fmt.Sprintf("the listener for port %d forwards to it", aws.ToInt32(l.Port))
		}
	}
	return added, nil
}

func forwardedTo(l elbtypes.Listener) []string {
	var out []string
	for _, a := range l.DefaultActions {
		if a.TargetGroupArn != nil {
			out = append(out, *a.TargetGroupArn)
		}
		if a.ForwardConfig != nil {
			for _, t := range a.ForwardConfig.TargetGroups {
				out = append(out, aws.ToString(t.TargetGroupArn))
			}
		}
	}
	return out
}

// targetGroups deletes the target groups that were built. One that a listener still forwards to
// keeps its targets alive.
func (d *destroyer) targetGroups(ctx context.Context) error {
	c := d.sides.Provider
	all, err := awsapi.All(ctx, elb.NewDescribeTargetGroupsPaginator(c.ELB, &elb.DescribeTargetGroupsInput{}),
		func(o *elb.DescribeTargetGroupsOutput) []elbtypes.TargetGroup { return o.TargetGroups })
	if err != nil {
		return attempted(err, "list target groups")
	}
	// The name tells most of an account's target groups apart without asking for their tags.
	all = slices.DeleteFunc(all, func(t elbtypes.TargetGroup) bool {
		return !strings.HasPrefix(aws.ToString(t.TargetGroupName), stem(d.link.Name)+"-")
	})
	var arns []string
	for _, t := range all {
		arns = append(arns, aws.ToString(t.TargetGroupArn))
	}
	tags, err := elbTagsOf(ctx, c, arns)
	if err != nil {
		return err
	}
	for _, t := range all {
		arn := aws.ToString(t.TargetGroupArn)
		if tags[arn][tagLink] != d.link.Name {
			continue
		}
		if why := d.kept[arn]; why != "" {
			if err := d.keepTargets(ctx, arn, aws.ToString(t.TargetGroupName), why); err != nil {
				return err
			}
			continue
		}
		err := d.try(ctx, "the listeners", consistencyWait, anyOf("ResourceInUse"), func(ctx context.Context) error {
			_, err := c.ELB.DeleteTargetGroup(ctx, &elb.DeleteTargetGroupInput{TargetGroupArn: aws.String(arn)})
			if awsapi.IsCode(err, "TargetGroupNotFound") {
				return nil
			}
			return attempted(err, "delete the target group %s", aws.ToString(t.TargetGroupName))
		})
		if awsapi.IsCode(err, "ResourceInUse") { // another load balancer's listener, which we do not look for
			err = d.keepTargets(ctx, arn, aws.ToString(t.TargetGroupName), err.Error())
			if err != nil {
				return err
			}
			continue
		}
		if err := d.removal(ctx, SideProvider, "target group", arn, err); err != nil {
			return err
		}
	}
	return nil
}

func (d *destroyer) keepTargets(ctx context.Context, arn, name, why string) error {
	d.keep(SideProvider, "target group", arn, why)
	health, err := targetHealth(ctx, d.sides.Provider, arn)
	if err != nil {
		return err
	}
	for _, h := range health {
		if h.Target != nil {
			d.kept[aws.ToString(h.Target.Id)] = "it is a target of " + name + ", which is left over"
		}
	}
	return nil
}

// instances terminates the instances that were launched and waits until they are gone.
func (d *destroyer) instances(ctx context.Context) error {
	c := d.sides.Provider
	all, err := instancesOf(ctx, c, d.link.Name)
	if err != nil {
		return err
	}
	var ids []string
	for _, i := range all {
		id := aws.ToString(i.InstanceId)
		switch {
		case instanceState(i) == ec2types.InstanceStateNameTerminated:
		case d.kept[id] != "":
			d.keep(SideProvider, "instance", id, d.kept[id])
			d.kept[aws.ToString(i.SubnetId)] = "the instance " + id + " stands in it"
			for _, g := range i.SecurityGroups {
				d.kept[aws.ToString(g.GroupId)] = "the instance " + id + " uses it"
			}
		default:
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	_, err = c.EC2.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: ids})
	err = attempted(err, "terminate %s", strings.Join(ids, ", "))
	if err == nil {
		err = d.wait(ctx, "the instances", 0, func(ctx context.Context) (string, bool, error) {
			now, err := describeInstances(ctx, c, &ec2.DescribeInstancesInput{InstanceIds: ids})
			if err != nil {
				return "", notYet(err), unless(notYet, err)
			}
			for _, i := range now {
				if s := instanceState(i); s != ec2types.InstanceStateNameTerminated {
					return aws.ToString(i.InstanceId) + " is " + string(s), false, nil
				}
			}
			return "terminated", true, nil
		})
	}
	for _, id := range ids {
		if err := d.removal(ctx, SideProvider, "instance", id, err); err != nil {
			return err
		}
	}
	return nil
}
