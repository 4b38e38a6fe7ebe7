package probes

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/linkassay/linkassay/provision/awsapi"
)

// notFoundByTag stands for an AWS error code where there is no id to ask for.
const notFoundByTag = "not found by tag"

// call makes one AWS call (with its pages and retries) within the link's API timeout.
func call[T any](r *run, s *span, operation string, f func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(r.ctx, r.limit.api)
	defer cancel()
	ctx, trace := awsapi.WithTrace(ctx)
	defer s.begin()()
	v, err := f(ctx)
	if read := trace.Read(); !read.IsZero() {
		s.cover(read.UTC()) // an answer that others asked for before is as old as it is
	}
	if err == nil {
		return v, nil
	}
	class, code, message := awsapi.Classify(err)
	return v, failed{Failure{
		Class: FailureClass(class), Operation: operation, Code: code,
		Message: clean(message, maxDetail), Attempts: trace.Attempts(),
	}}
}

// derived is call for lists that many links have alike, such as all connections of a service: where the clients share
// answers, the list is made once for all of them.
func derived[A, B any](r *run, s *span, sd side, operation, of string, f func(context.Context) ([]A, error), derive func([]A) []B) ([]B, error) {
	return call(r, s, operation, func(ctx context.Context) ([]B, error) {
		return awsapi.Derive(ctx, sd.Clients, operation+" "+of, func(ctx context.Context) ([]B, error) {
			all, err := f(ctx)
			if err != nil {
				return nil, err
			}
			return derive(all), nil
		})
	})
}

// codeOf returns the AWS error code of a failed call.
func codeOf(err error) string {
	if f, ok := err.(failed); ok {
		return f.f.Code
	}
	return ""
}

// isNotFound says whether AWS answered that there is no such thing: an answer, not a failure.
func isNotFound(err error) bool {
	code := codeOf(err)
	return strings.HasSuffix(code, ".NotFound") || strings.HasSuffix(code, ".Malformed") ||
		code == "LoadBalancerNotFound" || code == "TargetGroupNotFound" || code == "ListenerNotFound"
}

// orNone turns "no such thing" into an empty list.
func orNone[T any](v []T, err error) ([]T, error) {
	if isNotFound(err) {
		return nil, nil
	}
	return v, err
}

func (r *run) identity(sd side, s *span) (Identity, error) {
	if sd.stop != nil {
		return Identity{}, sd.stop
	}
	out, err := call(r, s, "sts:GetCallerIdentity", func(ctx context.Context) (*sts.GetCallerIdentityOutput, error) {
		return sd.STS.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	})
	if err != nil {
		return Identity{}, err
	}
	return Identity{Account: aws.ToString(out.Account), ARN: aws.ToString(out.Arn)}, nil
}

func (r *run) zones(sd side, s *span) ([]Zone, error) {
	if sd.stop != nil {
		return nil, sd.stop
	}
	out, err := call(r, s, "ec2:DescribeAvailabilityZones", func(ctx context.Context) (*ec2.DescribeAvailabilityZonesOutput, error) {
		return sd.EC2.DescribeAvailabilityZones(ctx, &ec2.DescribeAvailabilityZonesInput{})
	})
	if err != nil {
		return nil, err
	}
	var zones []Zone
	for _, z := range out.AvailabilityZones {
		zones = append(zones, Zone{aws.ToString(z.ZoneName), aws.ToString(z.ZoneId), string(z.State)})
	}
	slices.SortFunc(zones, func(a, b Zone) int { return cmp.Compare(a.Name, b.Name) })
	return zones, nil
}

// zoneID translates an account's zone name; "" when it is unknown.
func zoneID(zones []Zone, name string) string {
	for _, z := range zones {
		if z.Name == name {
			return z.ID
		}
	}
	return ""
}

func (r *run) securityGroups(sd side, s *span, ids []string) ([]SecurityGroup, error) {
	if len(ids) == 0 {
		return []SecurityGroup{}, nil
	}
	all, err := orNone(call(r, s, "ec2:DescribeSecurityGroups", func(ctx context.Context) ([]ec2types.SecurityGroup, error) {
		return awsapi.All(ctx, ec2.NewDescribeSecurityGroupsPaginator(sd.EC2, &ec2.DescribeSecurityGroupsInput{GroupIds: ids}),
			func(o *ec2.DescribeSecurityGroupsOutput) []ec2types.SecurityGroup { return o.SecurityGroups })
	}))
	if err != nil {
		return nil, err
	}
	groups := []SecurityGroup{}
	for _, g := range all {
		groups = append(groups, SecurityGroup{
			ID: aws.ToString(g.GroupId), Name: clean(aws.ToString(g.GroupName), maxName), VPCID: aws.ToString(g.VpcId),
			Ingress: rules(g.IpPermissions), Egress: rules(g.IpPermissionsEgress),
		})
	}
	slices.SortFunc(groups, func(a, b SecurityGroup) int { return cmp.Compare(a.ID, b.ID) })
	return groups, nil
}

// rules spreads permissions, which may have many sources each, into one rule a source.
func rules(permissions []ec2types.IpPermission) []SecurityGroupRule {
	var all []SecurityGroupRule
	for _, p := range permissions {
		rule := SecurityGroupRule{
			Protocol: aws.ToString(p.IpProtocol), FromPort: aws.ToInt32(p.FromPort), ToPort: aws.ToInt32(p.ToPort),
		}
		for _, x := range p.IpRanges {
			rule := rule
			rule.CIDR = aws.ToString(x.CidrIp)
			all = append(all, rule)
		}
		for _, x := range p.Ipv6Ranges {
			rule := rule
			rule.CIDR = aws.ToString(x.CidrIpv6)
			all = append(all, rule)
		}
		for _, x := range p.UserIdGroupPairs {
			rule := rule
			rule.GroupID = aws.ToString(x.GroupId)
			all = append(all, rule)
		}
		for _, x := range p.PrefixListIds {
			rule := rule
			rule.PrefixID = aws.ToString(x.PrefixListId)
			all = append(all, rule)
		}
	}
	return all
}

func tagsOf(in []ec2types.Tag) []Tag {
	var out []Tag
	for _, t := range in {
		out = append(out, Tag{clean(aws.ToString(t.Key), maxName), clean(aws.ToString(t.Value), maxName)})
	}
	slices.SortFunc(out, func(a, b Tag) int { return cmp.Compare(a.Key, b.Key) })
	return out
}

// texts turns a slice of the SDK's string types into strings, sorted.
func texts[S ~string](in []S) []string {
	var out []string
	for _, s := range in {
		out = append(out, string(s))
	}
	slices.Sort(out)
	return out
}
