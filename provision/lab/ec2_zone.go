package lab

import (
	"slices"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

type zoneXML struct {
	OptIn    string              `xml:"optInStatus"`
	Messages *wire.Set[struct{}] `xml:"messageSet"`
	Region   string              `xml:"regionName"`
	Name     string              `xml:"zoneName"`
	ID       string              `xml:"zoneId"`
	Group    string              `xml:"groupName"`
	Border   string              `xml:"networkBorderGroup"`
	Type     string              `xml:"zoneType"`
	State    string              `xml:"zoneState"`
}

func describeAvailabilityZones(c *call) (any, error) {
	f, err := filtersFrom(c, "group-name", "message", "opt-in-status", "parent-zone-id", "parent-zone-name",
		"region-name", "state", "zone-id", "zone-name", "zone-type")
	if err != nil {
		return nil, err
	}
	zones := c.zonesOf(c.account, c.region)
	ids, names := c.params.List("ZoneId"), c.params.List("ZoneName")
	for _, wanted := range append(slices.Clone(ids), names...) {
		if _, ok := c.zoneByName(c.account, c.region, wanted); !ok {
			return nil, wire.Errorf(400, "InvalidParameterValue", "Invalid availability zone: [%.128s]", wanted)
		}
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	var out []zoneXML
	for _, z := range zones {
		if len(ids) > 0 && !slices.Contains(ids, z.id) || len(names) > 0 && !slices.Contains(names, z.name) {
			continue
		}
		x := zoneXML{
			OptIn: "opt-in-not-required", Messages: wire.SetOf[struct{}](nil), Region: c.region, Name: z.name, ID: z.id,
			Group: c.region + "-zg-1", Border: c.region, Type: "availability-zone", State: "available",
		}
		if f.match(func(name string) []string {
			switch name {
			case "group-name":
				return one(x.Group)
			case "opt-in-status":
				return one(x.OptIn)
			case "region-name":
				return one(x.Region)
			case "state":
				return one(x.State)
			case "zone-id":
				return one(x.ID)
			case "zone-name":
				return one(x.Name)
			case "zone-type":
				return one(x.Type)
			}
			return nil
		}) {
			out = append(out, x)
		}
	}
	return struct {
		Items *wire.Set[zoneXML] `xml:"availabilityZoneInfo"`
	}{wire.SetOf(out)}, nil
}

type regionXML struct {
	Name     string `xml:"regionName"`
	Endpoint string `xml:"regionEndpoint"`
	OptIn    string `xml:"optInStatus"`
}

func describeRegions(c *call) (any, error) {
	f, err := filtersFrom(c, "endpoint", "opt-in-status", "region-name")
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, r := range regions() {
		known[r.name] = true
	}
	names := c.params.List("RegionName")
	for _, n := range names {
		if !known[n] {
			return nil, wire.Errorf(400, "InvalidParameterValue", "Invalid region provided: [%.128s]", n)
		}
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	var out []regionXML
	for _, r := range regions() {
		x := regionXML{r.name, "ec2." + r.name + ".amazonaws.com", "opt-in-not-required"}
		if len(names) > 0 && !slices.Contains(names, r.name) {
			continue
		}
		if f.match(func(name string) []string {
			switch name {
			case "endpoint":
				return one(x.Endpoint)
			case "opt-in-status":
				return one(x.OptIn)
			case "region-name":
				return one(x.Name)
			}
			return nil
		}) {
			out = append(out, x)
		}
	}
	return struct {
		Items *wire.Set[regionXML] `xml:"regionInfo"`
	}{wire.SetOf(out)}, nil
}
