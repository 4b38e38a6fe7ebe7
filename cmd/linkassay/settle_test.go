package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// accept are lines of a link file that accept the closed security group's finding.
func accept(expires string) string {
	return "    accept:\n      - {check: connection.endpoint-security-group, reason: opened with the move, expires: " + expires + "}\n    publicDNS:\n"
}

// TestAcceptAndSettle breaks a link in a way that is known, and mends it while verify waits.
func TestAcceptAndSettle(t *testing.T) {
	t.Parallel()
	lab := startLab(t, "--provisioned")
	consumer := lab.clients(t, "consumer")
	endpoint := must(t, consumer.EC2.DescribeVpcEndpoints, &ec2.DescribeVpcEndpointsInput{}).VpcEndpoints[0]
	group := must(t, consumer.EC2.DescribeSecurityGroups, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{*endpoint.Groups[0].GroupId}}).SecurityGroups[0]
	must(t, consumer.EC2.RevokeSecurityGroupIngress, &ec2.RevokeSecurityGroupIngressInput{GroupId: group.GroupId, IpPermissions: group.IpPermissions})

	stdout, _ := lab.wants(t, 0, "verify", "-f", lab.linkFile(t, "    publicDNS:\n", accept("2999-12-31")))
	holds(t, "stdout", stdout, "KNOWN  connection.endpoint-security-group", "accepted until 2999-12-31: opened with the move", "authorize-security-group-ingress")
	stdout, stderr := lab.wants(t, 1, "verify", "-f", lab.linkFile(t, "    publicDNS:\n", accept("2001-12-31")))
	holds(t, "stdout", stdout, "CAUSE  connection.endpoint-security-group", "was accepted until 2001-12-31")
	holds(t, "stderr", stderr, "failed: charts-api connection.endpoint-security-group")
	lab.wants(t, 0, "verify", "-f", lab.linkFile(t, "    publicDNS:\n", accept("2999-12-31")), "--profile", "audit")

	// One good round after a bad one is luck; two are not.
	out := filepath.Join(t.TempDir(), "out")
	b := lab.start(t, binary, "verify", "-v", "-f", lab.linkFile(t), "--wait", "2m", "--settle", "2", "--out", out)
	b.until(t, "round 1 is not good: connection.endpoint-security-group failed")
	must(t, consumer.EC2.AuthorizeSecurityGroupIngress, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: group.GroupId, IpPermissions: group.IpPermissions})
	b.until(t, "is good, 1 of 2 in a row")
	<-b.ended
	b.exits(t, 0)
	holds(t, "stdout", b.stdout.String(), "flaky: failed in round 1")
	junit, err := os.ReadFile(filepath.Join(out, "junit.xml"))
	if err != nil {
		t.Fatal(err)
	}
	holds(t, "junit.xml", string(junit), `<property name="flaky" value="connection.endpoint-security-group failed in round 1`)
	run, err := os.ReadFile(filepath.Join(out, "run.json"))
	if err != nil || strings.Count(string(run), `"round": `) < 3 || !strings.Contains(string(run), `"timeline": [`) {
		t.Errorf("run.json lacks the rounds or the timeline: %v", err)
	}
}

// What is rejected stays so: verify does not wait for it.
func TestSettleDoesNotWaitForTheRejected(t *testing.T) {
	t.Parallel()
	lab := startLab(t, "--provisioned", "--fault", "rejected")
	began := time.Now()
	stdout, _ := lab.wants(t, 1, "verify", "-f", lab.linkFile(t), "--wait", "20m")
	holds(t, "stdout", stdout, "CAUSE  connection.accepted")
	if took := time.Since(began); took > 5*time.Minute {
		t.Errorf("it took %s", took)
	}
}
