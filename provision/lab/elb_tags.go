package lab

import (
	"maps"
	"slices"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

type elbTagXML struct {
	Key   string `xml:"Key"`
	Value string `xml:"Value"`
}

type elbTagsXML struct {
	ARN  string                   `xml:"ResourceArn"`
	Tags *wire.Members[elbTagXML] `xml:"Tags"`
}

// elbTags reads Tags.member.N of ELBv2 requests.
func elbTags(c *call) (tags, error) {
	t := tags{}
	err := c.params.Each("Tags.member", func(p string) error {
		k := c.params.String(p + ".Key")
		if _, twice := t[k]; twice {
			return wire.Errorf(400, "DuplicateTagKeys", "Tag keys must be unique: '%.128s' is given more than once", k)
		}
		t[k] = c.params.String(p + ".Value")
		return nil
	})
	if err != nil {
		return nil, err
	}
	return t, checkELBTags(t)
}

// checkELBTags is checkTags with ELBv2's error codes.
func checkELBTags(t tags) error {
	if len(t) > 50 {
		return wire.Errorf(400, "TooManyTags", "The maximum number of tags has been reached")
	}
	if err := checkTags(t); err != nil {
		return invalid("%s", err)
	}
	return nil
}

// elbTagged finds the resources of a tag operation.
func elbTagged(c *call) ([]*owned, error) {
	arns := c.params.Members("ResourceArns")
	if len(arns) == 0 {
		return nil, invalid("1 validation error detected: Value null at 'resourceArns' failed to satisfy constraint: Member must not be null")
	}
	if len(arns) > 20 {
		return nil, invalid("You can specify up to 20 resources in a single call")
	}
	var out []*owned
	for _, arn := range arns {
		var err error
		switch {
		case elbARN(arn, "targetgroup", "") == nil:
			var g *targetGroup
			if g, err = c.targetGroupByARN(arn); err == nil {
				out = append(out, &g.owned)
			}
		case elbARN(arn, "listener", "") == nil:
			var l *listener
			if l, err = c.listenerByARN(arn); err == nil {
				out = append(out, &l.owned)
			}
		default:
			var lb *loadBalancer
			if lb, err = c.lbByARN(arn); err == nil {
				out = append(out, &lb.owned)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func addELBTags(c *call) (any, error) {
	resources, err := elbTagged(c)
	if err != nil {
		return nil, err
	}
	add, err := elbTags(c)
	if err != nil {
		return nil, err
	}
	if len(add) == 0 {
		return nil, invalid("1 validation error detected: Value null at 'tags' failed to satisfy constraint: Member must not be null")
	}
	next := make([]tags, len(resources))
	for i, o := range resources {
		next[i] = tags{}
		maps.Copy(next[i], o.tags)
		maps.Copy(next[i], add)
		if err := checkELBTags(next[i]); err != nil {
			return nil, err
		}
	}
	for i, o := range resources {
		o.tags = next[i]
	}
	return nil, nil
}

func removeELBTags(c *call) (any, error) {
	resources, err := elbTagged(c)
	if err != nil {
		return nil, err
	}
	keys := c.params.Members("TagKeys")
	for _, o := range resources {
		kept := maps.Clone(o.tags)
		for _, k := range keys {
			delete(kept, k)
		}
		o.tags = kept
	}
	return nil, nil
}

func describeELBTags(c *call) (any, error) {
	resources, err := elbTagged(c)
	if err != nil {
		return nil, err
	}
	var out []elbTagsXML
	for _, o := range resources {
		x := elbTagsXML{o.id, wire.MembersOf[elbTagXML](nil)}
		for _, k := range slices.Sorted(maps.Keys(o.tags)) {
			x.Tags.Items = append(x.Tags.Items, elbTagXML{k, o.tags[k]})
		}
		out = append(out, x)
	}
	return struct {
		Items *wire.Members[elbTagsXML] `xml:"TagDescriptions"`
	}{wire.MembersOf(out)}, nil
}

type limitXML struct {
	Name string `xml:"Name"`
	Max  string `xml:"Max"`
}

func describeAccountLimits(c *call) (any, error) {
	limits := []limitXML{
		{"network-load-balancers", itoa(maxLoadBalancers)},
		{"listeners-per-network-load-balancer", itoa(maxListeners)},
		{"target-groups", itoa(maxTargetGroups)},
		{"targets-per-network-load-balancer", itoa(3 * maxTargets)},
		{"targets-per-availability-zone-per-network-load-balancer", "500"},
		{"target-groups-per-action-on-network-load-balancer", "1"},
	}
	limits, next, err := marked(c, limits)
	return struct {
		Limits *wire.Members[limitXML] `xml:"Limits"`
		Next   string                  `xml:"NextMarker,omitempty"`
	}{wire.MembersOf(limits), next}, err
}
