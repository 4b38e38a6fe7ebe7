package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// fault is one thing that breaks, and what has to be told of it.
type fault struct {
	kind  string
	on    string   // what it breaks, which no other fault does meanwhile
	keys  []string // the incident's key is one of them
	links []string // that it takes down; none: nothing may be told
	set   func(ctx context.Context) error
	undo  func(ctx context.Context) error
}

// kinds are the ways to break the fleet that can be taken back.
func (f *fleet) kinds() map[string]func(r *rand.Rand) fault {
	service := func(r *rand.Rand) *service { return f.services[r.IntN(len(f.services))] }
	vpc := func(r *rand.Rand) *vpc { return f.vpcs[r.IntN(len(f.vpcs))] }
	return map[string]func(r *rand.Rand) fault{
		"servers-stopped": func(r *rand.Rand) fault {
			s := service(r)
			return fault{
				on: s.id, links: s.links, keys: keys("load-balancer", s.balancer, "connection.healthy-target"),
				set:  func(context.Context) error { return each(s.targets, f.lab.StopServers) },
				undo: func(context.Context) error { return each(s.targets, f.lab.StartServers) },
			}
		},
		"listener-deleted": func(r *rand.Rand) fault {
			s := service(r)
			return fault{
				on: s.id, links: s.links, keys: keys("load-balancer", s.balancer, "connection.listener-on-each-port"),
				set: func(ctx context.Context) error {
					_, err := f.provider.ELB.DeleteListener(ctx, &elb.DeleteListenerInput{ListenerArn: s.listener.ListenerArn})
					return err
				},
				undo: func(ctx context.Context) error {
					out, err := f.provider.ELB.CreateListener(ctx, &elb.CreateListenerInput{
						LoadBalancerArn: &s.balancer, Port: s.listener.Port, Protocol: s.listener.Protocol, DefaultActions: s.listener.DefaultActions,
					})
					if err == nil {
						s.listener = out.Listeners[0]
					}
					return err
				},
			}
		},
		"targets-deregistered": func(r *rand.Rand) fault {
			s := service(r)
			var targets []elbtypes.TargetDescription
			for _, id := range s.targets {
				targets = append(targets, elbtypes.TargetDescription{Id: aws.String(id), Port: aws.Int32(port)})
			}
			return fault{
				on: s.id, links: s.links, keys: keys("load-balancer", s.balancer, "connection.healthy-target", "connection.targets-registered"),
				set: func(ctx context.Context) error {
					_, err := f.provider.ELB.DeregisterTargets(ctx, &elb.DeregisterTargetsInput{TargetGroupArn: &s.group, Targets: targets})
					return err
				},
				undo: func(ctx context.Context) error {
					_, err := f.provider.ELB.RegisterTargets(ctx, &elb.RegisterTargetsInput{TargetGroupArn: &s.group, Targets: targets})
					return err
				},
			}
		},
		"security-group-closed": func(r *rand.Rand) fault {
			v := vpc(r)
			return fault{
				on: v.id, links: v.links, keys: keys("security-group", v.group, "connection.endpoint-security-group"),
				set:  func(ctx context.Context) error { return f.admit(ctx, v, false) },
				undo: func(ctx context.Context) error { return f.admit(ctx, v, true) },
			}
		},
		"network-acl-denies": func(r *rand.Rand) fault {
			v := vpc(r)
			return fault{
				on: v.id, links: v.links, keys: keys("vpc", v.id, "network.endpoint-acl", "network.client-acl"),
				set: func(ctx context.Context) error {
					_, err := f.consumer.EC2.CreateNetworkAclEntry(ctx, &ec2.CreateNetworkAclEntryInput{
						NetworkAclId: &v.acl, RuleNumber: aws.Int32(90), Protocol: aws.String("6"), RuleAction: ec2types.RuleActionDeny, Egress: aws.Bool(false),
						CidrBlock: aws.String("0.0.0.0/0"), PortRange: &ec2types.PortRange{From: aws.Int32(port), To: aws.Int32(port)},
					})
					return err
				},
				undo: func(ctx context.Context) error {
					_, err := f.consumer.EC2.DeleteNetworkAclEntry(ctx, &ec2.DeleteNetworkAclEntryInput{NetworkAclId: &v.acl, RuleNumber: aws.Int32(90), Egress: aws.Bool(false)})
					return err
				},
			}
		},
		"dns-support-off": func(r *rand.Rand) fault {
			v := vpc(r)
			turn := func(on bool) func(context.Context) error {
				return func(ctx context.Context) error {
					_, err := f.consumer.EC2.ModifyVpcAttribute(ctx, &ec2.ModifyVpcAttributeInput{VpcId: &v.id, EnableDnsSupport: &ec2types.AttributeBooleanValue{Value: &on}})
					return err
				}
			}
			return fault{on: v.id, links: v.links, keys: keys("vpc", v.id, "dns.vpc-attributes"), set: turn(false), undo: turn(true)}
		},
		"resolver-silent": func(r *rand.Rand) fault {
			v := vpc(r)
			return fault{
				on: v.id, links: v.links, keys: keys("vpc", v.id, "dns.resolver-answers"),
				set:  func(context.Context) error { return f.lab.ResolverSilent(v.id, true) },
				undo: func(context.Context) error { return f.lab.ResolverSilent(v.id, false) },
			}
		},
		"vpc-dark": func(r *rand.Rand) fault {
			v := vpc(r)
			return fault{
				on: v.id, links: v.links, keys: keys("vpc", v.id, "reachability.tcp-interfaces", "network.zones-carry-packets", "dns.resolver-answers"),
				set:  func(context.Context) error { return f.lab.Loss(v.id, 1) },
				undo: func(context.Context) error { return f.lab.Loss(v.id, 0) },
			}
		},
		"private-name-off": func(r *rand.Rand) fault {
			v := vpc(r)
			link := v.links[r.IntN(len(v.links))]
			return fault{
				on: v.id, links: []string{link}, keys: keys("endpoint", v.endpoints[link], "dns.private-dns-enabled"),
				set:  func(ctx context.Context) error { return f.name(ctx, v.endpoints[link], false) },
				undo: func(ctx context.Context) error { return f.name(ctx, v.endpoints[link], true) },
			}
		},
		"name-without-address": func(r *rand.Rand) fault {
			v := vpc(r)
			i := r.IntN(len(v.links))
			return fault{
				on: v.id, links: v.links[i : i+1], keys: keys("endpoint", v.endpoints[v.links[i]], "dns.private-name-resolves"),
				set: func(context.Context) error { return f.lab.ResolverEmpty(v.id, f.services[i].private) },
				undo: func(context.Context) error {
					return f.lab.ResolverAnswers(v.id, f.services[i].private, []netip.Addr(nil))
				},
			}
		},
		// What loses a packet now and then is no incident.
		"some-packets-lost": func(r *rand.Rand) fault {
			v := vpc(r)
			return fault{
				on:   v.id,
				set:  func(context.Context) error { return f.lab.Loss(v.id, 0.01) },
				undo: func(context.Context) error { return f.lab.Loss(v.id, 0) },
			}
		},
	}
}

func keys(kind, id string, checks ...string) (all []string) {
	for _, c := range checks {
		all = append(all, c+"/"+kind+"/"+id)
	}
	return all
}

func each(ids []string, do func(string) error) error {
	for _, id := range ids {
		if err := do(id); err != nil {
			return err
		}
	}
	return nil
}

// choose picks a fault of the kind whose turn it is, on something that is not taken; false when there is none left.
func choose(r *rand.Rand, kinds map[string]func(*rand.Rand) fault, kind string, taken map[string]bool) (fault, bool) {
	for range 200 {
		f := kinds[kind](r)
		if f.kind = kind; !taken[f.on] {
			return f, true
		}
	}
	return fault{}, false
}

// turns is an order of kinds in which each has its turn before one comes again.
func turns(r *rand.Rand, kinds map[string]func(*rand.Rand) fault) func() string {
	names := slices.Sorted(maps.Keys(kinds))
	var left []string
	return func() string {
		if len(left) == 0 {
			left = slices.Clone(names)
			r.Shuffle(len(left), func(i, j int) { left[i], left[j] = left[j], left[i] })
		}
		name := left[0]
		left = left[1:]
		return name
	}
}

func (f fault) String() string { return fmt.Sprintf("%s on %s", f.kind, f.on) }
