package lab

import (
	"slices"
	"strings"
)

// testDNSAnswer says what a public zone's name servers would answer.
func testDNSAnswer(c *call, r *restRequest) (any, error) {
	z, err := c.hostedZone(r.query.Get("hostedzoneid"))
	if err != nil {
		return nil, err
	}
	name, bad := domainName(r.query.Get("recordname"))
	kind := r.query.Get("recordtype")
	switch {
	case z.private:
		return nil, invalidInput("TestDNSAnswer does not support private hosted zones")
	case bad != "":
		return nil, invalidInput("FATAL problem: %s encountered with '%s'", bad, r.query.Get("recordname"))
	case !slices.Contains(recordTypes(), kind):
		return nil, invalidInput("Invalid value '%s' for recordtype", kind)
	case !within(name, z.name):
		return nil, invalidInput("The record name %s is not in the zone %s", showName(name), z.name)
	}
	code, values := z.publicAnswer(name, kind, 0)
	var out struct {
		Nameserver string
		RecordName string
		RecordType string
		RecordData struct {
			Items []string `xml:"RecordDataEntry"`
		}
		ResponseCode string
		Protocol     string
	}
	out.Nameserver, out.RecordName, out.RecordType = z.nameServers[0], showName(name), kind
	out.RecordData.Items, out.ResponseCode, out.Protocol = values, code, "UDP"
	return out, nil
}

// publicAnswer looks a name up in what the name servers have: itself, an alias inside the zone, a
// wildcard, or nothing.
func (z *hostedZone) publicAnswer(name, kind string, depth int) (code string, values []string) {
	owner := name
	if !z.hasName(owner) {
		owner = ""
		for parent := name; parent != z.name && owner == ""; {
			_, parent, _ = strings.Cut(parent, ".")
			switch wild := "*." + parent; {
			case z.hasName(wild):
				owner = wild
			case z.hasName(parent): // a closer name hides the wildcards above it
				return "NXDOMAIN", nil
			}
		}
		if owner == "" {
			return "NXDOMAIN", nil
		}
	}
	for _, k := range []string{kind, "CNAME"} {
		set := z.published[recordKey{owner, k}]
		switch {
		case set == nil:
		case set.alias == nil:
			return "NOERROR", set.values
		case set.alias.zoneID == z.id && depth < 8:
			return z.publicAnswer(set.alias.name, k, depth+1)
		}
	}
	return "NOERROR", nil
}

// hasName says whether the name, or one below it, has records.
func (z *hostedZone) hasName(name string) bool {
	for key := range z.published {
		if within(key.name, name) {
			return true
		}
	}
	return false
}
