package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/awsapi"
	"github.com/linkassay/linkassay/provision/lab"
)

// A panic while a side is being opened is that side's error: the link is still observed and reported.
func TestPanicWhileOpeningASide(t *testing.T) {
	t.Parallel()
	link := provision.Link{Name: "api", Region: "ap-southeast-1"}
	link.Provider.Account, link.Consumer.Account = "111111111111", "222222222222"
	open := func(_ context.Context, p provision.Party, _ string) (*awsapi.Clients, error) {
		if p.Account == link.Provider.Account {
			panic("a defect")
		}
		return nil, errors.New("no credentials")
	}
	found, src := sources(t.Context(), link, way{}, open)
	if src.ProviderErr == nil || !strings.Contains(src.ProviderErr.Error(), "panic: a defect") || src.ConsumerErr == nil {
		t.Fatalf("errors %v and %v", src.ProviderErr, src.ConsumerErr)
	}
	var out, log bytes.Buffer
	a := &app{streams: streams{out: &out, err: &log}}
	run := a.newAssay(judgeFlags{out: filepath.Join(t.TempDir(), "out"), format: "table"})
	observed := probes.Observe(t.Context(), found, src, probes.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // judged without Ginkgo, which a process runs once
	run.judge(ctx, []looked{{observation: observed}})
	run.finish(ctx)
	if code, _ := exitCode(run.err); code != exitInterrupted {
		t.Errorf("exit code %d of %v", code, run.err)
	}
	data, err := os.ReadFile(filepath.Join(run.flags.out, "run.json"))
	if err != nil || !strings.Contains(string(data), "panic: a defect") {
		t.Errorf("run.json does not tell of the panic: %v", err)
	}
}

// What demo leaves over shows only after the report was written: run.json names it all the same.
func TestDemoLeavesSomethingOver(t *testing.T) {
	t.Parallel()
	var out, log bytes.Buffer
	d := demo{app: &app{streams: streams{out: &out, err: &log}}, fault: "private-dns-not-enabled"}
	d.p = d.newProgress()
	flags := judgeFlags{out: filepath.Join(t.TempDir(), "out"), format: "table"}
	d.verifying = func(ctx context.Context) { // somebody adds a listener to the load balancer
		c, err := d.lab.Open(ctx, d.lab.Link().Provider.Party, d.lab.Link().Region)
		if err != nil {
			t.Error(err)
			return
		}
		balancers, err := c.ELB.DescribeLoadBalancers(ctx, &elb.DescribeLoadBalancersInput{})
		if err != nil {
			t.Error(err)
			return
		}
		groups, err := c.ELB.DescribeTargetGroups(ctx, &elb.DescribeTargetGroupsInput{})
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := c.ELB.CreateListener(ctx, &elb.CreateListenerInput{
			LoadBalancerArn: balancers.LoadBalancers[0].LoadBalancerArn, Port: aws.Int32(8080), Protocol: elbtypes.ProtocolEnumTcp,
			DefaultActions: []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: groups.TargetGroups[0].TargetGroupArn}},
		}); err != nil {
			t.Error(err)
		}
	}
	err := d.run(t.Context(), lab.Options{}, flags)
	code, reasons := exitCode(err)
	if code != exitFailed || !strings.Contains(strings.Join(reasons, "\n"), "exit code 1 (of 1, 4)") {
		t.Errorf("exit code %d, %q", code, reasons)
	}
	data, err := os.ReadFile(filepath.Join(flags.out, "run.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		ExitCode    int
		ExitReasons []string
	}
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	if r.ExitCode != exitFailed || strings.Join(r.ExitReasons, "\n") != strings.Join(reasons, "\n") {
		t.Errorf("run.json: exit code %d, %q", r.ExitCode, r.ExitReasons)
	}
}
