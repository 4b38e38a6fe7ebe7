package lab_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53types "github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/linkassay/linkassay/provision/lab"
)

const r53Region = r53types.VPCRegion("ap-southeast-1")

// r53 is one account's Route 53.
type r53 struct {
	t *testing.T
	api
}

func (a r53) create(name, reference string) *route53.CreateHostedZoneOutput {
	a.t.Helper()
	out, err := a.r53.CreateHostedZone(a.t.Context(), &route53.CreateHostedZoneInput{Name: &name, CallerReference: &reference})
	if err != nil {
		a.t.Fatal(err)
	}
	return out
}

func (a r53) vpc() string {
	a.t.Helper()
	out, err := a.ec2.CreateVpc(a.t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
	if err != nil {
		a.t.Fatal(err)
	}
	return *out.Vpc.VpcId
}

func (a r53) private(name, reference, vpc string) (*route53.CreateHostedZoneOutput, error) {
	return a.r53.CreateHostedZone(a.t.Context(), &route53.CreateHostedZoneInput{
		Name: &name, CallerReference: &reference, VPC: &r53types.VPC{VPCId: &vpc, VPCRegion: r53Region},
		HostedZoneConfig: &r53types.HostedZoneConfig{PrivateZone: true, Comment: aws.String("inside")},
	})
}

// set is "ACTION name type ttl value|value".
func set(s string) r53types.Change {
	f := strings.SplitN(s, " ", 5)
	var ttl int64
	_, _ = fmt.Sscan(f[3], &ttl)
	c := r53types.Change{Action: r53types.ChangeAction(f[0]), ResourceRecordSet: &r53types.ResourceRecordSet{Name: &f[1], Type: r53types.RRType(f[2]), TTL: &ttl}}
	for v := range strings.SplitSeq(f[4], "|") {
		c.ResourceRecordSet.ResourceRecords = append(c.ResourceRecordSet.ResourceRecords, r53types.ResourceRecord{Value: &v})
	}
	return c
}

func (a r53) change(zone *string, sets ...string) (*route53.ChangeResourceRecordSetsOutput, error) {
	batch := &r53types.ChangeBatch{Comment: aws.String("a test")}
	for _, s := range sets {
		batch.Changes = append(batch.Changes, set(s))
	}
	return a.r53.ChangeResourceRecordSets(a.t.Context(), &route53.ChangeResourceRecordSetsInput{HostedZoneId: zone, ChangeBatch: batch})
}

func (a r53) insync(id *string) {
	a.t.Helper()
	eventually(a.t, "change "+*id+" is INSYNC", func() bool {
		out, err := a.r53.GetChange(a.t.Context(), &route53.GetChangeInput{Id: id})
		if err != nil {
			a.t.Fatal(err)
		}
		return out.ChangeInfo.Status == r53types.ChangeStatusInsync
	})
}

// list shows a zone's record sets from name and type on, one "name type" each.
func (a r53) list(in *route53.ListResourceRecordSetsInput) (*route53.ListResourceRecordSetsOutput, string) {
	a.t.Helper()
	out, err := a.r53.ListResourceRecordSets(a.t.Context(), in)
	if err != nil {
		a.t.Fatal(err)
	}
	var names []string
	for _, s := range out.ResourceRecordSets {
		names = append(names, *s.Name+" "+string(s.Type))
	}
	return out, strings.Join(names, ", ")
}

func (a r53) answer(zone *string, name string, kind r53types.RRType) string {
	a.t.Helper()
	out, err := a.r53.TestDNSAnswer(a.t.Context(), &route53.TestDNSAnswerInput{HostedZoneId: zone, RecordName: &name, RecordType: kind})
	if err != nil {
		a.t.Fatal(err)
	}
	return *out.ResponseCode + " " + strings.Join(out.RecordData, "|")
}

func TestHostedZoneLife(t *testing.T) {
	t.Parallel()
	l := start(t, lab.Options{})
	a := r53{t, of(t, l, "consumer")}
	ctx := t.Context()
	made := a.create("Example.com", "ref-1")
	z := made.HostedZone
	if *z.Name != "example.com." || *z.CallerReference != "ref-1" || *z.ResourceRecordSetCount != 2 || z.Config.PrivateZone {
		t.Errorf("zone %s %s %d", *z.Name, *z.CallerReference, *z.ResourceRecordSetCount)
	}
	if !regexp.MustCompile(`^/hostedzone/Z[A-Z0-9]{20}$`).MatchString(*z.Id) || !strings.HasSuffix(*made.Location, "/2013-04-01"+*z.Id) {
		t.Errorf("id %s, location %s", *z.Id, *made.Location)
	}
	if made.ChangeInfo.Status != r53types.ChangeStatusPending || time.Since(*made.ChangeInfo.SubmittedAt) > time.Minute || !regexp.MustCompile(`^/change/C[A-Z0-9]{20}$`).MatchString(*made.ChangeInfo.Id) {
		t.Errorf("change %+v", made.ChangeInfo)
	}
	servers := made.DelegationSet.NameServers
	if len(servers) != 4 || strings.HasSuffix(servers[0], ".") || !strings.Contains(servers[0], "awsdns") {
		t.Errorf("name servers %q", servers)
	}
	a.insync(made.ChangeInfo.Id)

	got, err := a.r53.GetHostedZone(ctx, &route53.GetHostedZoneInput{Id: z.Id})
	if err != nil || *got.HostedZone.Id != *z.Id || strings.Join(got.DelegationSet.NameServers, " ") != strings.Join(servers, " ") || len(got.VPCs) != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	out, names := a.list(&route53.ListResourceRecordSetsInput{HostedZoneId: z.Id})
	if names != "example.com. NS, example.com. SOA" {
		t.Errorf("record sets %s", names)
	}
	if ns := out.ResourceRecordSets[0]; *ns.TTL != 172800 || len(ns.ResourceRecords) != 4 || *ns.ResourceRecords[0].Value != servers[0]+"." {
		t.Errorf("NS %+v", ns)
	}
	if soa := out.ResourceRecordSets[1]; *soa.TTL != 900 || *soa.ResourceRecords[0].Value != servers[0]+". awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400" {
		t.Errorf("SOA %+v", *soa.ResourceRecords[0].Value)
	}

	_, err = a.r53.CreateHostedZone(ctx, &route53.CreateHostedZoneInput{Name: aws.String("other.com"), CallerReference: aws.String("ref-1")})
	wantCode(t, err, "HostedZoneAlreadyExists", "specified caller reference")
	for _, name := range []string{"*.example.com", "a..com", "com", strings.Repeat("a", 64) + ".com", "ex ample.com"} {
		_, err = a.r53.CreateHostedZone(ctx, &route53.CreateHostedZoneInput{Name: &name, CallerReference: aws.String("bad")})
		wantCode(t, err, "InvalidDomainName", name+" is not a valid domain name")
	}
	// Zones of other accounts do not exist.
	_, err = of(t, l, "provider").r53.GetHostedZone(ctx, &route53.GetHostedZoneInput{Id: z.Id})
	wantCode(t, err, "NoSuchHostedZone", "No hosted zone found with ID: "+strings.TrimPrefix(*z.Id, "/hostedzone/"))
	_, err = of(t, l, "provider").r53.GetChange(ctx, &route53.GetChangeInput{Id: made.ChangeInfo.Id})
	wantCode(t, err, "NoSuchChange", "")

	if _, err := a.change(z.Id, "CREATE a.example.com A 60 192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	_, err = a.r53.DeleteHostedZone(ctx, &route53.DeleteHostedZoneInput{Id: z.Id})
	wantCode(t, err, "HostedZoneNotEmpty", "non-required resource record sets")
	if _, err := a.change(z.Id, "DELETE a.example.com A 60 192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	gone, err := a.r53.DeleteHostedZone(ctx, &route53.DeleteHostedZoneInput{Id: z.Id})
	if err != nil || gone.ChangeInfo.Status != r53types.ChangeStatusPending {
		t.Errorf("%+v, %v", gone, err)
	}
	_, err = a.r53.GetHostedZone(ctx, &route53.GetHostedZoneInput{Id: z.Id})
	wantCode(t, err, "NoSuchHostedZone", "")
	a.insync(gone.ChangeInfo.Id)
}

// The account's domain exists from the start, in sync.
func TestAccountDomain(t *testing.T) {
	t.Parallel()
	a := r53{t, of(t, start(t, lab.Options{}), "provider")}
	out, err := a.r53.ListHostedZones(t.Context(), nil)
	if err != nil || len(out.HostedZones) != 1 || *out.HostedZones[0].Name != "chartsinvestor.com." || *out.HostedZones[0].ResourceRecordSetCount != 2 {
		t.Fatalf("%+v, %v", out, err)
	}
	if got := a.answer(out.HostedZones[0].Id, "chartsinvestor.com", "SOA"); !strings.Contains(got, "NOERROR ns-") {
		t.Errorf("SOA: %s", got)
	}
}

func TestListHostedZones(t *testing.T) {
	t.Parallel()
	a := r53{t, of(t, start(t, lab.Options{}), "consumer")}
	ctx := t.Context()
	for i, name := range []string{"b.org", "example.com", "a.example.com", "example-x.com", "example.com"} {
		a.create(name, fmt.Sprint(i))
	}
	var names []string
	pages := route53.NewListHostedZonesPaginator(a.r53, &route53.ListHostedZonesInput{MaxItems: aws.Int32(2)})
	for pages.HasMorePages() {
		p, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, z := range p.HostedZones {
			names = append(names, *z.Name)
		}
	}
	if got := strings.Join(names, " "); got != "b.org. example.com. a.example.com. example-x.com. example.com." {
		t.Errorf("in the order of creation: %s", got)
	}
	_, err := a.r53.ListHostedZones(ctx, &route53.ListHostedZonesInput{Marker: aws.String("Z0")})
	wantCode(t, err, "InvalidInput", "marker")

	byName := func(in *route53.ListHostedZonesByNameInput) (*route53.ListHostedZonesByNameOutput, string) {
		out, err := a.r53.ListHostedZonesByName(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, z := range out.HostedZones {
			names = append(names, *z.Name)
		}
		return out, strings.Join(names, " ")
	}
	// Labels are reversed and the trailing dot counts: com.example-x. is before com.example.
	if _, got := byName(nil); got != "example-x.com. example.com. example.com. a.example.com. b.org." {
		t.Errorf("by name: %s", got)
	}
	out, got := byName(&route53.ListHostedZonesByNameInput{DNSName: aws.String("example.com"), MaxItems: aws.Int32(1)})
	if got != "example.com." || !out.IsTruncated || *out.DNSName != "example.com." || *out.NextDNSName != "example.com." || *out.MaxItems != 1 {
		t.Errorf("first page %s: %+v", got, out)
	}
	first := *out.HostedZones[0].Id
	out, got = byName(&route53.ListHostedZonesByNameInput{DNSName: out.NextDNSName, HostedZoneId: out.NextHostedZoneId, MaxItems: aws.Int32(1)})
	if got != "example.com." || *out.HostedZones[0].Id == first || *out.NextDNSName != "a.example.com." {
		t.Errorf("second page %s: %+v", got, out)
	}
	_, err = a.r53.ListHostedZonesByName(ctx, &route53.ListHostedZonesByNameInput{HostedZoneId: &first})
	wantCode(t, err, "InvalidInput", "DNSName")
	_, err = a.r53.ListHostedZonesByName(ctx, &route53.ListHostedZonesByNameInput{MaxItems: aws.Int32(0)})
	wantCode(t, err, "InvalidInput", "maxitems")
}

func TestPrivateZones(t *testing.T) {
	t.Parallel()
	l := start(t, lab.Options{})
	a, other := r53{t, of(t, l, "consumer")}, r53{t, of(t, l, "provider")}
	ctx := t.Context()
	vpc, second, foreign := a.vpc(), a.vpc(), other.vpc()
	made, err := a.private("corp", "1", vpc)
	if err != nil {
		t.Fatal(err)
	}
	if made.DelegationSet != nil || !made.HostedZone.Config.PrivateZone || *made.HostedZone.Config.Comment != "inside" || *made.VPC.VPCId != vpc {
		t.Errorf("%+v", made)
	}
	_, err = a.private("corp", "2", vpc)
	wantCode(t, err, "ConflictingDomainExists", "A conflicting domain is already associated")
	_, err = a.private("corp", "3", foreign)
	wantCode(t, err, "InvalidVPCId", foreign)
	_, err = a.r53.CreateHostedZone(ctx, &route53.CreateHostedZoneInput{Name: aws.String("x.y"), CallerReference: aws.String("4"), HostedZoneConfig: &r53types.HostedZoneConfig{PrivateZone: true}})
	wantCode(t, err, "InvalidInput", "VPCId and VPCRegion")

	associate := func(zone *string, vpc string) error {
		_, err := a.r53.AssociateVPCWithHostedZone(ctx, &route53.AssociateVPCWithHostedZoneInput{HostedZoneId: zone, VPC: &r53types.VPC{VPCId: &vpc, VPCRegion: r53Region}})
		return err
	}
	disassociate := func(vpc string) error {
		_, err := a.r53.DisassociateVPCFromHostedZone(ctx, &route53.DisassociateVPCFromHostedZoneInput{HostedZoneId: made.HostedZone.Id, VPC: &r53types.VPC{VPCId: &vpc, VPCRegion: r53Region}})
		return err
	}
	wantCode(t, disassociate(vpc), "LastVPCAssociation", "")
	wantCode(t, disassociate(second), "VPCAssociationNotFound", "")
	wantCode(t, associate(made.HostedZone.Id, foreign), "NotAuthorizedException", "The VPC: "+foreign+" that you provided is not authorized to make the association.")
	wantCode(t, associate(made.HostedZone.Id, vpc), "ConflictingDomainExists", "is already associated with another private hosted zone that has an overlapping name space, corp.")
	wantCode(t, associate(a.create("example.com", "5").HostedZone.Id, vpc), "PublicZoneVPCAssociation", "")
	if err := associate(made.HostedZone.Id, second); err != nil {
		t.Fatal(err)
	}
	got, err := a.r53.GetHostedZone(ctx, &route53.GetHostedZoneInput{Id: made.HostedZone.Id})
	if err != nil || len(got.VPCs) != 2 || got.DelegationSet != nil {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := a.private("a.corp", "6", second); err != nil { // zones may overlap
		t.Fatal(err)
	}

	byVPC, err := a.r53.ListHostedZonesByVPC(ctx, &route53.ListHostedZonesByVPCInput{VPCId: &second, VPCRegion: r53Region, MaxItems: aws.Int32(1)})
	if err != nil || len(byVPC.HostedZoneSummaries) != 1 || byVPC.NextToken == nil {
		t.Fatalf("%+v, %v", byVPC, err)
	}
	if s := byVPC.HostedZoneSummaries[0]; "/hostedzone/"+*s.HostedZoneId != *made.HostedZone.Id || *s.Name != "corp." || *s.Owner.OwningAccount != "222222222222" || s.Owner.OwningService != nil {
		t.Errorf("summary %+v", s)
	}
	byVPC, err = a.r53.ListHostedZonesByVPC(ctx, &route53.ListHostedZonesByVPCInput{VPCId: &second, VPCRegion: r53Region, NextToken: byVPC.NextToken})
	if err != nil || len(byVPC.HostedZoneSummaries) != 1 || *byVPC.HostedZoneSummaries[0].Name != "a.corp." || byVPC.NextToken != nil {
		t.Errorf("%+v, %v", byVPC, err)
	}
	_, err = a.r53.ListHostedZonesByVPC(ctx, &route53.ListHostedZonesByVPCInput{VPCId: &second, VPCRegion: r53Region, NextToken: aws.String("x")})
	wantCode(t, err, "InvalidPaginationToken", "")
	_, err = a.r53.ListHostedZonesByVPC(ctx, &route53.ListHostedZonesByVPCInput{VPCId: &foreign, VPCRegion: r53Region})
	wantCode(t, err, "InvalidInput", foreign)
	if err := disassociate(vpc); err != nil {
		t.Error(err)
	}
	_, err = a.r53.TestDNSAnswer(ctx, &route53.TestDNSAnswerInput{HostedZoneId: made.HostedZone.Id, RecordName: aws.String("corp"), RecordType: "A"})
	wantCode(t, err, "InvalidInput", "private")
}

func TestChangeBatchIsInSyncLater(t *testing.T) {
	t.Parallel()
	timing := lab.Brisk()
	timing.Change = 200 * time.Millisecond
	a := r53{t, of(t, start(t, lab.Options{Timing: timing}), "consumer")}
	z := a.create("example.com", "1")
	a.insync(z.ChangeInfo.Id)
	id := z.HostedZone.Id
	const txt = `"vpce:l6p0ERxlTt45jevFwOCp"`
	change, err := a.change(id, "UPSERT _6e86.example.com TXT 1800 "+txt, "CREATE *.example.com A 60 192.0.2.1|192.0.2.2", "CREATE www.sub.example.com CNAME 60 _6e86.example.com")
	if err != nil {
		t.Fatal(err)
	}
	if change.ChangeInfo.Status != r53types.ChangeStatusPending || *change.ChangeInfo.Comment != "a test" {
		t.Errorf("%+v", change.ChangeInfo)
	}
	// The API knows it at once, the name servers do not.
	out, _ := a.list(&route53.ListResourceRecordSetsInput{HostedZoneId: id, StartRecordName: aws.String("_6e86.example.com"), StartRecordType: "TXT", MaxItems: aws.Int32(1)})
	if s := out.ResourceRecordSets[0]; *s.Name != "_6e86.example.com." || *s.TTL != 1800 || *s.ResourceRecords[0].Value != txt || s.AliasTarget != nil {
		t.Errorf("%+v", s)
	}
	if got := a.answer(id, "_6e86.example.com", "TXT"); got != "NXDOMAIN " {
		t.Errorf("before INSYNC: %s", got)
	}
	a.insync(change.ChangeInfo.Id)
	for _, tt := range []struct {
		name string
		kind r53types.RRType
		want string
	}{
		{"_6e86.example.com", "TXT", "NOERROR " + txt},
		{"_6e86.example.com", "A", "NOERROR "},
		{"any.example.com", "A", "NOERROR 192.0.2.1|192.0.2.2"},
		{"any.example.com", "TXT", "NOERROR "},
		{"sub.example.com", "A", "NOERROR "},
		{"other.sub.example.com", "A", "NXDOMAIN "},
		{"www.sub.example.com", "A", "NOERROR _6e86.example.com"},
	} {
		if got := a.answer(id, tt.name, tt.kind); got != tt.want {
			t.Errorf("%s %s: %q, want %q", tt.name, tt.kind, got, tt.want)
		}
	}
	_, err = a.r53.TestDNSAnswer(t.Context(), &route53.TestDNSAnswerInput{HostedZoneId: id, RecordName: aws.String("other.org"), RecordType: "A"})
	wantCode(t, err, "InvalidInput", "not in the zone")

	// DELETE wants the very record set; DELETE and CREATE in one batch replace it.
	change, err = a.change(id, "DELETE _6e86.example.com TXT 1800 "+txt, `CREATE _6e86.example.com TXT 60 "other"`)
	if err != nil {
		t.Fatal(err)
	}
	a.insync(change.ChangeInfo.Id)
	if got := a.answer(id, "_6e86.example.com", "TXT"); got != `NOERROR "other"` {
		t.Errorf("after the replacement: %s", got)
	}
}

func TestListRecordSets(t *testing.T) {
	t.Parallel()
	a := r53{t, of(t, start(t, lab.Options{}), "consumer")}
	id := a.create("example.com", "1").HostedZone.Id
	if _, err := a.change(id, "CREATE b.a.example.com A 1 192.0.2.1", "CREATE b.example.com AAAA 1 2001:db8::1", "CREATE b.example.com A 1 192.0.2.1",
		"CREATE a.example.com A 1 192.0.2.1", "CREATE a-a.example.com A 1 192.0.2.1", "CREATE *.a.example.com A 1 192.0.2.1", "CREATE example.com MX 1 10 a.example.com"); err != nil {
		t.Fatal(err)
	}
	const all = "example.com. MX, example.com. NS, example.com. SOA, a-a.example.com. A, a.example.com. A, \\052.a.example.com. A, b.a.example.com. A, b.example.com. A, b.example.com. AAAA"
	out, got := a.list(&route53.ListResourceRecordSetsInput{HostedZoneId: id})
	if got != all || out.IsTruncated || *out.MaxItems != 300 {
		t.Errorf("\n got %s\nwant %s", got, all)
	}
	var paged []string
	pages := route53.NewListResourceRecordSetsPaginator(a.r53, &route53.ListResourceRecordSetsInput{HostedZoneId: id, MaxItems: aws.Int32(2)})
	for pages.HasMorePages() {
		p, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(p.ResourceRecordSets) > 2 {
			t.Fatalf("%d on one page", len(p.ResourceRecordSets))
		}
		for _, s := range p.ResourceRecordSets {
			paged = append(paged, *s.Name+" "+string(s.Type))
		}
	}
	if got := strings.Join(paged, ", "); got != all {
		t.Errorf("paged\n got %s\nwant %s", got, all)
	}
	for _, tt := range []struct {
		name string
		kind r53types.RRType
		want string
	}{
		{"b.example.com", "AAAA", "b.example.com. AAAA"},
		{"B.example.com.", "", "b.example.com. A, b.example.com. AAAA"},
		{"zzz.example.com", "", ""},
		{"aa.example.com", "", "b.example.com. A, b.example.com. AAAA"},
	} {
		if _, got := a.list(&route53.ListResourceRecordSetsInput{HostedZoneId: id, StartRecordName: &tt.name, StartRecordType: tt.kind}); got != tt.want {
			t.Errorf("from %s %s: %s, want %s", tt.name, tt.kind, got, tt.want)
		}
	}
	_, err := a.r53.ListResourceRecordSets(t.Context(), &route53.ListResourceRecordSetsInput{HostedZoneId: id, StartRecordType: "A"})
	wantCode(t, err, "InvalidInput", "name")
}

func TestChangeBatchRefused(t *testing.T) {
	t.Parallel()
	a := r53{t, of(t, start(t, lab.Options{}), "consumer")}
	id := a.create("example.com", "1").HostedZone.Id
	if _, err := a.change(id, "CREATE a.example.com A 60 192.0.2.1|192.0.2.2", "CREATE c.example.com CNAME 60 a.example.com"); err != nil {
		t.Fatal(err)
	}
	_, before := a.list(&route53.ListResourceRecordSetsInput{HostedZoneId: id})
	many := make([]string, 1001)
	for i := range many {
		many[i] = fmt.Sprintf("CREATE n%d.example.com A 60 192.0.2.1", i)
	}
	for _, tt := range []struct {
		sets []string
		want []string
	}{
		{[]string{"CREATE t.example.com TXT 60 x"}, []string{"Invalid Resource Record: 'FATAL problem: InvalidCharacterString (Value should be enclosed in quotation marks) encountered with 'x''"}},
		{[]string{"CREATE t.example.com A 60 x"}, []string{"Invalid Resource Record: 'FATAL problem: ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address) encountered with 'x''"}},
		{[]string{"CREATE a.example.com A 60 192.0.2.9"}, []string{"Tried to create resource record set [name='a.example.com.', type='A'] but it already exists"}},
		{[]string{`DELETE a.example.com TXT 60 "x"`}, []string{"Tried to delete resource record set [name='a.example.com.', type='TXT'] but it was not found"}},
		{[]string{"DELETE a.example.com A 61 192.0.2.1|192.0.2.2"}, []string{"Tried to delete resource record set [name='a.example.com.', type='A'] but the values provided do not match the current values"}},
		{[]string{"DELETE a.example.com A 60 192.0.2.1"}, []string{"Tried to delete resource record set [name='a.example.com.', type='A'] but the values provided do not match the current values"}},
		{[]string{"CREATE a.other.com A 60 192.0.2.1"}, []string{"RRSet with DNS name a.other.com. is not permitted in zone example.com."}},
		{[]string{"CREATE badexample.com A 60 192.0.2.1"}, []string{"RRSet with DNS name badexample.com. is not permitted in zone example.com."}},
		{[]string{"CREATE a..example.com A 60 192.0.2.1"}, []string{"FATAL problem: DomainLabelEmpty (Domain label is empty) encountered with 'a..example.com'"}},
		{[]string{"UPSERT a.example.com CNAME 60 b.example.com"}, []string{"RRSet of type CNAME with DNS name a.example.com. is not permitted as it conflicts with other records with the same DNS name in zone example.com."}},
		{[]string{"CREATE c.example.com A 60 192.0.2.1"}, []string{"RRSet of type A with DNS name c.example.com. is not permitted as it conflicts with other records with the same DNS name in zone example.com."}},
		{[]string{"CREATE example.com CNAME 60 a.example.com"}, []string{"RRSet of type CNAME with DNS name example.com. is not permitted at apex in zone example.com."}},
		{[]string{"UPSERT d.example.com A 60 192.0.2.1|192.0.2.1"}, []string{"Duplicate Resource Record: '192.0.2.1'"}},
		{[]string{"UPSERT d.example.com A 60 192.0.2.1", "UPSERT d.example.com A 60 192.0.2.2"}, []string{"The request contains an invalid set of changes for a resource record set 'A d.example.com.'"}},
		// All or nothing, and everything that is wrong at once.
		{[]string{"CREATE fine.example.com A 60 192.0.2.1", "CREATE x.example.com A 60 y", "CREATE a.other.com A 60 192.0.2.1"}, []string{
			"Invalid Resource Record: 'FATAL problem: ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address) encountered with 'y''",
			"RRSet with DNS name a.other.com. is not permitted in zone example.com.",
		}},
		{many, []string{"Number of records limit of 1000 exceeded."}},
	} {
		_, err := a.change(id, tt.sets...)
		var e *r53types.InvalidChangeBatch
		if !errors.As(err, &e) || e.ErrorMessage() != "["+strings.Join(tt.want, ", ")+"]" {
			t.Errorf("%s: %v\nwant %q", tt.sets[0], err, tt.want)
		}
	}
	for _, gone := range []string{"NS", "SOA"} {
		out, _ := a.list(&route53.ListResourceRecordSetsInput{HostedZoneId: id, StartRecordName: aws.String("example.com"), StartRecordType: r53types.RRType(gone), MaxItems: aws.Int32(1)})
		_, err := a.r53.ChangeResourceRecordSets(t.Context(), &route53.ChangeResourceRecordSetsInput{HostedZoneId: id, ChangeBatch: &r53types.ChangeBatch{
			Changes: []r53types.Change{{Action: "DELETE", ResourceRecordSet: &out.ResourceRecordSets[0]}},
		}})
		var e *r53types.InvalidChangeBatch
		if !errors.As(err, &e) || !strings.Contains(e.ErrorMessage(), "A HostedZone must contain") {
			t.Errorf("delete %s: %v", gone, err)
		}
	}
	if _, after := a.list(&route53.ListResourceRecordSetsInput{HostedZoneId: id}); after != before {
		t.Errorf("the zone changed from %s to %s", before, after)
	}
	// A batch may take the CNAME away and put an address in its place.
	if _, err := a.change(id, "DELETE c.example.com CNAME 60 a.example.com", "CREATE c.example.com A 60 192.0.2.1"); err != nil {
		t.Error(err)
	}
	_, err := a.change(aws.String("Z0"), "CREATE a.example.com A 60 192.0.2.1")
	wantCode(t, err, "NoSuchHostedZone", "Z0")
}

func TestChangeInvalidInput(t *testing.T) {
	t.Parallel()
	a := r53{t, of(t, start(t, lab.Options{}), "consumer")}
	id := a.create("example.com", "1").HostedZone.Id
	name, ip := aws.String("a.example.com"), []r53types.ResourceRecord{{Value: aws.String("192.0.2.1")}}
	alias := &r53types.AliasTarget{HostedZoneId: aws.String("Z18LLCSTV4NVNL"), DNSName: aws.String("vpce-1.vpce-svc-1.ap-southeast-1.vpce.amazonaws.com")}
	for _, tt := range []struct {
		change r53types.Change
		code   string
		text   string
	}{
		{r53types.Change{Action: "CREATE", ResourceRecordSet: &r53types.ResourceRecordSet{Name: name, Type: "A"}}, "InvalidInput", "Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId], but found none in Change with [Action=CREATE, Name=a.example.com, Type=A, SetIdentifier=null]"},
		{r53types.Change{Action: "CREATE", ResourceRecordSet: &r53types.ResourceRecordSet{Name: name, Type: "A", ResourceRecords: ip}}, "InvalidInput", "Missing field 'TTL'"},
		{r53types.Change{Action: "CREATE", ResourceRecordSet: &r53types.ResourceRecordSet{Name: name, Type: "A", TTL: aws.Int64(1)}}, "InvalidInput", "Missing field 'ResourceRecords'"},
		{r53types.Change{Action: "CREATE", ResourceRecordSet: &r53types.ResourceRecordSet{Name: name, Type: "A", TTL: aws.Int64(1), ResourceRecords: ip, AliasTarget: alias}}, "InvalidInput", "found more than one"},
		{r53types.Change{Action: "CREATE", ResourceRecordSet: &r53types.ResourceRecordSet{Name: name, Type: "WKS", TTL: aws.Int64(1), ResourceRecords: ip}}, "InvalidInput", "'WKS'"},
		{r53types.Change{Action: "MAKE", ResourceRecordSet: &r53types.ResourceRecordSet{Name: name, Type: "A", TTL: aws.Int64(1), ResourceRecords: ip}}, "InvalidInput", "'MAKE'"},
		{r53types.Change{Action: "CREATE", ResourceRecordSet: &r53types.ResourceRecordSet{Name: name, Type: "A", TTL: aws.Int64(1), ResourceRecords: ip, SetIdentifier: aws.String("s"), Weight: aws.Int64(1)}}, "InvalidInput", "simple routing only"},
		{r53types.Change{Action: "CREATE", ResourceRecordSet: &r53types.ResourceRecordSet{Name: name, Type: "A", AliasTarget: alias}}, "", ""},
	} {
		_, err := a.r53.ChangeResourceRecordSets(t.Context(), &route53.ChangeResourceRecordSetsInput{HostedZoneId: id, ChangeBatch: &r53types.ChangeBatch{Changes: []r53types.Change{tt.change}}})
		if tt.code == "" {
			if err != nil {
				t.Error(err)
			}
			continue
		}
		wantCode(t, err, tt.code, tt.text)
	}
	out, _ := a.list(&route53.ListResourceRecordSetsInput{HostedZoneId: id, StartRecordName: name, MaxItems: aws.Int32(1)})
	if s := out.ResourceRecordSets[0]; s.TTL != nil || len(s.ResourceRecords) != 0 || s.AliasTarget == nil || *s.AliasTarget.HostedZoneId != "Z18LLCSTV4NVNL" || !strings.HasSuffix(*s.AliasTarget.DNSName, "amazonaws.com.") {
		t.Errorf("the alias came back as %+v", s)
	}
}

func TestZoneTags(t *testing.T) {
	t.Parallel()
	l := start(t, lab.Options{})
	a := r53{t, of(t, l, "consumer")}
	ctx := t.Context()
	id := strings.TrimPrefix(*a.create("example.com", "1").HostedZone.Id, "/hostedzone/")
	change := func(in *route53.ChangeTagsForResourceInput) error {
		in.ResourceType, in.ResourceId = r53types.TagResourceTypeHostedzone, &id
		_, err := a.r53.ChangeTagsForResource(ctx, in)
		return err
	}
	tag := func(k, v string) r53types.Tag { return r53types.Tag{Key: &k, Value: &v} }
	if err := change(&route53.ChangeTagsForResourceInput{AddTags: []r53types.Tag{tag("b", "2"), tag("a", "1")}}); err != nil {
		t.Fatal(err)
	}
	if err := change(&route53.ChangeTagsForResourceInput{AddTags: []r53types.Tag{tag("c", "3")}, RemoveTagKeys: []string{"b"}}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, change(&route53.ChangeTagsForResourceInput{}), "InvalidInput", "")
	out, err := a.r53.ListTagsForResource(ctx, &route53.ListTagsForResourceInput{ResourceType: r53types.TagResourceTypeHostedzone, ResourceId: &id})
	if err != nil || *out.ResourceTagSet.ResourceId != id || len(out.ResourceTagSet.Tags) != 2 || *out.ResourceTagSet.Tags[0].Key != "a" || *out.ResourceTagSet.Tags[1].Value != "3" {
		t.Errorf("%+v, %v", out, err)
	}
	all, err := a.r53.ListTagsForResources(ctx, &route53.ListTagsForResourcesInput{ResourceType: r53types.TagResourceTypeHostedzone, ResourceIds: []string{id}})
	if err != nil || len(all.ResourceTagSets) != 1 || len(all.ResourceTagSets[0].Tags) != 2 {
		t.Errorf("%+v, %v", all, err)
	}
	_, err = of(t, l, "provider").r53.ListTagsForResource(ctx, &route53.ListTagsForResourceInput{ResourceType: r53types.TagResourceTypeHostedzone, ResourceId: &id})
	wantCode(t, err, "NoSuchHostedZone", id)
	_, err = a.r53.ListTagsForResource(ctx, &route53.ListTagsForResourceInput{ResourceType: r53types.TagResourceTypeHealthcheck, ResourceId: &id})
	wantCode(t, err, "NoSuchHealthCheck", id)
}

// Clients differ in how they spell ids and paths.
func TestRoute53Paths(t *testing.T) {
	t.Parallel()
	l := start(t, lab.Options{})
	made := r53{t, of(t, l, "consumer")}.create("example.com", "1").HostedZone
	key, secret, _ := l.Credentials("consumer")
	id := strings.TrimPrefix(*made.Id, "/hostedzone/")
	for path, want := range map[string]string{
		"hostedzone/" + id:                        "<GetHostedZoneResponse",
		"hostedzone//hostedzone/" + id:            "<GetHostedZoneResponse",
		"hostedzone/%2Fhostedzone%2F" + id:        "<GetHostedZoneResponse",
		"hostedzone/" + id + "/rrset":             "<ListResourceRecordSetsResponse",
		"hostedzone/" + id + "/rrset/":            "<ListResourceRecordSetsResponse",
		"hostedzone/" + id + "/rrset/?maxitems=x": "<Code>InvalidInput</Code>",
		"change/C0":         "<Code>NoSuchChange</Code>",
		"change//change/C0": "<Code>NoSuchChange</Code>",
		"hostedzone/" + id + "/rrset/more/and/more": "<Code>UnknownOperationException</Code>",
	} {
		_, _, body := raw{method: "GET", path: "2013-04-01/" + path, service: "route53", region: "us-east-1", key: key, secret: secret}.send(t, l)
		if !strings.Contains(body, want) {
			t.Errorf("%s: %s, want %s", path, body, want)
		}
	}
	// Empty lists are elements too; boto3 gives no key otherwise.
	for path, want := range map[string]string{
		"hostedzone?hostedzonetype=PrivateHostedZone":     "<HostedZones></HostedZones>",
		"hostedzonesbyname?dnsname=zzz.zzz":               "<HostedZones></HostedZones>",
		"hostedzone/" + id + "/rrset?name=zz.example.com": "<ResourceRecordSets></ResourceRecordSets>",
		"tags/hostedzone/" + id:                           "<Tags></Tags>",
	} {
		_, _, body := raw{method: "GET", path: "2013-04-01/" + path, service: "route53", region: "us-east-1", key: key, secret: secret}.send(t, l)
		if !strings.Contains(body, want) {
			t.Errorf("%s: %s, want %s", path, body, want)
		}
	}
	for body, code := range map[string]string{
		"":                           "MalformedXML",
		"<CreateHostedZoneRequest/>": "MalformedInput",
		"<ChangeResourceRecordSetsRequest><ChangeBatch></ChangeBatch></ChangeResourceRecordSetsRequest>": "InvalidInput",
	} {
		_, _, answer := raw{path: "2013-04-01/hostedzone/" + id + "/rrset", body: body, service: "route53", region: "us-east-1", key: key, secret: secret}.send(t, l)
		if !strings.Contains(answer, "<Code>"+code+"</Code>") {
			t.Errorf("%q: %s, want %s", body, answer, code)
		}
	}
}
