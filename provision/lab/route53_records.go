package lab

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// maxBatch is how many records one request may change; an UPSERT counts twice.
const maxBatch = 1000

type changeBatchRequest struct {
	Batch struct {
		Comment string
		Changes []changeElement `xml:"Changes>Change"`
	} `xml:"ChangeBatch"`
}

type changeElement struct {
	Action string
	Set    recordSetElement `xml:"ResourceRecordSet"`
}

type recordSetElement struct {
	Name    string
	Type    string
	TTL     *int64          `xml:",omitempty"`
	Records []recordElement `xml:"ResourceRecords>ResourceRecord,omitempty"`
	Alias   *aliasElement   `xml:"AliasTarget,omitempty"`
	routingElement
}

type recordElement struct{ Value string }

type aliasElement struct {
	ZoneID               string `xml:"HostedZoneId"`
	DNSName              string
	EvaluateTargetHealth bool
}

// routingElement has what the lab's simple routing does not do, to refuse it.
type routingElement struct {
	SetIdentifier           string    `xml:",omitempty"`
	Weight                  string    `xml:",omitempty"`
	Region                  string    `xml:",omitempty"`
	Failover                string    `xml:",omitempty"`
	MultiValueAnswer        string    `xml:",omitempty"`
	HealthCheckID           string    `xml:"HealthCheckId,omitempty"`
	TrafficPolicyInstanceID string    `xml:"TrafficPolicyInstanceId,omitempty"`
	GeoLocation             *struct{} `xml:",omitempty"`
	CidrRoutingConfig       *struct{} `xml:",omitempty"`
	GeoProximityLocation    *struct{} `xml:",omitempty"`
}

func (r *recordSet) element() recordSetElement {
	e := recordSetElement{Name: showName(r.name), Type: r.kind}
	if r.alias != nil {
		e.Alias = &aliasElement{r.alias.zoneID, showName(r.alias.name), r.alias.evaluate}
		return e
	}
	ttl := int64(r.ttl)
	e.TTL = &ttl
	for _, v := range r.values {
		e.Records = append(e.Records, recordElement{v})
	}
	return e
}

// batch is a ChangeBatch on its way: what it does to the zone, and everything that is wrong with
// it. Nothing of it happens unless all of it can.
type batch struct {
	call     *call
	zone     *hostedZone
	sets     map[recordKey]*recordSet // by key; nil: deleted
	actions  map[recordKey]string     // the last action on each
	problems []string
}

func changeResourceRecordSets(c *call, r *restRequest) (any, error) {
	var in changeBatchRequest
	if err := wire.ParseXML(r.body, "ChangeResourceRecordSetsRequest", &in); err != nil {
		return nil, err
	}
	z, err := c.hostedZone(r.ids[0])
	if err != nil {
		return nil, err
	}
	switch {
	case len(in.Batch.Changes) == 0:
		return nil, invalidInput("1 validation error detected: Value '[]' at 'changeBatch.changes' failed to satisfy constraint: Member must have length greater than or equal to 1")
	case len(in.Batch.Comment) > 256:
		return nil, invalidInput("Invalid value for Comment: expected up to 256 characters")
	}
	b := &batch{call: c, zone: z, sets: map[recordKey]*recordSet{}, actions: map[recordKey]string{}}
	records := 0
	for i, ch := range in.Batch.Changes {
		records += max(1, len(ch.Set.Records))
		if ch.Action == "UPSERT" {
			records += max(1, len(ch.Set.Records))
		}
		if err := checkChange(i+1, ch); err != nil {
			return nil, err
		}
		b.add(ch)
	}
	if records > maxBatch {
		b.problems = append(b.problems, fmt.Sprintf("Number of records limit of %d exceeded.", maxBatch))
	}
	if len(b.problems) == 0 {
		b.checkWhole()
	}
	if len(b.problems) > 0 {
		return nil, &wire.BatchError{Messages: b.problems}
	}
	for key, set := range b.sets {
		if set == nil {
			delete(z.records, key)
		} else {
			z.records[key] = set
		}
	}
	return changeResult{c.submit(z, in.Batch.Comment, b.sets).info()}, nil
}

// checkChange refuses a change whose parts do not fit together, whatever is in the zone.
func checkChange(n int, ch changeElement) error {
	set := ch.Set
	where := fmt.Sprintf("changeBatch.changes.%d.member.", n)
	if !slices.Contains([]string{"CREATE", "DELETE", "UPSERT"}, ch.Action) {
		return invalidInput("1 validation error detected: Value '%s' at '%saction' failed to satisfy constraint: Member must satisfy enum value set: [CREATE, DELETE, UPSERT]", ch.Action, where)
	}
	if !slices.Contains(recordTypes(), set.Type) {
		return invalidInput("1 validation error detected: Value '%s' at '%sresourceRecordSet.type' failed to satisfy constraint: Member must satisfy enum value set: [%s]",
			set.Type, where, strings.Join(recordTypes(), ", "))
	}
	in := fmt.Sprintf("Change with [Action=%s, Name=%s, Type=%s, SetIdentifier=%s]", ch.Action, set.Name, set.Type, cmp.Or(set.SetIdentifier, "null"))
	plain := set.TTL != nil || len(set.Records) > 0
	switch {
	case set.routingElement != routingElement{}:
		return invalidInput("Invalid request: the lab has simple routing only, without SetIdentifier, routing policies and health checks, but found one in %s", in)
	case set.Name == "":
		return invalidInput("Invalid request: Missing field 'Name' in %s", in)
	case plain && set.Alias != nil:
		return invalidInput("Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId], but found more than one in %s", in)
	case !plain && set.Alias == nil:
		return invalidInput("Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId], but found none in %s", in)
	case plain && set.TTL == nil:
		return invalidInput("Invalid request: Missing field 'TTL' in %s", in)
	case plain && len(set.Records) == 0:
		return invalidInput("Invalid request: Missing field 'ResourceRecords' in %s", in)
	case plain && (*set.TTL < 0 || *set.TTL > 1<<31-1):
		return invalidInput("Invalid request: TTL %d is not from 0 to 2147483647 in %s", *set.TTL, in)
	}
	return nil
}

func (b *batch) problem(format string, args ...any) {
	b.problems = append(b.problems, fmt.Sprintf(format, args...))
}

// current is a record set as the changes so far leave it.
func (b *batch) current(key recordKey) *recordSet {
	if set, ok := b.sets[key]; ok {
		return set
	}
	return b.zone.records[key]
}

// add takes a change into the batch, or says what is wrong with it.
func (b *batch) add(ch changeElement) {
	name, bad := domainName(ch.Set.Name)
	if bad != "" {
		b.problem("FATAL problem: %s encountered with '%s'", bad, ch.Set.Name)
		return
	}
	set := &recordSet{recordKey: recordKey{name, ch.Set.Type}}
	key, known := set.recordKey, len(b.problems)
	if !within(name, b.zone.name) {
		b.problem("RRSet with DNS name %s is not permitted in zone %s", showName(name), b.zone.name)
		return
	}
	// Only a CREATE may follow a DELETE of the same record set.
	if last, again := b.actions[key]; again && (last != "DELETE" || ch.Action != "CREATE") {
		b.problem("The request contains an invalid set of changes for a resource record set '%s %s'", key.kind, showName(name))
		return
	}
	b.actions[key] = ch.Action
	if ch.Set.Alias != nil {
		b.addAlias(set, *ch.Set.Alias)
	} else {
		b.addValues(set, ch.Set)
	}
	if len(b.problems) > known {
		return
	}

	is := fmt.Sprintf("[name='%s', type='%s']", showName(name), key.kind)
	old := b.current(key)
	switch {
	case ch.Action == "CREATE" && old != nil:
		b.problem("Tried to create resource record set %s but it already exists", is)
	case ch.Action == "DELETE" && old == nil:
		b.problem("Tried to delete resource record set %s but it was not found", is)
	case ch.Action == "DELETE" && !old.same(set):
		b.problem("Tried to delete resource record set %s but the values provided do not match the current values", is)
	case ch.Action == "DELETE" && name == b.zone.name && key.kind == "SOA":
		b.problem("A HostedZone must contain exactly one SOA record.")
	case ch.Action == "DELETE" && name == b.zone.name && key.kind == "NS":
		b.problem("A HostedZone must contain at least one NS record for the zone itself.")
	case ch.Action == "DELETE":
		b.sets[key] = nil
	default:
		b.sets[key] = set
	}
}

func (b *batch) addValues(set *recordSet, e recordSetElement) {
	set.ttl = uint32(*e.TTL)
	for _, r := range e.Records {
		if slices.Contains(set.values, r.Value) {
			b.problem("Duplicate Resource Record: '%s'", r.Value)
			return
		}
		if bad := checkValue(set.kind, r.Value); bad != "" {
			b.problem("Invalid Resource Record: 'FATAL problem: %s encountered with '%s''", bad, r.Value)
		}
		set.values = append(set.values, r.Value)
	}
	if single := set.kind == "CNAME" || set.kind == "SOA"; single && len(set.values) > 1 {
		b.problem("Expected exactly one Resource Record for the %s record set %s, but found %d", set.kind, showName(set.name), len(set.values))
	}
}

func (b *batch) addAlias(set *recordSet, e aliasElement) {
	name, bad := domainName(e.DNSName)
	if bad != "" {
		b.problem("FATAL problem: %s encountered with '%s'", bad, e.DNSName)
		return
	}
	set.alias = &aliasTarget{zoneID: plainID(e.ZoneID), name: name, evaluate: e.EvaluateTargetHealth}
	switch {
	case set.kind == "NS" || set.kind == "SOA":
		b.problem("Tried to create an alias of type %s, which can't be an alias", set.kind)
	case set.alias.zoneID != b.zone.id:
	case !within(name, b.zone.name):
		b.problem("Tried to create an alias that targets %s, type %s in zone %s, but the alias target name does not lie within the target zone", name, set.kind, b.zone.id)
	case b.current(recordKey{name, set.kind}) == nil:
		b.problem("Tried to create an alias that targets %s, type %s in zone %s, but that target was not found", name, set.kind, b.zone.id)
	}
}

// checkWhole looks at the zone as the batch would leave it: a name with a CNAME has nothing else.
func (b *batch) checkWhole() {
	kinds := map[string][]string{}
	for key := range b.actions {
		kinds[key.name] = nil
	}
	note := func(key recordKey, set *recordSet) {
		if have, touched := kinds[key.name]; touched && set != nil && !slices.Contains(have, key.kind) {
			kinds[key.name] = append(have, key.kind)
		}
	}
	for key := range b.zone.records {
		note(key, b.current(key))
	}
	for key, set := range b.sets {
		note(key, set)
	}
	conflicts := map[recordKey]bool{}
	for key, set := range b.sets {
		have := kinds[key.name]
		switch {
		case set == nil || !slices.Contains(have, "CNAME") || len(have) == 1:
		case key.kind == "CNAME" && key.name == b.zone.name:
			b.problem("RRSet of type CNAME with DNS name %s is not permitted at apex in zone %s", key.name, b.zone.name)
		default:
			conflicts[key] = true
		}
	}
	for key := range conflicts {
		b.problem("RRSet of type %s with DNS name %s is not permitted as it conflicts with other records with the same DNS name in zone %s", key.kind, showName(key.name), b.zone.name)
	}
	slices.Sort(b.problems)
}

// same says whether a DELETE names a record set exactly; the order of the values does not matter.
func (r *recordSet) same(o *recordSet) bool {
	if r.alias != nil || o.alias != nil {
		return r.alias != nil && o.alias != nil && *r.alias == *o.alias
	}
	return r.ttl == o.ttl && slices.Equal(slices.Sorted(slices.Values(r.values)), slices.Sorted(slices.Values(o.values)))
}

// listResourceRecordSets lists a zone's record sets from name and type on.
func listResourceRecordSets(c *call, r *restRequest) (any, error) {
	n, err := r.maxItems(300)
	if err != nil {
		return nil, err
	}
	z, err := c.hostedZone(r.ids[0])
	if err != nil {
		return nil, err
	}
	from, kind := r.query.Get("name"), r.query.Get("type")
	switch {
	case kind != "" && from == "":
		return nil, invalidInput("If you specify a value for type, you must also specify a value for name")
	case kind != "" && !slices.Contains(recordTypes(), kind):
		return nil, invalidInput("1 validation error detected: Value '%s' at 'type' failed to satisfy constraint: Member must satisfy enum value set: [%s]", kind, strings.Join(recordTypes(), ", "))
	}
	sets := sortedRecords(z.records)
	if from != "" {
		name, bad := domainName(from)
		if bad != "" {
			return nil, invalidInput("FATAL problem: %s encountered with '%s'", bad, from)
		}
		start, _ := slices.BinarySearchFunc(sets, recordKey{name, kind}, func(s *recordSet, k recordKey) int {
			return cmp.Or(cmp.Compare(sortKey(s.name), sortKey(k.name)), cmp.Compare(s.kind, k.kind))
		})
		sets = sets[start:]
	}
	var out struct {
		Sets struct {
			Items []recordSetElement `xml:"ResourceRecordSet"`
		} `xml:"ResourceRecordSets"`
		IsTruncated bool
		NextName    string `xml:"NextRecordName,omitempty"`
		NextType    string `xml:"NextRecordType,omitempty"`
		MaxItems    int
	}
	out.MaxItems = n
	if len(sets) > n {
		out.IsTruncated, out.NextName, out.NextType = true, showName(sets[n].name), sets[n].kind
		sets = sets[:n]
	}
	for _, s := range sets {
		out.Sets.Items = append(out.Sets.Items, s.element())
	}
	return out, nil
}
