package suites

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/linkassay/linkassay/probes"
)

// recordTTL is the TTL that AWS suggests for the record, in seconds.
const recordTTL = 1800

// fixTXT writes the record next to what the name holds already: other services may share it.
func fixTXT(o *probes.Observation) Fix {
	r := recordIn(o)
	return upsertAt(o, r, txtOwner(r.TXT), fmt.Sprintf("publish TXT %s %q in the domain's public zone, at all its name servers, and keep it for ever", txtOwner(r.TXT), r.Want))
}

// fixTXTWhereItIs corrects the record at the name at which there is an attempt at it.
func fixTXTWhereItIs(o *probes.Observation) Fix {
	r := recordIn(o)
	_, owner := r.textsAt()
	owner = or(owner, txtOwner(r.TXT))
	return upsertAt(o, r, owner, fmt.Sprintf("give TXT %s exactly the value %q, and keep it for ever", owner, r.Want))
}

func upsertAt(o *probes.Observation, r record, owner, text string) Fix {
	return changeFix(o, r, text, txtChange("UPSERT", owner, recordTTL, quoteAll(r.valuesFor(owner))))
}

// valuesFor are the wanted value and what else an owner name holds that must stay.
func (r record) valuesFor(owner string) []string {
	values := []string{r.Want}
	keep := func(texts []string) {
		for _, text := range texts {
			// Not what only looks like the value: a slip of the pen need not be kept.
			if len(attempts([]string{text}, r.Want)) == 0 || isOtherValue(text, r.Want) {
				values = append(values, text)
			}
		}
	}
	for _, q := range r.Asked {
		if sameName(q.Owner, owner) && len(q.Chain) == 0 { // what is at the end of a CNAME is not there
			keep(q.Texts)
		}
	}
	return sorted(values)
}

// isOtherValue says whether a text is the value of another service, which may share the record set.
func isOtherValue(text, want string) bool {
	return strings.HasPrefix(text, "vpce:") && missOf(text, want) == valueOther
}

func quoteAll(texts []string) []string {
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = `"` + strings.ReplaceAll(plain(t), `"`, `\"`) + `"`
	}
	return out
}

// recordChange is one change of a Route 53 change batch.
type recordChange struct {
	Action            string
	ResourceRecordSet struct {
		Name, Type      string
		TTL             int64
		ResourceRecords []recordValue
	}
}

type recordValue struct{ Value string }

func setChange(action, kind, owner string, ttl int64, values []string) recordChange {
	c := recordChange{Action: action}
	c.ResourceRecordSet.Name, c.ResourceRecordSet.Type, c.ResourceRecordSet.TTL = owner, kind, ttl
	for _, v := range values {
		c.ResourceRecordSet.ResourceRecords = append(c.ResourceRecordSet.ResourceRecords, recordValue{v})
	}
	return c
}

func txtChange(action, owner string, ttl int64, values []string) recordChange {
	return setChange(action, "TXT", owner, ttl, values)
}

// changeFix writes the changes of the domain's public zone as one command; all happen or none.
func changeFix(o *probes.Observation, r record, text string, changes ...recordChange) Fix {
	batch, err := json.Marshal(map[string]any{"Changes": changes})
	if err != nil || len(batch) > maxArgument {
		return Fix{Text: text}
	}
	return Fix{Text: text, Command: inHostedZone(o, r, "route53", "change-resource-record-sets", "--hosted-zone-id", zonePlace, "--change-batch", string(batch))}
}

// zonePlace stands for the hosted zone's id where nobody knows it.
const zonePlace = "HOSTED_ZONE_ID"

// inHostedZone writes a command with the id of the domain's public hosted zone. Where neither the link
// file nor the account gives it, the command asks Route 53 for it by the zone that the name servers
// were found by.
func inHostedZone(o *probes.Observation, r record, args ...string) string {
	id := strings.TrimPrefix(o.Link.Provider.HostedZone, "/hostedzone/")
	if z, ok := r.public(); ok && id == "" {
		id = z.ID
	}
	if id != "" {
		args[slices.Index(args, zonePlace)] = id
		return command(o.Link, ProviderSide, args...)
	}
	line := command(o.Link, ProviderSide, args...)
	zone := r.deepest().Zone
	if !strings.Contains(zone, ".") || zone == "." {
		return line
	}
	find := command(o.Link, ProviderSide, "route53", "list-hosted-zones-by-name", "--dns-name", zone, "--output", "text",
		"--query", "HostedZones[?Name==`\""+zone+".\"` && Config.PrivateZone==`false`].Id")
	return strings.Replace(line, zonePlace, `"$(`+find+`)"`, 1)
}

// fixDelegation sets the delegation where the zone's parent is, or puts the record into the zone that
// is delegated to.
func fixDelegation(o *probes.Observation) Fix {
	r := recordIn(o)
	z, ok := r.undelegated()
	if !ok {
		z, ok = r.public()
	}
	if !ok {
		return Fix{Text: fmt.Sprintf("let the parent of the domain's zone name its name servers (NS); dig +trace %s shows how far the way from the root leads", txtOwner(r.TXT))}
	}
	if other, ok := r.public(); ok && other.ID != z.ID && r.serves(other) && sameName(other.Name, z.Name) {
		return changeFix(o, r, fmt.Sprintf("the parent names the servers of zone %s, not those of %s, which holds the record: put it into %s", other.ID, z.ID, other.ID),
			txtChange("UPSERT", txtOwner(r.TXT), recordTTL, quoteAll([]string{r.Want})))
	}
	for _, up := range r.zones {
		if up.ID != z.ID && r.serves(up) && inDomain(z.Name, up.Name) && !sameName(z.Name, up.Name) {
			servers := make([]string, len(z.NameServers))
			for i, s := range z.NameServers {
				servers[i] = s + "."
			}
			batch, err := json.Marshal(map[string]any{"Changes": []recordChange{setChange("UPSERT", "NS", z.Name, recordTTL, servers)}})
			if err != nil {
				break
			}
			return Fix{
				Text:    fmt.Sprintf("delegate %s in its parent zone %s to the name servers of zone %s", z.Name, up.Name, z.ID),
				Command: command(o.Link, ProviderSide, "route53", "change-resource-record-sets", "--hosted-zone-id", up.ID, "--change-batch", string(batch)),
			}
		}
	}
	link := o.Link
	link.Provider.Region = "us-east-1" // where the registrar's API is
	args := []string{"route53domains", "update-domain-nameservers", "--domain-name", z.Name, "--nameservers"}
	for _, s := range z.NameServers {
		args = append(args, "Name="+s)
	}
	return Fix{
		Text:    fmt.Sprintf("set the name servers of %s at its registrar, in the parent zone: %s", z.Name, list(z.NameServers)),
		Command: command(link, ProviderSide, args...),
	}
}

// fixMisplaced moves the record from the wrong name to the right one.
func fixMisplaced(owners func(r record) []string) func(o *probes.Observation) Fix {
	return func(o *probes.Observation) Fix {
		r := recordIn(o)
		right := txtOwner(r.TXT)
		changes := []recordChange{txtChange("UPSERT", right, recordTTL, quoteAll(r.valuesFor(right)))}
		wrong := owners(r)
		if len(wrong) == 0 {
			return upsertAt(o, r, right, "publish the TXT record at "+right)
		}
		if z, ok := r.public(); ok {
			for _, rec := range z.Records {
				if rec.Type == "TXT" && sameName(rec.Name, wrong[0]) {
					changes = append(changes, txtChange("DELETE", rec.Name, rec.TTL, rec.Values))
				}
			}
		}
		return changeFix(o, r, fmt.Sprintf("move the record from %s to %s: in Route 53 names are whole, elsewhere they may need a dot at the end", wrong[0], right), changes...)
	}
}

// fixUnderscore puts the value where no underscore is needed: a DNS host that dropped it once does so
// again.
func fixUnderscore(o *probes.Observation) Fix {
	r := recordIn(o)
	owner := r.Domain
	return upsertAt(o, r, owner, fmt.Sprintf("the DNS host takes no underscores: put the value into TXT %s itself, next to what stands there", owner))
}

// fixCNAME replaces the CNAME by the TXT record.
func fixCNAME(o *probes.Observation) Fix {
	r := recordIn(o)
	owner, target, ttl := r.cname()
	if owner == "" {
		return fixTXT(o)
	}
	values := []string{target + "."}
	for _, z := range r.zones {
		for _, rec := range z.Records {
			if !z.Private && rec.Type == "CNAME" && sameName(rec.Name, owner) {
				ttl, values = rec.TTL, rec.Values
			}
		}
	}
	return changeFix(
		o, r, fmt.Sprintf("delete the CNAME at %s: no other record can stand beside it; then publish the TXT record there", owner),
		setChange("DELETE", "CNAME", owner, ttl, values), txtChange("CREATE", owner, recordTTL, quoteAll([]string{r.Want})),
	)
}
