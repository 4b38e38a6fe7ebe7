package lab

import (
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// imageID is the lab's only image in a Region. Like Amazon's own images it has the same id for
// every account; unlike them, in every lab.
func imageID(region string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte("linkassay image " + region)) // a hash never fails
	return fmt.Sprintf("ami-0%016x", h.Sum64())
}

// imageFrom reads a RunInstances request's image: the lab's image, or any Systems Manager
// parameter, all of which resolve to it.
func imageFrom(c *call) (string, error) {
	id, err := c.required("ImageId")
	if err != nil {
		return "", err
	}
	if p, ok := strings.CutPrefix(id, "resolve:ssm:"); ok && p != "" {
		return imageID(c.region), nil
	}
	if err := wellFormed(id, "ami", "InvalidAMIID.Malformed"); err != nil {
		return "", err
	}
	if id != imageID(c.region) {
		return "", wire.Errorf(400, "InvalidAMIID.NotFound", "The image id '[%s]' does not exist", id)
	}
	return id, nil
}

type imageXML struct {
	ID             string             `xml:"imageId"`
	Location       string             `xml:"imageLocation"`
	State          string             `xml:"imageState"`
	Owner          string             `xml:"imageOwnerId"`
	Alias          string             `xml:"imageOwnerAlias"`
	Created        string             `xml:"creationDate"`
	Public         bool               `xml:"isPublic"`
	Architecture   string             `xml:"architecture"`
	Type           string             `xml:"imageType"`
	Name           string             `xml:"name"`
	Description    string             `xml:"description"`
	Platform       string             `xml:"platformDetails"`
	RootType       string             `xml:"rootDeviceType"`
	RootName       string             `xml:"rootDeviceName"`
	Virtualization string             `xml:"virtualizationType"`
	Hypervisor     string             `xml:"hypervisor"`
	Tags           *wire.Set[tagItem] `xml:"tagSet"`
}

func describeImages(c *call) (any, error) {
	x := imageXML{
		ID: imageID(c.region), State: "available", Owner: "137112412989", Alias: "amazon",
		Created: "2026-01-15T10:00:24.000Z", Public: true, Architecture: "x86_64", Type: "machine",
		Name: "al2023-ami-linkassay-lab-x86_64", Description: "The lab's image: serves HTTP and HTTPS",
		Platform: "Linux/UNIX", RootType: "ebs", RootName: "/dev/xvda", Virtualization: "hvm", Hypervisor: "xen",
		Tags: tagSet(nil),
	}
	x.Location = x.Alias + "/" + x.Name
	only := &owned{id: x.ID, account: c.account, region: c.region}
	all := map[string]*owned{x.ID: only}
	for i, o := range c.params.List("Owner") {
		if i == 0 {
			clear(all)
		}
		if o == x.Alias || o == x.Owner {
			all[x.ID] = only
		}
	}
	values := map[string]string{
		"architecture": x.Architecture, "creation-date": x.Created, "description": x.Description,
		"hypervisor": x.Hypervisor, "image-id": x.ID, "image-type": x.Type, "is-public": "true",
		"name": x.Name, "owner-alias": x.Alias, "owner-id": x.Owner, "platform-details": x.Platform,
		"root-device-name": x.RootName, "root-device-type": x.RootType, "state": x.State,
		"virtualization-type": x.Virtualization,
	}
	var names []string
	for n := range values {
		names = append(names, n)
	}
	set, next, err := listing[*owned, imageXML]{
		ids: "ImageId", all: all, filters: names,
		find: func(id string) (*owned, error) {
			if o := all[id]; o != nil {
				return o, nil
			}
			return nil, wire.Errorf(400, "InvalidAMIID.NotFound", "The image id '[%s]' does not exist", id)
		},
		values: func(_ *owned, name string) []string { return one(values[name]) },
		show:   func(*owned) imageXML { return x },
	}.run(c)
	return struct {
		Items *wire.Set[imageXML] `xml:"imagesSet"`
		Next  string              `xml:"nextToken,omitempty"`
	}{set, next}, err
}
