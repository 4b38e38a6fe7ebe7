package lab

import (
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

type route53Tag struct{ Key, Value string }

type resourceTagSet struct {
	ResourceType string
	ResourceID   string `xml:"ResourceId"`
	Tags         struct {
		Items []route53Tag `xml:"Tag"`
	}
}

// taggedZone finds the zone that a tag operation names.
func (c *call) taggedZone(kind, id string) (*hostedZone, error) {
	switch kind {
	case "hostedzone":
		return c.hostedZone(id)
	case "healthcheck":
		return nil, wire.Errorf(404, "NoSuchHealthCheck", "A health check with id %s does not exist.", id)
	}
	return nil, invalidInput("Invalid value '%s' for ResourceType: expected hostedzone or healthcheck", kind)
}

func (z *hostedZone) tagSet() resourceTagSet {
	out := resourceTagSet{ResourceType: "hostedzone", ResourceID: z.id}
	for _, k := range slices.Sorted(maps.Keys(z.tags)) {
		out.Tags.Items = append(out.Tags.Items, route53Tag{k, z.tags[k]})
	}
	return out
}

func changeTagsForResource(c *call, r *restRequest) (any, error) {
	var in struct {
		Add    []route53Tag `xml:"AddTags>Tag"`
		Remove []string     `xml:"RemoveTagKeys>Key"`
	}
	if err := wire.ParseXML(r.body, "ChangeTagsForResourceRequest", &in); err != nil {
		return nil, err
	}
	z, err := c.taggedZone(r.ids[0], r.ids[1])
	if err != nil {
		return nil, err
	}
	if len(in.Add)+len(in.Remove) == 0 {
		return nil, invalidInput("The request must add or remove at least one tag")
	}
	next := tags{}
	maps.Copy(next, z.tags)
	for _, k := range in.Remove {
		delete(next, k)
	}
	for _, t := range in.Add {
		if t.Key == "" || utf8.RuneCountInString(t.Key) > 128 || utf8.RuneCountInString(t.Value) > 256 {
			return nil, invalidInput("Invalid tag '%s': expected a key of 1 to 128 and a value of up to 256 characters", t.Key)
		}
		next[t.Key] = t.Value
	}
	if len(next) > 50 {
		return nil, invalidInput("A resource may have up to 50 tags")
	}
	z.tags = next
	return nil, nil
}

func listTagsForResource(c *call, r *restRequest) (any, error) {
	z, err := c.taggedZone(r.ids[0], r.ids[1])
	if err != nil {
		return nil, err
	}
	return struct{ ResourceTagSet resourceTagSet }{z.tagSet()}, nil
}

func listTagsForResources(c *call, r *restRequest) (any, error) {
	var in struct {
		IDs []string `xml:"ResourceIds>ResourceId"`
	}
	if err := wire.ParseXML(r.body, "ListTagsForResourcesRequest", &in); err != nil {
		return nil, err
	}
	if len(in.IDs) < 1 || len(in.IDs) > 10 {
		return nil, invalidInput("Invalid ResourceIds: expected 1 to 10 ids")
	}
	var out struct {
		Sets []resourceTagSet `xml:"ResourceTagSets>ResourceTagSet"`
	}
	for _, id := range in.IDs {
		z, err := c.taggedZone(r.ids[0], id)
		if err != nil {
			return nil, err
		}
		out.Sets = append(out.Sets, z.tagSet())
	}
	return out, nil
}
