package lab

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// tagItem is a tag in EC2 answers.
type tagItem struct {
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

// tagSet writes tags sorted by key; none give an empty element, as AWS does.
func tagSet(t tags) *wire.Set[tagItem] {
	items := make([]tagItem, 0, len(t))
	for _, k := range slices.Sorted(maps.Keys(t)) {
		items = append(items, tagItem{k, t[k]})
	}
	return wire.SetOf(items)
}

// filter gives the values for the filters tag:KEY, tag-key and tag-value; nil for other names.
func (t tags) filter(name string) []string {
	switch key, ok := strings.CutPrefix(name, "tag:"); {
	case ok:
		if v, has := t[key]; has {
			return []string{v}
		}
	case name == "tag-key":
		return slices.Sorted(maps.Keys(t))
	case name == "tag-value":
		return slices.Sorted(maps.Values(t))
	}
	return nil
}

// tagsFrom reads the tags that a create request gives in TagSpecification.N for its resource type.
func tagsFrom(c *call, resourceType string) (tags, error) { return tagsOf(c, resourceType, nil) }

// tagsOf is tagsFrom for requests that may also tag other resource types than the one asked for.
func tagsOf(c *call, resourceType string, others []string) (tags, error) {
	out := tags{}
	err := c.params.Each("TagSpecification", func(prefix string) error {
		switch kind := c.params.String(prefix + ".ResourceType"); {
		case kind == resourceType:
			return readTags(c, prefix+".Tag", out)
		case slices.Contains(others, kind):
			return nil
		case kind == "":
			return wire.Errorf(400, "MissingParameter", "The request must contain the parameter resourceType")
		default:
			return wire.Errorf(400, "InvalidParameterValue",
				"'%.128s' is not a valid taggable resource type for this operation.", kind)
		}
	})
	if err != nil {
		return nil, err
	}
	return out, checkTags(out)
}

// readTags reads NAME.N.Key and NAME.N.Value into t.
func readTags(c *call, name string, t tags) error {
	return c.params.Each(name, func(prefix string) error {
		k := c.params.String(prefix + ".Key")
		if _, twice := t[k]; twice {
			return wire.Errorf(400, "InvalidParameterValue", "Duplicate tag key '%.128s' specified.", k)
		}
		t[k] = c.params.String(prefix + ".Value")
		return nil
	})
}

func checkTags(t tags) error {
	for k, v := range t {
		switch {
		case k == "":
			return wire.Errorf(400, "InvalidParameterValue", "Tag key cannot be empty.")
		case strings.HasPrefix(strings.ToLower(k), "aws:"):
			return wire.Errorf(400, "InvalidParameterValue",
				"Tag keys starting with 'aws:' are reserved for internal use")
		case utf8.RuneCountInString(k) > 128:
			return wire.Errorf(400, "InvalidParameterValue", "Tag key exceeds the maximum length of 128 characters")
		case utf8.RuneCountInString(v) > 256:
			return wire.Errorf(400, "InvalidParameterValue", "Tag value exceeds the maximum length of 256 characters")
		}
	}
	if len(t) > 50 {
		return wire.Errorf(400, "TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
	}
	return nil
}

// tagged is a resource as the tag operations see it.
type tagged struct {
	id, kind string
	get      func() tags
	set      func(tags)
}

func taggedOwned(o *owned, kind string) tagged {
	return tagged{o.id, kind, func() tags { return o.tags }, func(t tags) { o.tags = t }}
}

// taggable lists the caller's resources that have EC2 tags, in order of their kinds and creation.
func taggable(c *call) []tagged {
	var out []tagged
	add := func(kind string, o *owned) { out = append(out, taggedOwned(o, kind)) }
	for _, v := range mine(c, c.vpcs) {
		add("vpc", &v.owned)
		if p := c.parts[v.id]; p != nil {
			add("route-table", &p.routes)
		}
	}
	for _, s := range mine(c, c.subnets) {
		add("subnet", &s.owned)
	}
	for _, g := range mine(c, c.groups) {
		add("security-group", &g.owned)
		for _, rules := range [][]groupRule{g.ingress, g.egress} {
			for i := range rules {
				r := &rules[i]
				out = append(out, tagged{r.id, "security-group-rule", func() tags { return r.tags }, func(t tags) { r.tags = t }})
			}
		}
	}
	for _, a := range mine(c, c.acls) {
		add("network-acl", &a.owned)
	}
	for _, n := range mine(c, c.interfaces) {
		add("network-interface", &n.owned)
	}
	for _, i := range mine(c, c.instances) {
		add("instance", &i.owned)
	}
	for _, g := range mine(c, c.gateways) {
		add("internet-gateway", &g.owned)
	}
	for _, e := range mine(c, c.endpoints) {
		add("vpc-endpoint", &e.owned)
	}
	for _, s := range mine(c, c.services) {
		add("vpc-endpoint-service", &s.owned)
		for i := range s.permissions {
			p := &s.permissions[i]
			out = append(out, tagged{p.id, "vpc-endpoint-service-permission", func() tags { return p.tags }, func(t tags) { p.tags = t }})
		}
	}
	return out
}

// tagTargets finds the resources of CreateTags and DeleteTags.
func tagTargets(c *call) ([]tagged, error) {
	ids := c.params.List("ResourceId")
	if len(ids) == 0 {
		return nil, wire.Errorf(400, "MissingParameter", "The request must contain the parameter resourceIdSet")
	}
	all := map[string]tagged{}
	for _, t := range taggable(c) {
		all[t.id] = t
	}
	var out []tagged
	for _, id := range ids {
		t, ok := all[id]
		if !ok {
			return nil, unknownID(c, id)
		}
		out = append(out, t)
	}
	return out, nil
}

// unknownID is the error for a resource that can't be tagged because it isn't there.
func unknownID(c *call, id string) error {
	var err error
	switch id[:max(0, strings.LastIndexByte(id, '-'))] {
	case "vpc":
		_, err = c.vpc(id)
	case "subnet":
		_, err = c.subnetByID(id)
	case "sg":
		_, err = c.group(id)
	case "eni":
		_, err = c.networkInterface(id)
	case "i":
		_, err = c.instance(id)
	case "igw":
		_, err = c.gateway(id)
	case "sgr":
		err = wire.Errorf(400, "InvalidSecurityGroupRuleId.NotFound", "The security group rule ID '%.128s' does not exist", id)
	case "rtb":
		err = wire.Errorf(400, "InvalidRouteTableID.NotFound", "The routeTable ID '%.128s' does not exist", id)
	case "acl":
		_, err = c.acl(id)
	case "vpce":
		err = wire.Errorf(400, "InvalidVpcEndpointId.NotFound", "The Vpc Endpoint Id '%.128s' does not exist", id)
	case "vpce-svc":
		err = wire.Errorf(400, "InvalidVpcEndpointServiceId.NotFound", "The VpcEndpointService Id '%.128s' does not exist", id)
	}
	if err == nil {
		err = wire.Errorf(400, "InvalidID", "The ID '%.128s' is not valid", id)
	}
	return err
}

type done struct {
	Return bool `xml:"return"`
}

func createTags(c *call) (any, error) {
	add := tags{}
	if err := readTags(c, "Tag", add); err != nil {
		return nil, err
	}
	if len(add) == 0 {
		return nil, wire.Errorf(400, "MissingParameter", "The request must contain the parameter tagSet")
	}
	if err := checkTags(add); err != nil {
		return nil, err
	}
	targets, err := tagTargets(c)
	if err != nil {
		return nil, err
	}
	for _, t := range targets {
		both := maps.Clone(t.get())
		if both == nil {
			both = tags{}
		}
		maps.Copy(both, add)
		if err := checkTags(both); err != nil {
			return nil, err
		}
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	for _, t := range targets {
		both := tags{}
		maps.Copy(both, t.get())
		maps.Copy(both, add)
		t.set(both)
	}
	return done{true}, nil
}

// deleteTags deletes all tags when none are named; a tag with a value only if it has that value.
func deleteTags(c *call) (any, error) {
	targets, err := tagTargets(c)
	if err != nil {
		return nil, err
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	type wanted struct {
		value string
		any   bool
	}
	drop := map[string]wanted{}
	if err := c.params.Each("Tag", func(p string) error {
		drop[c.params.String(p+".Key")] = wanted{c.params.String(p + ".Value"), !c.params.Has(p + ".Value")}
		return nil
	}); err != nil {
		return nil, err
	}
	for _, t := range targets {
		kept := tags{}
		for k, v := range t.get() {
			if w, named := drop[k]; len(drop) > 0 && (!named || !w.any && w.value != v) {
				kept[k] = v
			}
		}
		t.set(kept)
	}
	return done{true}, nil
}

type tagDescription struct {
	Key          string `xml:"key"`
	ResourceID   string `xml:"resourceId"`
	ResourceType string `xml:"resourceType"`
	Value        string `xml:"value"`
}

func describeTags(c *call) (any, error) {
	f, err := filtersFrom(c, "key", "resource-id", "resource-type", "value")
	if err != nil {
		return nil, err
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	var out []tagDescription
	for _, t := range taggable(c) {
		have := t.get()
		for _, k := range slices.Sorted(maps.Keys(have)) {
			if f.match(func(name string) []string {
				switch name {
				case "key", "tag-key":
					return []string{k}
				case "value", "tag-value", "tag:" + k:
					return []string{have[k]}
				case "resource-id":
					return []string{t.id}
				case "resource-type":
					return []string{t.kind}
				}
				return nil
			}) {
				out = append(out, tagDescription{k, t.id, t.kind, have[k]})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b tagDescription) int { return cmp.Compare(a.ResourceID, b.ResourceID) })
	out, next, err := page(c, out, 5, 1000)
	if err != nil {
		return nil, err
	}
	return struct {
		Tags *wire.Set[tagDescription] `xml:"tagSet"`
		Next string                    `xml:"nextToken,omitempty"`
	}{wire.SetOf(out), next}, nil
}
