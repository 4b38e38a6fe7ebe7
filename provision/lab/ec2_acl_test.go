package lab_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// acls lists the VPC's network ACLs, the default one first.
func (b *basics) acls(vpc string) []ec2types.NetworkAcl {
	b.Helper()
	return ok[*ec2.DescribeNetworkAclsOutput](b)(b.ec2.DescribeNetworkAcls(b.ctx, &ec2.DescribeNetworkAclsInput{Filters: filterBy("vpc-id", vpc)})).NetworkAcls
}

func tcpEntry(acl string, number, from, to int32, egress bool) *ec2.CreateNetworkAclEntryInput {
	return &ec2.CreateNetworkAclEntryInput{
		NetworkAclId: &acl, RuleNumber: &number, Protocol: aws.String("6"), RuleAction: ec2types.RuleActionAllow,
		Egress: &egress, CidrBlock: aws.String("10.0.0.9/16"), PortRange: &ec2types.PortRange{From: &from, To: &to},
	}
}

func TestNetworkACLLife(t *testing.T) {
	t.Parallel()
	b := newBasics(t, nil)
	vpc := b.vpc("10.0.0.0/16")
	subnet := b.subnet(vpc, "10.0.1.0/24", zoneID(1))
	standard := b.acls(vpc)[0]
	if len(standard.Associations) != 1 || *standard.Associations[0].SubnetId != subnet {
		t.Fatalf("the subnet does not have the default network ACL: %+v", standard.Associations)
	}
	made := ok[*ec2.CreateNetworkAclOutput](b)(b.ec2.CreateNetworkAcl(b.ctx, &ec2.CreateNetworkAclInput{
		VpcId: &vpc, TagSpecifications: []ec2types.TagSpecification{{
			ResourceType: ec2types.ResourceTypeNetworkAcl, Tags: []ec2types.Tag{{Key: aws.String("Name"), Value: aws.String("mine")}},
		}},
	})).NetworkAcl
	if *made.IsDefault || len(made.Entries) != 2 || made.Entries[0].RuleAction != ec2types.RuleActionDeny || *made.Tags[0].Value != "mine" {
		t.Errorf("new network ACL: %+v", made)
	}
	id := *made.NetworkAclId

	moved := ok[*ec2.ReplaceNetworkAclAssociationOutput](b)(b.ec2.ReplaceNetworkAclAssociation(b.ctx, &ec2.ReplaceNetworkAclAssociationInput{
		AssociationId: standard.Associations[0].NetworkAclAssociationId, NetworkAclId: &id,
	})).NewAssociationId
	if *moved == *standard.Associations[0].NetworkAclAssociationId {
		t.Error("the association kept its id")
	}
	refused[*ec2.ReplaceNetworkAclAssociationOutput](b, "InvalidAssociationID.NotFound", "")(b.ec2.ReplaceNetworkAclAssociation(b.ctx, &ec2.ReplaceNetworkAclAssociationInput{
		AssociationId: standard.Associations[0].NetworkAclAssociationId, NetworkAclId: &id,
	}))
	found := ok[*ec2.DescribeNetworkAclsOutput](b)(b.ec2.DescribeNetworkAcls(b.ctx, &ec2.DescribeNetworkAclsInput{Filters: filterBy("association.subnet-id", subnet)})).NetworkAcls
	if len(found) != 1 || *found[0].NetworkAclId != id || *found[0].Associations[0].NetworkAclAssociationId != *moved {
		t.Errorf("network ACL of the subnet: %+v", found)
	}
	refused[*ec2.DeleteNetworkAclOutput](b, "DependencyViolation", "")(b.ec2.DeleteNetworkAcl(b.ctx, &ec2.DeleteNetworkAclInput{NetworkAclId: &id}))
	refused[*ec2.DeleteNetworkAclOutput](b, "InvalidParameterValue", "")(b.ec2.DeleteNetworkAcl(b.ctx, &ec2.DeleteNetworkAclInput{NetworkAclId: standard.NetworkAclId}))
	ok[*ec2.ReplaceNetworkAclAssociationOutput](b)(b.ec2.ReplaceNetworkAclAssociation(b.ctx, &ec2.ReplaceNetworkAclAssociationInput{AssociationId: moved, NetworkAclId: standard.NetworkAclId}))
	ok[*ec2.DeleteSubnetOutput](b)(b.ec2.DeleteSubnet(b.ctx, &ec2.DeleteSubnetInput{SubnetId: &subnet}))
	refused[*ec2.DeleteVpcOutput](b, "DependencyViolation", "")(b.ec2.DeleteVpc(b.ctx, &ec2.DeleteVpcInput{VpcId: &vpc}))
	ok[*ec2.DeleteNetworkAclOutput](b)(b.ec2.DeleteNetworkAcl(b.ctx, &ec2.DeleteNetworkAclInput{NetworkAclId: &id}))
	refused[*ec2.DeleteNetworkAclOutput](b, "InvalidNetworkAclID.NotFound", "The networkAcl ID '"+id+"' does not exist")(
		b.ec2.DeleteNetworkAcl(b.ctx, &ec2.DeleteNetworkAclInput{NetworkAclId: &id}))
	ok[*ec2.DeleteVpcOutput](b)(b.ec2.DeleteVpc(b.ctx, &ec2.DeleteVpcInput{VpcId: &vpc}))
}

func TestNetworkACLEntries(t *testing.T) {
	t.Parallel()
	b := newBasics(t, nil)
	vpc := b.vpc("10.0.0.0/16")
	id := *b.acls(vpc)[0].NetworkAclId
	ok[*ec2.CreateNetworkAclEntryOutput](b)(b.ec2.CreateNetworkAclEntry(b.ctx, tcpEntry(id, 50, 443, 444, false)))
	refused[*ec2.CreateNetworkAclEntryOutput](b, "NetworkAclEntryAlreadyExists", "The network acl entry identified by 50 already exists.")(
		b.ec2.CreateNetworkAclEntry(b.ctx, tcpEntry(id, 50, 80, 80, false)))
	ok[*ec2.CreateNetworkAclEntryOutput](b)(b.ec2.CreateNetworkAclEntry(b.ctx, tcpEntry(id, 50, 1024, 65535, true)))
	entries := b.acls(vpc)[0].Entries
	if len(entries) != 6 || !*entries[0].Egress || *entries[0].RuleNumber != 50 || *entries[0].PortRange.To != 65535 || *entries[3].CidrBlock != "10.0.0.0/16" {
		t.Errorf("entries: %+v", entries)
	}
	deny := tcpEntry(id, 50, 443, 443, false)
	ok[*ec2.ReplaceNetworkAclEntryOutput](b)(b.ec2.ReplaceNetworkAclEntry(b.ctx, &ec2.ReplaceNetworkAclEntryInput{
		NetworkAclId: &id, RuleNumber: deny.RuleNumber, Protocol: deny.Protocol, RuleAction: ec2types.RuleActionDeny, Egress: deny.Egress,
		CidrBlock: deny.CidrBlock, PortRange: deny.PortRange,
	}))
	if e := b.acls(vpc)[0].Entries[3]; e.RuleAction != ec2types.RuleActionDeny || *e.PortRange.To != 443 {
		t.Errorf("replaced entry: %+v", e)
	}
	gone := &ec2.DeleteNetworkAclEntryInput{NetworkAclId: &id, RuleNumber: aws.Int32(50), Egress: aws.Bool(false)}
	ok[*ec2.DeleteNetworkAclEntryOutput](b)(b.ec2.DeleteNetworkAclEntry(b.ctx, gone))
	refused[*ec2.DeleteNetworkAclEntryOutput](b, "InvalidNetworkAclEntry.NotFound", "")(b.ec2.DeleteNetworkAclEntry(b.ctx, gone))

	for what, change := range map[string]func(*ec2.CreateNetworkAclEntryInput){
		"MissingParameter":             func(in *ec2.CreateNetworkAclEntryInput) { in.PortRange = nil },
		"InvalidParameterValue":        func(in *ec2.CreateNetworkAclEntryInput) { in.RuleNumber = aws.Int32(32767) },
		"InvalidNetworkAclID.NotFound": func(in *ec2.CreateNetworkAclEntryInput) { in.NetworkAclId = aws.String("acl-0") },
		"DryRunOperation":              func(in *ec2.CreateNetworkAclEntryInput) { in.DryRun = aws.Bool(true) },
	} {
		in := tcpEntry(id, 60, 80, 80, false)
		change(in)
		refused[*ec2.CreateNetworkAclEntryOutput](b, what, "")(b.ec2.CreateNetworkAclEntry(b.ctx, in))
	}
	if n := len(b.acls(vpc)[0].Entries); n != 5 {
		t.Errorf("%d entries, want 5: a refused request changed something", n)
	}
}

// Network ACLs judge what crosses a subnet's border, in both directions and without memory.
func TestNetworkACLsDrop(t *testing.T) {
	t.Parallel()
	v := newLive(t, liveOptions{})
	here, there := v.zones[0], v.zones[1]
	from, at := v.vantage(here), v.interfaces()
	out, err := v.consumer.EC2.DescribeNetworkAcls(v.ctx, &ec2.DescribeNetworkAclsInput{Filters: filterBy("vpc-id", v.frontVPC)})
	v.must("describe network ACLs", err)
	made, err := v.consumer.EC2.CreateNetworkAcl(v.ctx, &ec2.CreateNetworkAclInput{VpcId: &v.frontVPC})
	v.must("create a network ACL", err)
	acl := *made.NetworkAcl.NetworkAclId
	for _, a := range out.NetworkAcls[0].Associations {
		if *a.SubnetId == v.front[there] {
			_, err := v.consumer.EC2.ReplaceNetworkAclAssociation(v.ctx, &ec2.ReplaceNetworkAclAssociationInput{AssociationId: a.NetworkAclAssociationId, NetworkAclId: &acl})
			v.must("associate", err)
		}
	}
	add := func(number, from, to int32, egress bool) func() {
		return func() {
			_, err := v.consumer.EC2.CreateNetworkAclEntry(v.ctx, tcpEntry(acl, number, from, to, egress))
			v.must("create an entry", err)
		}
	}
	for _, s := range []struct {
		what   string
		change func()
		want   string
	}{
		{"everything denied", func() {}, "silence"},
		{"the question allowed", add(100, 80, 80, false), "silence"},
		{"answers on other ports allowed", add(100, 80, 80, true), "silence"},
		{"the answer allowed", add(110, 1024, 65535, true), "open"},
		{"denied by a lower number", func() {
			in := tcpEntry(acl, 90, 80, 80, false)
			in.RuleAction = ec2types.RuleActionDeny
			_, err := v.consumer.EC2.CreateNetworkAclEntry(v.ctx, in)
			v.must("deny", err)
		}, "silence"},
	} {
		s.change()
		got := ""
		if s.want == "silence" {
			got = v.connectBriefly(from, at[there], 80)
		} else {
			got = v.connect(from, at[there], 80)
		}
		if got != s.want {
			t.Errorf("%s: %s, want %s", s.what, got, s.want)
		}
		if got := v.connect(v.vantage(there), at[there], 80); got != "open" {
			t.Errorf("%s, within the subnet: %s, want open", s.what, got)
		}
	}
	if got := v.addresses(v.vantage(there), v.regional()); len(got) == 0 {
		t.Error("the resolver is filtered")
	}
}
