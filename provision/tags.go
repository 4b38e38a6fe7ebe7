package provision

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/linkassay/linkassay/provision/awsapi"
)

// marks are the tags of something that linkassay builds: the file's own, a name for the console,
// and those that it is found by again.
func marks(l *Link, part string) map[string]string {
	m := map[string]string{"Name": "linkassay-" + l.Name + "-" + part}
	if b := l.Provider.Build; b != nil && strings.HasPrefix(part, SideProvider) {
		maps.Copy(m, b.Tags)
	}
	if b := l.Consumer.Build; b != nil && strings.HasPrefix(part, SideConsumer) {
		maps.Copy(m, b.Tags)
	}
	m[tagLink], m[tagPart] = l.Name, part
	return m
}

func ec2Tags(kind ec2types.ResourceType, m map[string]string) []ec2types.TagSpecification {
	s := ec2types.TagSpecification{ResourceType: kind}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		s.Tags = append(s.Tags, ec2types.Tag{Key: aws.String(k), Value: aws.String(m[k])})
	}
	return []ec2types.TagSpecification{s}
}

func elbTags(m map[string]string) []elbtypes.Tag {
	var tags []elbtypes.Tag
	for _, k := range slices.Sorted(maps.Keys(m)) {
		tags = append(tags, elbtypes.Tag{Key: aws.String(k), Value: aws.String(m[k])})
	}
	return tags
}

// marked are the EC2 filters that find what carries the link's tags; part "" finds all of them.
func marked(link, part string) []ec2types.Filter {
	f := []ec2types.Filter{filter("tag:"+tagLink, link)}
	if part != "" {
		f = append(f, filter("tag:"+tagPart, part))
	}
	return f
}

func filter(name string, values ...string) ec2types.Filter {
	return ec2types.Filter{Name: aws.String(name), Values: values}
}

// tagOf returns an EC2 tag's value, or "".
func tagOf(tags []ec2types.Tag, key string) string {
	for _, t := range tags {
		if aws.ToString(t.Key) == key {
			return aws.ToString(t.Value)
		}
	}
	return ""
}

// isOurs says whether EC2 tags say that linkassay built the thing for this link.
func isOurs(tags []ec2types.Tag, link string) bool { return tagOf(tags, tagLink) == link }

// elbTagsOf reads the tags of load balancers, target groups or listeners, by ARN.
func elbTagsOf(ctx context.Context, c *awsapi.Clients, arns []string) (map[string]map[string]string, error) {
	const most = 20 // ARNs a call
	out := map[string]map[string]string{}
	for chunk := range slices.Chunk(arns, most) {
		got, err := c.ELB.DescribeTags(ctx, &elasticloadbalancingv2.DescribeTagsInput{ResourceArns: chunk})
		if err != nil {
			return nil, attempted(err, "read the tags of load balancer resources")
		}
		for _, d := range got.TagDescriptions {
			m := map[string]string{}
			for _, t := range d.Tags {
				m[aws.ToString(t.Key)] = aws.ToString(t.Value)
			}
			out[aws.ToString(d.ResourceArn)] = m
		}
	}
	return out, nil
}

// record notes a change to an existing resource in its tags, before the change is made: an
// interruption must not leave a change that destroy does not know.
func record(ctx context.Context, c *awsapi.Clients, id string, have []ec2types.Tag, key, value string) error {
	if tagOf(have, key) == value {
		return nil // by a run that was interrupted
	}
	_, err := c.EC2.CreateTags(ctx, &ec2.CreateTagsInput{
		Resources: []string{id}, Tags: []ec2types.Tag{{Key: aws.String(key), Value: aws.String(value)}},
	})
	return attempted(err, "tag %s with %s", id, key)
}

// dropTag takes a tag from an EC2 resource.
func dropTag(ctx context.Context, c *awsapi.Clients, id, key string) error {
	_, err := c.EC2.DeleteTags(ctx, &ec2.DeleteTagsInput{
		Resources: []string{id}, Tags: []ec2types.Tag{{Key: aws.String(key)}},
	})
	return attempted(err, "take the tag %s from %s", key, id)
}

// The changes to existing resources that are recorded in tags, so that destroy can undo exactly
// them. The key is linkassay:LINK:CHANGE, the value what was set and what was there before.
const (
	changePrivateDNSName = "private-dns-name" // service: the name that was set
	changePrincipal      = "principal:"       // service: the principal that was allowed; the key ends in its hash
	changeTXT            = "txt"              // service: "ZONE NAME" of the record that got the value
	changePrivateDNS     = "private-dns"      // endpoint: enabled
	changeDNSSupport     = "dns-support"      // VPC: enabled
	changeDNSHostnames   = "dns-hostnames"    // VPC: enabled
)

// set is the value of changes that switch something on.
const switchedOn = "true was false"

func changeKey(link, change string) string { return tagPrefix + link + ":" + change }
