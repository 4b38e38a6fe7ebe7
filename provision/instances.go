package provision

import (
	"context"
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/linkassay/linkassay/provision/awsapi"
)

const defaultInstanceType = "t4g.nano"

// launch finds or launches one target instance in each of the provider's subnets.
func (b *builder) launch(ctx context.Context) error {
	c := b.sides.Provider
	existing, err := instancesOf(ctx, c, b.link.Name)
	if err != nil {
		return err
	}
	alive := map[string]string{} // part → id
	for _, i := range existing {
		if isAlive(i) {
			alive[tagOf(i.Tags, tagPart)] = aws.ToString(i.InstanceId)
		}
	}
	for _, s := range b.provider.subnets {
		id := alive[partInstance+s.zone]
		if id == "" {
			if id, err = b.launchOne(ctx, s); err != nil {
				return err
			}
			b.say("launched %s in %s", id, s.zone)
		}
		b.instances = append(b.instances, id)
	}
	// A load balancer takes no targets that do not run yet.
	return b.wait(ctx, "instances", 0, func(ctx context.Context) (string, bool, error) {
		now, err := describeInstances(ctx, c, &ec2.DescribeInstancesInput{InstanceIds: b.instances})
		if err != nil {
			return "not known yet", false, unless(notYet, err)
		}
		for _, i := range now {
			state := instanceState(i)
			if !isAlive(i) {
				return "", false, fmt.Errorf("instance %s is %s: %s", aws.ToString(i.InstanceId), state, stateReason(i))
			}
			if state != ec2types.InstanceStateNameRunning {
				return aws.ToString(i.InstanceId) + " is " + string(state), false, nil
			}
		}
		return "running", len(now) == len(b.instances), nil
	})
}

func (b *builder) launchOne(ctx context.Context, s placedSubnet) (string, error) {
	build := InstanceBuild{}
	if b.link.Provider.Build.Instances != nil {
		build = *b.link.Provider.Build.Instances
	}
	kind := either(build.InstanceType, defaultInstanceType)
	script := either(build.UserData, defaultUserData(&b.link))
	tags := marks(&b.link, partInstance+s.zone)
	var id string
	err := b.create(ctx, partInstance+s.zone, s.id, func(ctx context.Context, token string) error {
		out, err := b.sides.Provider.EC2.RunInstances(ctx, &ec2.RunInstancesInput{
			ClientToken: aws.String(token), MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
			ImageId: aws.String(either(build.ImageID, defaultImage(kind))), InstanceType: ec2types.InstanceType(kind),
			SubnetId: aws.String(s.id), SecurityGroupIds: []string{b.provider.group},
			UserData:        aws.String(base64.StdEncoding.EncodeToString([]byte(script))),
			MetadataOptions: &ec2types.InstanceMetadataOptionsRequest{HttpTokens: ec2types.HttpTokensStateRequired},
			TagSpecifications: append(ec2Tags(ec2types.ResourceTypeInstance, tags),
				ec2Tags(ec2types.ResourceTypeVolume, tags)...),
		})
		if err != nil {
			return attempted(err, "launch an instance of type %s in %s (zone %s)", kind, s.id, s.zone)
		}
		if len(out.Instances) == 0 {
			return errOldToken // it was terminated so long ago that EC2 has forgotten it
		}
		if len(out.Instances) != 1 {
			return fmt.Errorf("launch an instance in %s: AWS returned %d instances", s.id, len(out.Instances))
		}
		if !isAlive(out.Instances[0]) {
			return errOldToken
		}
		id = aws.ToString(out.Instances[0].InstanceId)
		return nil
	})
	return id, err
}

// defaultImage is Amazon Linux 2023 for the instance type's processor, through the alias that AWS
// keeps current.
func defaultImage(instanceType string) string {
	arch := "x86_64"
	if arm.MatchString(instanceType) {
		arch = "arm64"
	}
	return "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-" + arch
}

// arm matches instance types with Graviton processors: a g behind the generation, and a1.
var arm = regexp.MustCompile(`^(a1|[a-z]+[0-9]+[a-z]*g[a-z]*)[.-]`)

func instancesOf(ctx context.Context, c *awsapi.Clients, link string) ([]ec2types.Instance, error) {
	all, err := describeInstances(ctx, c, &ec2.DescribeInstancesInput{Filters: marked(link, "")})
	return slices.DeleteFunc(all, func(i ec2types.Instance) bool {
		return !strings.HasPrefix(tagOf(i.Tags, tagPart), partInstance)
	}), err
}

func describeInstances(ctx context.Context, c *awsapi.Clients, in *ec2.DescribeInstancesInput) ([]ec2types.Instance, error) {
	all, err := awsapi.All(ctx, ec2.NewDescribeInstancesPaginator(c.EC2, in), func(o *ec2.DescribeInstancesOutput) []ec2types.Instance {
		var out []ec2types.Instance
		for _, r := range o.Reservations {
			out = append(out, r.Instances...)
		}
		return out
	})
	return all, attempted(err, "list instances")
}

func instanceState(i ec2types.Instance) ec2types.InstanceStateName {
	if i.State == nil {
		return ""
	}
	return i.State.Name
}

func isAlive(i ec2types.Instance) bool {
	s := instanceState(i)
	return s != ec2types.InstanceStateNameTerminated && s != ec2types.InstanceStateNameShuttingDown
}

func stateReason(i ec2types.Instance) string {
	if i.StateReason != nil {
		return aws.ToString(i.StateReason.Message)
	}
	return "no reason given"
}
