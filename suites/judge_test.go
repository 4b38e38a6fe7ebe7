package suites

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/linkassay/linkassay/probes"
)

func TestHealthyFixtureFailsNothing(t *testing.T) {
	t.Parallel()
	for _, v := range Judge(healthy(), Catalogue(), nil) {
		switch {
		case v.Status == Passed:
			if len(v.Facts) == 0 {
				t.Errorf("%s passed with no fact", v.Check)
			}
		case v.Status == Skipped && slices.Contains([]string{
			"connection.load-balancers-alike", "connection.load-balancer-security-group", "network.load-balancer-egress", "network.route-to-vantage",
			"proxy.as-expected", "proxy.health-checks-parsed", "proxy.connections-parsed", "proxy.endpoint-id-arrives",
		}, v.Check):
		case v.Status == Skipped && slices.Contains(ofOtherFamilies(), v.Check):
		default:
			t.Errorf("%s: %s: %s %v", v.Check, v.Status, v.Reason, v.Facts)
		}
	}
}

func TestUntold(t *testing.T) {
	t.Parallel()
	broken := &probes.Failure{Class: probes.FailAPI, Operation: "ec2:DescribeVpcEndpoints", Code: "InternalError", Message: "An internal\x1b[31m error.\n", Attempts: 3}
	tests := []struct {
		name   string
		make   func(o *probes.Observation)
		untold []string
		reason string
	}{
		{
			"an item with an error", func(o *probes.Observation) { o.Consumer.Endpoint.Error = broken },
			[]string{"connection.endpoint-exists", "dns.private-dns-enabled"},
			"ec2:DescribeVpcEndpoints: api: InternalError An internal",
		},
		{
			"an item that was not reached", func(o *probes.Observation) { absent(&o.Reach.HTTP, probes.NotReached) },
			[]string{"reachability.http-interfaces"},
			"interrupted",
		},
		{
			"an item that an older recording lacks", func(o *probes.Observation) { o.Provider.TargetHealth = nil },
			[]string{"connection.healthy-target"},
			"the observation has no item provider.targetHealth",
		},
		{"a subject below what could not be told", func(o *probes.Observation) {
			o.Consumer.Endpoint.Error = broken
			absent(&o.Consumer.VPC, probes.NoSubject)
		}, []string{"dns.vpc-attributes"}, "connection.endpoint-exists could not be told"},
		{
			"a vantage out of reach", func(o *probes.Observation) { allTCP(o, probes.NoVia) },
			[]string{"reachability.tcp-interfaces", "reachability.tcp-private-name"},
			"vantage unreachable",
		},
		{"a closed vantage out of reach is no pass", func(o *probes.Observation) {
			for i := range o.Reach.TCP.Value {
				if o.Reach.TCP.Value[i].Vantage == outside {
					o.Reach.TCP.Value[i].Tries[0].Outcome = probes.NoVia
				}
			}
		}, []string{"reachability.closed-vantages"}, "vantage unreachable"},
		{"a closed vantage that dialled nothing is no pass", func(o *probes.Observation) {
			o.Reach.TCP.Value = slices.DeleteFunc(o.Reach.TCP.Value, func(a probes.Attempt) bool { return a.Vantage == outside })
		}, []string{"reachability.closed-vantages"}, "nothing was dialled"},
		{"an interface that was not dialled", func(o *probes.Observation) {
			o.Reach.TCP.Value = slices.DeleteFunc(o.Reach.TCP.Value, func(a probes.Attempt) bool {
				return a.Vantage == inside && a.Target.ZoneID == zones[2] && a.Target.Kind == probes.TargetInterface && a.Addr.Port() == 443
			})
		}, []string{"reachability.tcp-interfaces"}, "apse1-az3 port 443 was not dialled"},
		{"a vantage whose resolver was not asked", func(o *probes.Observation) {
			setDNS(o.DNS.Regional, func(l probes.Lookup) probes.Lookup { return failedLookup(l.Vantage, l.Name, probes.NoVia) })
			setDNS(o.DNS.Private, func(l probes.Lookup) probes.Lookup { return failedLookup(l.Vantage, l.Name, probes.NoVia) })
			setDNS(o.DNS.Zonal, func(l probes.Lookup) probes.Lookup { return failedLookup(l.Vantage, l.Name, probes.NoVia) })
		}, []string{"dns.resolver-answers", "dns.regional-name-resolves", "dns.private-name-resolves"}, "vantage unreachable"},
		{"no name server answers", func(o *probes.Observation) {
			setTXT(o, func(q *probes.TXTQuestion) { q.Outcome, q.Texts = probes.TimedOut, nil })
		}, []string{"verification.txt-published"}, "no authoritative name server answered"},
		{"only single roles are allowed and the caller is not known", func(o *probes.Observation) {
			o.Provider.Permissions.Value = []probes.Principal{{ARN: "arn:aws:iam::222222222222:role/Other"}}
			o.Link.Provider.Build = nil
			o.Consumer.Identity.Error = broken
		}, []string{"connection.principal-allowed"}, "only single roles"},
	}
	for _, x := range tests {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			o := healthy()
			x.make(o)
			verdicts := Judge(o, Catalogue(), nil)
			untold := byStatus(verdicts, Untold)
			for _, id := range x.untold {
				if !slices.Contains(untold, id) {
					t.Errorf("%s could be told; untold: %v, failed: %v", id, untold, byStatus(verdicts, Failed))
				}
			}
			if failed := byStatus(verdicts, Failed); len(failed) > 0 {
				t.Errorf("failed: %v", failed)
			}
			i := slices.IndexFunc(verdicts, func(v Verdict) bool { return v.Check == x.untold[0] })
			if got := verdicts[i].Reason; !strings.Contains(got, x.reason) || strings.ContainsAny(got, "\x1b\n") {
				t.Errorf("reason %q, want %q in it", got, x.reason)
			}
			if s := Summarize(verdicts, ""); s.RequiredUntold == 0 || s.RequiredFailed > 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestTwoFaultsHaveBothRoots(t *testing.T) {
	t.Parallel()
	o := healthy()
	o.Consumer.SecurityGroups.Value[0].Ingress = nil
	setTXT(o, withoutTXT)
	unverified(o, "failed")
	allTCP(o, probes.TimedOut)
	verdicts := Judge(o, Catalogue(), nil)
	want := []string{"connection.endpoint-security-group", "verification.txt-published"}
	if got := byStatus(verdicts, Failed); !slices.Equal(got, want) {
		t.Fatalf("failed %v, want %v", got, want)
	}
	// What comes after both is blocked by the one that stands first in the catalogue.
	for _, v := range verdicts {
		if v.Check == "reachability.http-private-name" && v.BlockedBy != want[0] {
			t.Errorf("%s is blocked by %s", v.Check, v.BlockedBy)
		}
	}
}

func TestSkippedChecksDontHideTheRoot(t *testing.T) {
	t.Parallel()
	// No provider access: sides-agree is skipped, and what comes after it is blocked all the same by
	// the failure above it.
	o := healthy()
	variants()[0].make(o)
	o.Consumer.Endpoint.Value.ServiceName = "com.amazonaws.vpce.ap-southeast-1.vpce-svc-00000000000000000"
	for _, v := range Judge(o, Catalogue(), nil) {
		switch v.Check {
		case "connection.sides-agree":
			if v.Status != Skipped || v.Reason != string(probes.NoProviderAccess) {
				t.Errorf("%+v", v)
			}
		case "connection.accepted", "connection.endpoint-available", "reachability.tcp-interfaces":
			if v.Status != Blocked || v.BlockedBy != "connection.endpoint-service" {
				t.Errorf("%s: %s %s", v.Check, v.Status, v.BlockedBy)
			}
		}
	}
}

// No check may read an item that it does not declare, on any fixture; and judging is pure: it changes
// nothing, and judging again gives the same.
func TestChecksReadWhatTheyDeclareAndChangeNothing(t *testing.T) {
	t.Parallel()
	for name, o := range fixtures() {
		before := mustJSON(t, o)
		first := Judge(o, Catalogue(), nil)
		for _, v := range first {
			if strings.Contains(v.Reason, "the check is wrong") || v.Fix != nil && strings.Contains(v.Fix.Text, "could not be written") {
				t.Errorf("%s: %s: %s %+v", name, v.Check, v.Reason, v.Fix)
			}
			if strings.HasPrefix(v.Reason, "Expected") {
				t.Errorf("%s: %s has Gomega's words for a reason: %s", name, v.Check, v.Reason)
			}
			if v.Fix != nil && strings.Contains(v.Fix.Command, "%!") {
				t.Errorf("%s: %s: %s", name, v.Check, v.Fix.Command)
			}
		}
		if mustJSON(t, o) != before {
			t.Errorf("%s: judging changed the observation", name)
		}
		// Through JSON and back, as evidence is.
		var again probes.Observation
		if err := json.Unmarshal([]byte(before), &again); err != nil {
			t.Fatal(err)
		}
		if second := Judge(&again, Catalogue(), nil); !reflect.DeepEqual(first, second) {
			for i := range first {
				if !reflect.DeepEqual(first[i], second[i]) {
					t.Errorf("%s: %s: %+v, read back %+v", name, first[i].Check, first[i], second[i])
				}
			}
		}
	}
}

// fixtures are all Observations of the tests by name.
func fixtures() map[string]*probes.Observation {
	all := map[string]*probes.Observation{"healthy": healthy()}
	for _, f := range faults() {
		all[f.name] = healthy()
		f.make(all[f.name])
	}
	for _, v := range variants() {
		all[v.name] = healthy()
		v.make(all[v.name])
	}
	return all
}

// Every item missing in every way: no combination may panic or make a check "wrong".
func TestMissingItemsNeverBreakACheck(t *testing.T) {
	t.Parallel()
	for _, missing := range probes.ItemNames() {
		for _, how := range []string{"nil", "error", string(probes.NoSubject), string(probes.NotReached), "empty"} {
			o := healthy()
			strike(o, missing, how)
			for _, v := range Judge(o, Catalogue(), nil) {
				if strings.Contains(v.Reason, "the check is wrong") {
					t.Errorf("%s %s: %s: %s", missing, how, v.Check, v.Reason)
				}
				if v.Fix != nil && strings.Contains(v.Fix.Text, "could not be written") {
					t.Errorf("%s %s: %s: %s", missing, how, v.Check, v.Fix.Text)
				}
			}
		}
	}
}

// strike makes an item missing, by reflection since items are of many types.
func strike(o *probes.Observation, name, how string) {
	group, field, _ := strings.Cut(name, ".")
	find := func(v reflect.Value, name string) reflect.Value {
		return v.FieldByNameFunc(func(f string) bool { return strings.EqualFold(f, name) })
	}
	ptr := find(find(reflect.ValueOf(o).Elem(), group), field)
	switch how {
	case "nil":
		ptr.SetZero()
		return
	case "error":
		ptr.Elem().FieldByName("Error").Set(reflect.ValueOf(&probes.Failure{Class: probes.FailNetwork, Operation: name, Message: "no route"}))
	case "empty":
	default:
		ptr.Elem().FieldByName("Absent").SetString(how)
	}
	ptr.Elem().FieldByName("Value").SetZero()
}

func TestSelection(t *testing.T) {
	t.Parallel()
	o := healthy()
	faults()[7].make(o) // security-group-closed
	tests := []struct {
		filter string
		want   []string
	}{
		// The root comes along although it was not selected.
		{"reachability.tcp-interfaces", []string{"connection.endpoint-security-group", "reachability.tcp-interfaces"}},
		{"verification && critical", []string{
			"verification.zone-delegated", "verification.zone-public", "verification.no-cname", "verification.name-not-doubled",
			"verification.label-whole", "verification.domain-right", "verification.value-case-kept", "verification.value-unaltered",
			"verification.value-kept-beside-others", "verification.value-current", "verification.txt-published",
			"verification.txt-servers-agree", "verification.state",
		}},
		{"warning && dns", []string{"connection.endpoint-security-group", "dns.regional-name-complete"}},
		{"link:orders && dns.zonal-names-match", []string{"dns.zonal-names-match"}},
		{"link:other", nil},
	}
	for _, x := range tests {
		selection, err := Select(x.filter)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range Judge(o, Catalogue(), selection) {
			got = append(got, v.Check)
		}
		if !slices.Equal(got, x.want) {
			t.Errorf("%s: %v, want %v", x.filter, got, x.want)
		}
	}
	for _, bad := range []string{"dns &&", "(", "/[/", "a & b", "\x1b["} {
		if _, err := Select(bad); err == nil && bad != "\x1b[" {
			t.Errorf("%q is accepted", bad)
		} else if err != nil && strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%q", err)
		}
	}
}

func TestSummary(t *testing.T) {
	t.Parallel()
	v := func(s Status, sev Severity) Verdict { return Verdict{Status: s, Severity: sev} }
	all := []Verdict{
		v(Passed, Critical), v(Failed, Warning), v(Failed, Critical), v(Blocked, Critical), v(Skipped, Critical), v(Untold, Warning), v(Untold, Advice), v(Failed, Advice),
	}
	for failOn, want := range map[Severity][2]int{"": {1, 0}, Critical: {1, 0}, Warning: {2, 1}, Advice: {3, 2}} {
		s := Summarize(all, failOn)
		if s.RequiredFailed != want[0] || s.RequiredUntold != want[1] || s.Total() != len(all) {
			t.Errorf("%q: %+v, want %v", failOn, s, want)
		}
	}
	roots := Roots(all)
	if len(roots) != 3 || roots[0].Severity != Critical || roots[2].Severity != Advice {
		t.Errorf("%+v", roots)
	}
}

func TestFixCommandsAreExact(t *testing.T) {
	t.Parallel()
	commands := map[string]string{}
	for name, o := range fixtures() {
		for _, v := range Judge(o, Catalogue(), nil) {
			if v.Status == Failed {
				commands[name] = v.Fix.Command
			}
		}
	}
	for name, want := range map[string]string{
		"never-accepted":          "aws ec2 accept-vpc-endpoint-connections --service-id vpce-svc-071afff70666e61e0 --vpc-endpoint-ids vpce-06da68c605432752f --region ap-southeast-1 --profile provider",
		"not-allowed":             "aws ec2 modify-vpc-endpoint-service-permissions --service-id vpce-svc-071afff70666e61e0 --add-allowed-principals arn:aws:iam::222222222222:root --region ap-southeast-1 --profile provider",
		"security-group-closed":   "aws ec2 authorize-security-group-ingress --group-id sg-0e --ip-permissions 'IpProtocol=tcp,FromPort=80,ToPort=80,IpRanges=[{CidrIp=10.0.0.0/16}]' 'IpProtocol=tcp,FromPort=443,ToPort=443,IpRanges=[{CidrIp=10.0.0.0/16}]' --region ap-southeast-1 --profile consumer",
		"private-dns-not-enabled": "aws ec2 modify-vpc-endpoint --vpc-endpoint-id vpce-06da68c605432752f --private-dns-enabled --region ap-southeast-1 --profile consumer",
		"private-zone-shadows":    "aws route53 disassociate-vpc-from-hosted-zone --hosted-zone-id ZSHADOW --vpc VPCRegion=ap-southeast-1,VPCId=vpc-0aa --region ap-southeast-1 --profile consumer",
		"dns-support-off":         "aws ec2 modify-vpc-attribute --vpc-id vpc-0aa --enable-dns-support Value=true --region ap-southeast-1 --profile consumer",
		"listener-missing":        "aws elbv2 create-listener --load-balancer-arn " + lbARN + " --protocol TCP --port 443 --default-actions Type=forward,TargetGroupArn=TARGET_GROUP_ARN --region ap-southeast-1 --profile provider",
		"txt-missing": `aws route53 change-resource-record-sets --hosted-zone-id Z0PUBLIC --change-batch '{"Changes":[{"Action":"UPSERT","ResourceRecordSet":{"Name":"_6e86v84tqgqubxbwii1m.api-svc.intra.chartsinvestor.com",` +
			`"Type":"TXT","TTL":1800,"ResourceRecords":[{"Value":"\"vpce:l6p0ERxlTt45jevFwOCp\""}]}}]}' --region ap-southeast-1 --profile provider`,
	} {
		if commands[name] != want {
			t.Errorf("%s:\n got %s\nwant %s", name, commands[name], want)
		}
	}
}

func TestShellWord(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"vpce-0aa": "vpce-0aa", "": "''", "a b": "'a b'", "$(rm -rf /)": "'$(rm -rf /)'", "it's": `'it'\''s'`, "a;b": "'a;b'", "Name=x,Values=y": "Name=x,Values=y",
	} {
		if got := shellWord(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

func TestHostileTextStaysOneLine(t *testing.T) {
	t.Parallel()
	o := healthy()
	evil := "x\x1b[2J\r\n\u202egnp.exe\u2066\x00" + strings.Repeat("A", 5000) + "\xff"
	o.Consumer.Endpoint.Value.State = "failed"
	o.Provider.Connections.Value[0].State = "failed"
	o.Consumer.Endpoint.Value.LastErrorMessage = evil
	o.Consumer.Endpoint.Value.SecurityGroupIDs = []string{evil}
	o.Consumer.Endpoint.Value.ID, o.Provider.Connections.Value[0].EndpointID = evil, evil
	for _, v := range Judge(o, Catalogue(), nil) {
		texts := []string{v.Reason}
		if v.Fix != nil {
			texts = append(texts, v.Fix.Text, v.Fix.LinkFile)
			// A change batch is one long argument; it is bounded all the same.
			if c := v.Fix.Command; strings.ContainsAny(c, "\x1b\r\n\x00\u202e\u2066") || len(c) > maxArgument+4*maxText {
				t.Errorf("%s: command of %d bytes: %q", v.Check, len(c), c)
			}
		}
		for _, f := range v.Facts {
			texts = append(texts, f.Name, f.Value)
		}
		for _, s := range texts {
			if strings.ContainsAny(s, "\x1b\r\n\x00\u202e\u2066") || len(s) > 4*maxText {
				t.Errorf("%s: %q", v.Check, s)
			}
		}
	}
}

func TestHugeObservationIsBounded(t *testing.T) {
	t.Parallel()
	o := healthy()
	for range 20_000 {
		a := o.Reach.TCP.Value[0]
		a.Tries = []probes.Try{{Outcome: probes.TimedOut}}
		o.Reach.TCP.Value = append(o.Reach.TCP.Value, a)
	}
	for _, v := range Judge(o, Catalogue(), nil) {
		if len(v.Facts) > maxFacts {
			t.Errorf("%s keeps %d facts", v.Check, len(v.Facts))
		}
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
