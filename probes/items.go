package probes

import (
	"math/bits"
	"slices"
	"sync"
	"time"
)

// ItemMeta is what an item says about itself, whatever its value's type is.
type ItemMeta struct {
	Started  time.Time
	Duration time.Duration
	Absent   Absence
	Error    *Failure
}

// itemAccess reads and copies one item of an Observation by its name.
type itemAccess struct {
	name string
	meta func(o *Observation) (ItemMeta, bool)
	copy func(from, to *Observation)
	// fill gives an item that is nil the reason why.
	fill func(o *Observation, why error)
	// share replaces an item that was left out by one that others have too.
	share func(o *Observation, shared *Absences)
}

func access[T any](name string, field func(*Observation) **Item[T]) itemAccess {
	return itemAccess{
		name: name,
		meta: func(o *Observation) (ItemMeta, bool) {
			it := *field(o)
			if it == nil {
				return ItemMeta{}, false
			}
			return ItemMeta{it.Started, it.Duration, it.Absent, it.Error}, true
		},
		copy: func(from, to *Observation) { *field(to) = *field(from) },
		share: func(o *Observation, shared *Absences) {
			at := field(o)
			*at = sharedAbsence(name, *at, shared)
		},
		fill: func(o *Observation, why error) {
			if at := field(o); *at == nil {
				var zero T
				item := settle(zero, why)
				*at = &item
			}
		},
	}
}

// itemTable returns every item in the order of the Observation. The table is made once and never
// changed: Meta and Only are called for each check of each link.
var itemTable = sync.OnceValue(func() []itemAccess {
	return []itemAccess{
		access("provider.identity", func(o *Observation) **Item[Identity] { return &o.Provider.Identity }),
		access("provider.zones", func(o *Observation) **Item[[]Zone] { return &o.Provider.Zones }),
		access("provider.service", func(o *Observation) **Item[Service] { return &o.Provider.Service }),
		access("provider.permissions", func(o *Observation) **Item[[]Principal] { return &o.Provider.Permissions }),
		access("provider.connections", func(o *Observation) **Item[[]Connection] { return &o.Provider.Connections }),
		access("provider.loadBalancers", func(o *Observation) **Item[[]LoadBalancer] { return &o.Provider.LoadBalancers }),
		access("provider.listeners", func(o *Observation) **Item[[]Listener] { return &o.Provider.Listeners }),
		access("provider.targetGroups", func(o *Observation) **Item[[]TargetGroup] { return &o.Provider.TargetGroups }),
		access("provider.targetHealth", func(o *Observation) **Item[[]TargetHealth] { return &o.Provider.TargetHealth }),
		access("provider.securityGroups", func(o *Observation) **Item[[]SecurityGroup] { return &o.Provider.SecurityGroups }),
		access("provider.hostedZones", func(o *Observation) **Item[[]ProviderZone] { return &o.Provider.HostedZones }),
		access("provider.services", func(o *Observation) **Item[[]OtherService] { return &o.Provider.Services }),
		access("provider.api", func(o *Observation) **Item[API] { return &o.Provider.API }),
		access("provider.dryRuns", func(o *Observation) **Item[[]DryRun] { return &o.Provider.DryRuns }),
		access("consumer.identity", func(o *Observation) **Item[Identity] { return &o.Consumer.Identity }),
		access("consumer.zones", func(o *Observation) **Item[[]Zone] { return &o.Consumer.Zones }),
		access("consumer.service", func(o *Observation) **Item[ServiceDetail] { return &o.Consumer.Service }),
		access("consumer.endpoint", func(o *Observation) **Item[Endpoint] { return &o.Consumer.Endpoint }),
		access("consumer.interfaces", func(o *Observation) **Item[[]Interface] { return &o.Consumer.Interfaces }),
		access("consumer.subnets", func(o *Observation) **Item[[]Subnet] { return &o.Consumer.Subnets }),
		access("consumer.buildSubnets", func(o *Observation) **Item[[]Subnet] { return &o.Consumer.BuildSubnets }),
		access("consumer.vpc", func(o *Observation) **Item[VPC] { return &o.Consumer.VPC }),
		access("consumer.securityGroups", func(o *Observation) **Item[[]SecurityGroup] { return &o.Consumer.SecurityGroups }),
		access("consumer.hostedZones", func(o *Observation) **Item[[]HostedZone] { return &o.Consumer.HostedZones }),
		access("consumer.api", func(o *Observation) **Item[API] { return &o.Consumer.API }),
		access("consumer.endpoints", func(o *Observation) **Item[[]EndpointSummary] { return &o.Consumer.Endpoints }),
		access("consumer.dryRuns", func(o *Observation) **Item[[]DryRun] { return &o.Consumer.DryRuns }),
		access("consumer.dhcpOptions", func(o *Observation) **Item[DHCPOptions] { return &o.Consumer.DHCPOptions }),
		access("dns.private", func(o *Observation) **Item[[]Lookup] { return &o.DNS.Private }),
		access("dns.regional", func(o *Observation) **Item[[]Lookup] { return &o.DNS.Regional }),
		access("dns.zonal", func(o *Observation) **Item[[]Lookup] { return &o.DNS.Zonal }),
		access("dns.txt", func(o *Observation) **Item[TXT] { return &o.DNS.TXT }),
		access("dns.public", func(o *Observation) **Item[[]Lookup] { return &o.DNS.Public }),
		access("path.clients", func(o *Observation) **Item[[]Client] { return &o.Path.Clients }),
		access("path.clientGroups", func(o *Observation) **Item[[]SecurityGroup] { return &o.Path.ClientGroups }),
		access("path.consumerAcls", func(o *Observation) **Item[[]NetworkACL] { return &o.Path.ConsumerACLs }),
		access("path.routes", func(o *Observation) **Item[[]RouteTable] { return &o.Path.Routes }),
		access("path.nodes", func(o *Observation) **Item[[]NodeNIC] { return &o.Path.Nodes }),
		access("path.targets", func(o *Observation) **Item[[]TargetNIC] { return &o.Path.Targets }),
		access("path.targetGroups", func(o *Observation) **Item[[]SecurityGroup] { return &o.Path.TargetGroups }),
		access("path.providerAcls", func(o *Observation) **Item[[]NetworkACL] { return &o.Path.ProviderACLs }),
		access("reach.tcp", func(o *Observation) **Item[[]Attempt] { return &o.Reach.TCP }),
		access("reach.tls", func(o *Observation) **Item[[]Handshake] { return &o.Reach.TLS }),
		access("reach.http", func(o *Observation) **Item[[]Exchange] { return &o.Reach.HTTP }),
		access("reach.large", func(o *Observation) **Item[[]Exchange] { return &o.Reach.Large }),
		access("reach.idle", func(o *Observation) **Item[[]Silence] { return &o.Reach.Idle }),
	}
})

// ItemNames lists the names of all items in the order of the Observation.
func ItemNames() []string {
	var names []string
	for _, it := range itemTable() {
		names = append(names, it.name)
	}
	return names
}

// ItemSet is a set of items of an Observation.
type ItemSet uint64

// Items is the set of the named items. Names that do not exist are ignored.
func Items(names ...string) ItemSet {
	var set ItemSet
	for i, it := range itemTable() {
		if slices.Contains(names, it.name) {
			set |= 1 << i
		}
	}
	return set
}

// Metas returns what each item says about itself, in the order of ItemNames; false where this view of the Observation
// does not have it.
func (o *Observation) Metas() ([]ItemMeta, []bool) {
	table := itemTable()
	metas, has := make([]ItemMeta, len(table)), make([]bool, len(table))
	for i, it := range table {
		metas[i], has[i] = it.meta(o)
	}
	return metas, has
}

// Meta returns when the named item was observed and, if it has no value, why. It is false when
// there is no such item, or when this view of the Observation does not have it.
func (o *Observation) Meta(name string) (ItemMeta, bool) {
	if o == nil {
		return ItemMeta{}, false
	}
	for _, it := range itemTable() {
		if it.name == name {
			return it.meta(o)
		}
	}
	return ItemMeta{}, false
}

// Only returns a view of the Observation with just the items of the set and all others nil, so that whoever gets it
// cannot read what he did not ask for. Items are shared, not copied.
func (o *Observation) Only(items ItemSet) *Observation { return o.OnlyInto(&Observation{}, items) }

// OnlyInto is Only, into a view that nobody uses any more.
func (o *Observation) OnlyInto(view *Observation, items ItemSet) *Observation {
	*view = Observation{}
	if o == nil {
		return view
	}
	view.Format, view.Link = o.Format, o.Link
	view.Started, view.Finished, view.Known, view.Interrupted = o.Started, o.Finished, o.Known, o.Interrupted
	table := itemTable()
	for rest := items; rest != 0; rest &= rest - 1 {
		table[bits.TrailingZeros64(uint64(rest))].copy(o, view)
	}
	return view
}
