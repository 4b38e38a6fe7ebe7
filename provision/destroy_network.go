package provision

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/linkassay/linkassay/provision/awsapi"
)

func (d *destroyer) providerNetwork(ctx context.Context) error {
	return d.network(ctx, SideProvider, d.sides.Provider)
}

// consumerNetwork removes the consumer's network, or restores the existing VPC that the endpoint
// was built in.
func (d *destroyer) consumerNetwork(ctx context.Context) error {
	if b := d.link.Consumer.Build; b != nil && b.VPCID != "" {
		if err := d.restoreVPC(ctx, b.VPCID); err != nil {
			return err
		}
	}
	return d.network(ctx, SideConsumer, d.sides.Consumer)
}

// network removes a side's security groups, subnets and VPC, in this order.
func (d *destroyer) network(ctx context.Context, side string, c *awsapi.Clients) error {
	groups, err := groupsOf(ctx, c, marked(d.link.Name, "")...)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if id := aws.ToString(g.GroupId); strings.HasPrefix(tagOf(g.Tags, tagPart), side) {
			err := d.remove(ctx, side, "security group", id, filter("group-id", id), aws.ToString(g.VpcId), func(ctx context.Context) error {
				_, err := c.EC2.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: aws.String(id)})
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	subnets, err := subnetsOf(ctx, c, marked(d.link.Name, "")...)
	if err != nil {
		return err
	}
	for _, s := range subnets {
		if id := aws.ToString(s.SubnetId); strings.HasPrefix(tagOf(s.Tags, tagPart), side) {
			err := d.remove(ctx, side, "subnet", id, filter("subnet-id", id), aws.ToString(s.VpcId), func(ctx context.Context) error {
				_, err := c.EC2.DeleteSubnet(ctx, &ec2.DeleteSubnetInput{SubnetId: aws.String(id)})
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	vpcs, err := awsapi.All(ctx, ec2.NewDescribeVpcsPaginator(c.EC2, &ec2.DescribeVpcsInput{Filters: marked(d.link.Name, "")}),
		func(o *ec2.DescribeVpcsOutput) []ec2types.Vpc { return o.Vpcs })
	if err != nil {
		return attempted(err, "look for the link's VPC")
	}
	for _, v := range vpcs {
		if id := aws.ToString(v.VpcId); strings.HasPrefix(tagOf(v.Tags, tagPart), side) {
			err := d.remove(ctx, side, "VPC", id, filter("vpc-id", id), "", func(ctx context.Context) error {
				_, err := c.EC2.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: aws.String(id)})
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// remove deletes one part of a network. Interfaces of a deleted load balancer or endpoint linger for a while, which is
// waited for; what somebody else put there is not.
func (d *destroyer) remove(ctx context.Context, side, kind, id string, interfaces ec2types.Filter, vpc string, call func(context.Context) error) error {
	c := d.sides.Provider
	if side == SideConsumer {
		c = d.sides.Consumer
	}
	why := d.kept[id]
	if why == "" {
		foreign := ""
		err := d.wait(ctx, "what is in "+kind+" "+id, 0, func(ctx context.Context) (string, bool, error) {
			err := call(ctx)
			switch {
			case err == nil || notYet(err): // here NotFound means that it is gone
				return "", true, nil
			case !awsapi.IsCode(err, "DependencyViolation", "ResourceInUse"):
				return "", false, attempted(err, "delete the %s %s", kind, id)
			}
			if foreign, err = d.remains(ctx, c, kind, id, interfaces); err != nil || foreign != "" {
				return "", foreign != "", err
			}
			return "still in use", false, nil
		})
		if why = foreign; why == "" {
			return d.removal(ctx, side, kind, id, err)
		}
	}
	d.keep(side, kind, id, why)
	if vpc != "" && d.kept[vpc] == "" {
		d.kept[vpc] = fmt.Sprintf("the %s %s is left in it", kind, id)
	}
	return nil
}

// remains says what somebody else has in a part of the network, or "".
func (d *destroyer) remains(ctx context.Context, c *awsapi.Clients, kind, id string, interfaces ec2types.Filter) (string, error) {
	all, err := awsapi.All(ctx, ec2.NewDescribeNetworkInterfacesPaginator(c.EC2, &ec2.DescribeNetworkInterfacesInput{Filters: []ec2types.Filter{interfaces}}),
		func(o *ec2.DescribeNetworkInterfacesOutput) []ec2types.NetworkInterface { return o.NetworkInterfaces })
	if err != nil {
		return "", attempted(err, "list what is in %s", id)
	}
	var found []string
	for _, n := range all {
		lingers, err := d.lingers(ctx, c, n)
		if err != nil {
			return "", err
		}
		if !lingers {
			found = append(found, strings.TrimSpace(aws.ToString(n.NetworkInterfaceId)+" "+aws.ToString(n.Description)))
		}
	}
	switch {
	case len(all) > 0:
		// What has interfaces says enough by them, or is still going.
	case kind == "VPC":
		if found, err = d.inVPC(ctx, c, id); err != nil {
			return "", err
		}
	case kind == "security group":
		if found, err = d.referringTo(ctx, c, id); err != nil {
			return "", err
		}
	}
	if len(found) == 0 {
		return "", nil
	}
	slices.Sort(found)
	const most = 5
	if len(found) > most {
		found = append(found[:most], fmt.Sprintf("%d more", len(found)-most))
	}
	return "things that linkassay did not make are in it: " + strings.Join(found, ", "), nil
}

// lingers says whether an interface belongs to a load balancer or an endpoint that was deleted: AWS takes
// those away by itself.
func (d *destroyer) lingers(ctx context.Context, c *awsapi.Clients, n ec2types.NetworkInterface) (bool, error) {
	description := aws.ToString(n.Description)
	if n.Status == ec2types.NetworkInterfaceStatusDetaching || strings.Contains(description, "/"+stem(d.link.Name)+"/") {
		return true, nil
	}
	id := endpointID.FindString(description)
	if id == "" || !aws.ToBool(n.RequesterManaged) {
		return false, nil
	}
	if slices.Contains(d.removed, id) {
		return true, nil
	}
	e, err := describeEndpoint(ctx, c, id)
	if err != nil {
		return notYet(err), unless(notYet, err)
	}
	return isState(string(e.State), ec2types.StateDeleting, ec2types.StateDeleted), nil
}

// endpointID finds the endpoint in the description of its interface.
var endpointID = regexp.MustCompile(`\bvpce-[0-9a-f]{8,17}\b`)

// referringTo lists security groups whose rules name the group.
func (d *destroyer) referringTo(ctx context.Context, c *awsapi.Clients, group string) ([]string, error) {
	groups, err := groupsOf(ctx, c, filter("ip-permission.group-id", group))
	if err != nil {
		return nil, err
	}
	var found []string
	for _, g := range groups {
		if id := aws.ToString(g.GroupId); id != group {
			found = append(found, id+" (a rule names it)")
		}
	}
	return found, nil
}

// inVPC lists what keeps a VPC from being deleted and is not ours.
func (d *destroyer) inVPC(ctx context.Context, c *awsapi.Clients, vpc string) ([]string, error) {
	var found []string
	subnets, err := subnetsOf(ctx, c, filter("vpc-id", vpc))
	if err != nil {
		return nil, err
	}
	for _, s := range subnets {
		found = append(found, aws.ToString(s.SubnetId))
	}
	groups, err := groupsOf(ctx, c, filter("vpc-id", vpc))
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		if aws.ToString(g.GroupName) != "default" {
			found = append(found, aws.ToString(g.GroupId))
		}
	}
	gateways, err := awsapi.All(ctx, ec2.NewDescribeInternetGatewaysPaginator(c.EC2,
		&ec2.DescribeInternetGatewaysInput{Filters: []ec2types.Filter{filter("attachment.vpc-id", vpc)}}),
		func(o *ec2.DescribeInternetGatewaysOutput) []ec2types.InternetGateway { return o.InternetGateways })
	if err != nil {
		return nil, attempted(err, "list the internet gateways of %s", vpc)
	}
	for _, g := range gateways {
		found = append(found, aws.ToString(g.InternetGatewayId))
	}
	return found, nil
}

// restoreVPC sets the DNS attributes of an existing VPC back, where Apply set them and they are still what it set.
func (d *destroyer) restoreVPC(ctx context.Context, vpc string) error {
	c := d.sides.Consumer
	v, err := describeVPC(ctx, c, vpc)
	if awsapi.IsCode(err, "InvalidVpcID.NotFound") {
		return nil
	}
	if err != nil {
		return err
	}
	attributes := vpcAttributes()
	slices.Reverse(attributes) // host names need DNS support
	for _, a := range attributes {
		key := changeKey(d.link.Name, a.change)
		if tagOf(v.Tags, key) == "" {
			continue
		}
		on, err := a.read(ctx, c, vpc)
		if err != nil {
			return err
		}
		if on {
			if err := a.write(ctx, c, vpc, false); err != nil {
				if err := d.removal(ctx, SideConsumer, string(a.name)+" of VPC", vpc, err); err != nil {
					return err
				}
				continue
			}
			d.say("set %s of %s back", a.name, vpc)
		}
		if err := dropTag(ctx, c, vpc, key); err != nil {
			return err
		}
	}
	return nil
}
