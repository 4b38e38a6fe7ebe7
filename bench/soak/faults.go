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

	"github.com/linkassay/linkassay/bench/labfleet"
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
	service := func(r *rand.Rand) *labfleet.Service { return f.Services[r.IntN(len(f.Services))] }
	vpc := func(r *rand.Rand) *labfleet.VPC { return f.VPCs[r.IntN(len(f.VPCs))] }
	return map[string]func(r *rand.Rand) fault{
		"servers-stopped": func(r *rand.Rand) fault {
			s := service(r)
			return fault{
				on: s.ID, links: s.Links, keys: keys("load-balancer", s.Balancer, "connection.healthy-target"),
				set:  func(context.Context) error { return each(s.Targets, f.Lab.StopServers) },
				undo: func(context.Context) error { return each(s.Targets, f.Lab.StartServers) },
			}
		},
		"listener-deleted": func(r *rand.Rand) fault {
			s := service(r)
			return fault{
				on: s.ID, links: s.Links, keys: keys("load-balancer", s.Balancer, "connection.listener-on-each-port"),
				set: func(ctx context.Context) error {
					_, err := f.Provider.ELB.DeleteListener(ctx, &elb.DeleteListenerInput{ListenerArn: s.Listener.ListenerArn})
					return err
				},
				undo: func(ctx context.Context) error {
					out, err := f.Provider.ELB.CreateListener(ctx, &elb.CreateListenerInput{
						LoadBalancerArn: &s.Balancer, Port: s.Listener.Port, Protocol: s.Listener.Protocol, DefaultActions: s.Listener.DefaultActions,
					})
					if err == nil {
						s.Listener = out.Listeners[0]
					}
					return err
				},
			}
		},
		"targets-deregistered": func(r *rand.Rand) fault {
			s := service(r)
			var targets []elbtypes.TargetDescription
			for _, id := range s.Targets {
				targets = append(targets, elbtypes.TargetDescription{Id: aws.String(id), Port: aws.Int32(labfleet.Port)})
			}
			return fault{
				on: s.ID, links: s.Links, keys: keys("load-balancer", s.Balancer, "connection.healthy-target", "connection.targets-registered"),
				set: func(ctx context.Context) error {
					_, err := f.Provider.ELB.DeregisterTargets(ctx, &elb.DeregisterTargetsInput{TargetGroupArn: &s.Group, Targets: targets})
					return err
				},
				undo: func(ctx context.Context) error {
					_, err := f.Provider.ELB.RegisterTargets(ctx, &elb.RegisterTargetsInput{TargetGroupArn: &s.Group, Targets: targets})
					return err
				},
			}
		},
		"security-group-closed": func(r *rand.Rand) fault {
			v := vpc(r)
			return fault{
				on: v.ID, links: v.Links, keys: keys("security-group", v.Group, "connection.endpoint-security-group"),
				set:  func(ctx context.Context) error { return f.Admit(ctx, v, false) },
				undo: func(ctx context.Context) error { return f.Admit(ctx, v, true) },
			}
		},
		"network-acl-denies": func(r *rand.Rand) fault {
			v := vpc(r)
			return fault{
				on: v.ID, links: v.Links, keys: keys("vpc", v.ID, "network.endpoint-acl", "network.client-acl"),
				set: func(ctx context.Context) error {
					_, err := f.Consumer.EC2.CreateNetworkAclEntry(ctx, &ec2.CreateNetworkAclEntryInput{
						NetworkAclId: &v.ACL, RuleNumber: aws.Int32(90), Protocol: aws.String("6"), RuleAction: ec2types.RuleActionDeny, Egress: aws.Bool(false),
						CidrBlock: aws.String("0.0.0.0/0"), PortRange: &ec2types.PortRange{From: aws.Int32(labfleet.Port), To: aws.Int32(labfleet.Port)},
					})
					return err
				},
				undo: func(ctx context.Context) error {
					_, err := f.Consumer.EC2.DeleteNetworkAclEntry(ctx, &ec2.DeleteNetworkAclEntryInput{NetworkAclId: &v.ACL, RuleNumber: aws.Int32(90), Egress: aws.Bool(false)})
					return err
				},
			}
		},
		"dns-support-off": func(r *rand.Rand) fault {
			v := vpc(r)
			turn := func(on bool) func(context.Context) error {
				return func(ctx context.Context) error {
					_, err := f.Consumer.EC2.ModifyVpcAttribute(ctx, &ec2.ModifyVpcAttributeInput{VpcId: &v.ID, EnableDnsSupport: &ec2types.AttributeBooleanValue{Value: &on}})
					return err
				}
			}
			return fault{on: v.ID, links: v.Links, keys: keys("vpc", v.ID, "dns.vpc-attributes"), set: turn(false), undo: turn(true)}
		},
		"resolver-silent": func(r *rand.Rand) fault {
			v := vpc(r)
			return fault{
				on: v.ID, links: v.Links, keys: keys("vpc", v.ID, "dns.resolver-answers"),
				set:  func(context.Context) error { return f.Lab.ResolverSilent(v.ID, true) },
				undo: func(context.Context) error { return f.Lab.ResolverSilent(v.ID, false) },
			}
		},
		"vpc-dark": func(r *rand.Rand) fault {
			v := vpc(r)
			return fault{
				on: v.ID, links: v.Links, keys: keys("vpc", v.ID, "reachability.tcp-interfaces", "network.zones-carry-packets", "dns.resolver-answers"),
				set:  func(context.Context) error { return f.Lab.Loss(v.ID, 1) },
				undo: func(context.Context) error { return f.Lab.Loss(v.ID, 0) },
			}
		},
		"private-name-off": func(r *rand.Rand) fault {
			v := vpc(r)
			link := v.Links[r.IntN(len(v.Links))]
			return fault{
				on: v.ID, links: []string{link}, keys: keys("endpoint", v.Endpoints[link], "dns.private-dns-enabled"),
				set:  func(ctx context.Context) error { return f.SetPrivateName(ctx, v.Endpoints[link], false) },
				undo: func(ctx context.Context) error { return f.SetPrivateName(ctx, v.Endpoints[link], true) },
			}
		},
		"name-without-address": func(r *rand.Rand) fault {
			v := vpc(r)
			i := r.IntN(len(v.Links))
			return fault{
				on: v.ID, links: v.Links[i : i+1], keys: keys("endpoint", v.Endpoints[v.Links[i]], "dns.private-name-resolves"),
				set: func(context.Context) error { return f.Lab.ResolverEmpty(v.ID, f.Services[i].Private) },
				undo: func(context.Context) error {
					return f.Lab.ResolverAnswers(v.ID, f.Services[i].Private, []netip.Addr(nil))
				},
			}
		},
		// What loses a packet now and then is no incident.
		"some-packets-lost": func(r *rand.Rand) fault {
			v := vpc(r)
			return fault{
				on:   v.ID,
				set:  func(context.Context) error { return f.Lab.Loss(v.ID, 0.01) },
				undo: func(context.Context) error { return f.Lab.Loss(v.ID, 0) },
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
