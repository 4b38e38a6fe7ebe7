package main_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// byHand are changes that somebody makes with the AWS CLI, the one check that must fail, and whose it is to mend. What is
// undone by a command of its own is not undone by the fix that verify prints.
var byHand = []struct {
	name, change, root, side string
	undo                     string // "" is the fix's own command
}{
	{
		name: "revoke the rule", root: "connection.endpoint-security-group", side: "consumer",
		change: `consumer ec2 revoke-security-group-ingress --group-id $group --protocol tcp --port 80 --cidr 10.0.0.0/16`,
	},
	{
		name: "delete the TXT record", root: "verification.txt-published", side: "provider",
		change: `provider route53 change-resource-record-sets --hosted-zone-id $zone --change-batch "$deletion"`,
	},
	{
		name: "turn off enableDnsSupport", root: "dns.vpc-attributes", side: "consumer",
		change: `consumer ec2 modify-vpc-attribute --vpc-id $vpc --enable-dns-support Value=false`,
	},
	{
		name: "deny the port in the network ACL", root: "network.endpoint-acl", side: "consumer",
		change: `consumer ec2 create-network-acl-entry --network-acl-id $acl --ingress --rule-number 50 --protocol tcp --port-range From=443,To=443 --cidr-block 10.0.0.0/16 --rule-action deny`,
	},
	{
		name: "change the listener's port", root: "connection.listener-on-each-port", side: "provider",
		change: `provider elbv2 modify-listener --listener-arn $listener --port 8443`,
	},
	{
		name: "remove the allowed principal", root: "connection.principal-allowed", side: "provider",
		change: `provider ec2 modify-vpc-endpoint-service-permissions --service-id $service --remove-allowed-principals arn:aws:iam::222222222222:root`,
	},
	{
		name: "deregister the targets", root: "connection.healthy-target", side: "provider",
		change: `provider elbv2 deregister-targets --target-group-arn $targetgroup --targets $targets`,
	},
	{
		name: "switch private DNS off", root: "dns.private-dns-enabled", side: "consumer",
		change: `consumer ec2 modify-vpc-endpoint --vpc-endpoint-id $endpoint --no-private-dns-enabled`,
	},
	{
		name: "stop the instance of a zone", root: "connection.healthy-target-in-endpoint-zones", side: "provider",
		change: `provider ec2 stop-instances --instance-ids $instance`,
	},
	{
		name: "detach the subnets but one", root: "resilience.endpoint-in-two-zones", side: "consumer",
		change: `consumer ec2 modify-vpc-endpoint --vpc-endpoint-id $endpoint --remove-subnet-ids $others`,
		undo:   `consumer ec2 modify-vpc-endpoint --vpc-endpoint-id $endpoint --add-subnet-ids $others`,
	},
	{
		// The zone has no other VPC, so that this one can't be taken off it.
		name: "a private zone for the name", root: "dns.no-shadowing-zone", side: "consumer",
		change: `id=$(consumer route53 create-hosted-zone --name $name --caller-reference once --vpc VPCRegion=ap-southeast-1,VPCId=$vpc --query HostedZone.Id)
			consumer route53 change-resource-record-sets --hosted-zone-id $id --change-batch '{"Changes":[{"Action":"CREATE","ResourceRecordSet":{"Name":"'$name'","Type":"A","TTL":60,"ResourceRecords":[{"Value":"10.0.9.9"}]}}]}'`,
	},
	{
		// A rejected connection stays so: the endpoint is made anew.
		name: "reject the connection", root: "connection.accepted", side: "provider",
		change: `provider ec2 reject-vpc-endpoint-connections --service-id $service --vpc-endpoint-ids $endpoint`,
	},
}

// everyChange is set by make byhand; without it the first changes are made alone, since each costs seconds.
var everyChange = flag.Bool("every-change", false, "make every change by hand, not the first ones alone")

const firstChanges = 3

// judged is what verify --format json prints, as far as it is needed here.
type judged struct {
	Links []struct {
		Verdicts []struct {
			Check, Status, Side string
			Fix                 struct{ Command string }
		}
	}
}

// TestChangesMadeByHand makes each change with the AWS CLI, wants verify to name its one root, and mends it with the very
// command that verify prints: the next verify must have that check passed. A call of the CLI takes a second, so that a
// fix and the change after it go side by side.
func TestChangesMadeByHand(t *testing.T) {
	t.Parallel()
	need(t, "/usr/bin/aws", "/usr/bin/jq")
	lab := startLab(t, "--provisioned")
	run := filepath.Join(t.TempDir(), "run.json")
	look := func() judged {
		t.Helper()
		var r judged
		out, _ := lab.run(t, "bash", "-c", fmt.Sprintf("%q verify -f %q/link.yaml --format json 2>/dev/null", binary, lab.dir))
		if err := json.Unmarshal([]byte(out), &r); err != nil || len(r.Links) != 1 {
			t.Fatalf("verify printed no run of one link: %v\n%.2000s", err, out)
		}
		if err := os.WriteFile(run, []byte(out), 0o600); err != nil {
			t.Fatal(err)
		}
		return r
	}
	failed := func(r judged) (ids []string) {
		for _, v := range r.Links[0].Verdicts {
			if v.Status == "failed" || v.Status == "could not tell" {
				ids = append(ids, v.Check)
			}
		}
		return ids
	}
	if ids := failed(look()); len(ids) > 0 {
		t.Fatalf("before any change: %v", ids)
	}
	ids := lab.aws(t, fmt.Sprintf(`jq -r '.links[0].observation
		| .provider as $p | .consumer as $c | $p.hostedZones.value[0] as $z | $z.records[0] as $r
		| "endpoint=\($c.endpoint.value.id) service=\($p.service.value.id) vpc=\($c.vpc.value.id) group=\($c.endpoint.value.securityGroupIds[0])",
		  "listener=\($p.listeners.value[] | select(.port == 443).arn) targetgroup=\($p.targetGroups.value[] | select(.port == 80).arn)",
		  "instance=\($p.targetHealth.value[0].targetId) acl=\(.path.consumerAcls.value[0].id) zone=\($z.id) name=\(.link.privateDNSName)",
		  ("targets=\([$p.targetHealth.value[] | select(.port == 80) | "Id=" + .targetId] | join(" ") | @sh)"),
		  ("others=\([$c.endpoint.value.subnetIds[1:][]] | join(" ") | @sh)"),
		  ("deletion=\({Changes: [{Action: "DELETE", ResourceRecordSet: {Name: $r.name, Type: $r.type, TTL: $r.ttl, ResourceRecords: [$r.values[] | {Value: .}]}}]} | tojson | @sh)")
		' %q`, run))
	prelude := ids + `
		provider() { aws --profile provider --output text "$@"; }
		consumer() { aws --profile consumer --output text "$@"; }
		`
	mend, mended := "true", ""
	changes := byHand
	if !*everyChange {
		changes = changes[:firstChanges]
	}
	for _, x := range changes {
		lab.aws(t, prelude+"{ "+mend+"\n} & mend=$!\n"+x.change+"\nwait $mend")
		var root struct{ side, fix string }
		var got []string
		for deadline := time.Now().Add(time.Minute); ; { // health checks and private names take a moment
			r := look()
			got = failed(r)
			whole := slices.Equal(got, []string{x.root})
			for _, v := range r.Links[0].Verdicts {
				switch v.Check {
				case x.root:
					root.side, root.fix = v.Side, v.Fix.Command
				case mended:
					whole = whole && v.Status == "passed"
				}
			}
			if whole {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %v, want %s alone and %s passed", x.name, got, x.root, mended)
			}
		}
		if root.side != x.side {
			t.Errorf("%s: on the %s side, want %s", x.name, root.side, x.side)
		}
		if mend = x.undo; mend == "" {
			mend = root.fix
			if !strings.HasPrefix(mend, "aws ") {
				t.Fatalf("%s: the fix has no command: %q", x.name, mend)
			}
		}
		mended = x.root
	}
	lab.aws(t, prelude+mend)
	// The last fix takes a rejected endpoint away, and what the link file builds is built again.
	if out, code := lab.run(t, binary, "apply", "-f", filepath.Join(lab.dir, "link.yaml")); code != 0 {
		t.Fatalf("apply: exit code %d\n%s", code, out)
	}
	if out, code := lab.verify(t, "--wait", "1m", "--settle", "1"); code != 0 {
		t.Errorf("after the last fix: exit code %d\n%s", code, out)
	}
}
