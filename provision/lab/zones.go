package lab

import (
	"cmp"
	"hash/fnv"
)

// regionInfo is a Region that the lab has.
type regionInfo struct {
	name   string
	prefix string // of its zone ids
}

// regions lists the lab's Regions. Each has three zones.
func regions() []regionInfo {
	return []regionInfo{
		{"ap-northeast-1", "apne1"},
		{"ap-south-1", "aps1"},
		{"ap-southeast-1", "apse1"},
		{"ap-southeast-2", "apse2"},
		{"ca-central-1", "cac1"},
		{"eu-central-1", "euc1"},
		{"eu-north-1", "eun1"},
		{"eu-west-1", "euw1"},
		{"eu-west-2", "euw2"},
		{"eu-west-3", "euw3"},
		{"sa-east-1", "sae1"},
		{"us-east-1", "use1"},
		{"us-east-2", "use2"},
		{"us-west-1", "usw1"},
		{"us-west-2", "usw2"},
	}
}

// regionZoneIDs are the zone ids of a Region, of the default one when it is empty.
func regionZoneIDs(region string) []string {
	for _, r := range regions() {
		if r.name == cmp.Or(region, defaultRegion) {
			return []string{r.prefix + "-az1", r.prefix + "-az2", r.prefix + "-az3"}
		}
	}
	return nil
}

// zonePermutations say which zone id number gets the letters a, b, c. Neighbours in the first three
// agree in no letter, so the first three accounts of a lab never mean the same zone by the same
// name: comparing names across accounts always shows.
func zonePermutations() [][3]int {
	return [][3]int{{1, 2, 3}, {2, 3, 1}, {3, 1, 2}, {1, 3, 2}, {3, 2, 1}, {2, 1, 3}}
}

// zonesOf lists the account's zones in the Region by name; none when the lab lacks the Region. It
// reads only what never changes while the lab runs.
func (w *world) zonesOf(account, region string) []zone {
	if a := w.accounts[account]; a != nil && len(a.zones[region]) > 0 {
		return a.zones[region]
	}
	prefix := ""
	for _, r := range regions() {
		if r.name == region {
			prefix = r.prefix
		}
	}
	if prefix == "" {
		return nil
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(region)) // a hash never fails
	shift := int((h.Sum64() ^ w.seed) % 3)
	i, known := w.order[account]
	if !known {
		_, _ = h.Write([]byte(account))
		i = int(h.Sum64() % 6)
	}
	p := zonePermutations()
	perm := p[i%len(p)]
	out := make([]zone, len(perm))
	for k := range perm {
		// The seed rotates which id is a's, for all accounts alike: that keeps them apart.
		n := perm[(k+shift)%3]
		out[k] = zone{name: region + string(rune('a'+k)), id: prefix + "-az" + itoa(n)}
	}
	return out
}

// zoneByName finds a zone by the account's name for it, or by its id.
func (w *world) zoneByName(account, region, name string) (zone, bool) {
	for _, z := range w.zonesOf(account, region) {
		if z.name == name || z.id == name {
			return z, true
		}
	}
	return zone{}, false
}

// zoneName is what the account calls a zone id; "" when it has no such zone.
func (w *world) zoneName(account, region, zoneID string) string {
	for _, z := range w.zonesOf(account, region) {
		if z.id == zoneID {
			return z.name
		}
	}
	return ""
}
