package lab_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/linkassay/linkassay/provision/awsapi"
	"github.com/linkassay/linkassay/provision/lab"
)

// Policies of a user and of a role are enforced, dependent actions too, and DryRun tells.
func TestIdentityPolicies(t *testing.T) {
	t.Parallel()
	const all = `{"Effect":"Allow","Action":"*","Resource":"*"}`
	l := start(t, lab.Options{Accounts: []lab.Account{
		{Profile: "provider", ID: "111111111111"},
		{Profile: "consumer", ID: "222222222222", Policies: []string{`{"Statement":[` + all + `,{"Effect":"Deny","Action":["ec2:CreateTags","route53:AssociateVPCWithHostedZone"],"Resource":"*"}]}`}, Roles: []lab.Role{
			{Name: "Reader", Policies: []string{`{"Statement":{"Effect":"Allow","Action":"ec2:Describe*","Resource":"*"}}`}},
		}},
	}})
	ctx := t.Context()
	c := of(t, l, "consumer")
	out, err := c.sts.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::222222222222:role/Reader"), RoleSessionName: aws.String("ci")})
	if err != nil {
		t.Fatal(err)
	}
	reader := clients(l.URL(), *out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
	vpc := &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16"), DryRun: aws.Bool(true)}
	if _, err := reader.ec2.DescribeVpcs(ctx, nil); err != nil {
		t.Errorf("what the role may do: %v", err)
	}
	_, err = reader.ec2.CreateVpc(ctx, vpc)
	wantCode(t, err, "UnauthorizedOperation", "assumed-role/Reader/ci is not authorized to perform: ec2:CreateVpc")

	_, err = c.ec2.CreateVpc(ctx, vpc)
	wantCode(t, err, "DryRunOperation", "would have succeeded")
	if r := l.Requests(); r[len(r)-1].Write {
		t.Error("a dry run is logged as a write")
	}
	endpoint := &ec2.CreateVpcEndpointInput{ServiceName: aws.String("com.amazonaws.vpce.ap-southeast-1.vpce-svc-00000000000000000"), VpcId: aws.String("vpc-00000000000000000"), PrivateDnsEnabled: aws.Bool(true)}
	_, err = c.ec2.CreateVpcEndpoint(ctx, endpoint)
	wantCode(t, err, "UnauthorizedOperation", "route53:AssociateVPCWithHostedZone with an explicit deny")
	endpoint.PrivateDnsEnabled = nil
	_, err = c.ec2.CreateVpcEndpoint(ctx, endpoint)
	wantCode(t, err, "InvalidServiceName", "does not exist") // allowed, and looked at
	endpoint.ServiceRegion = aws.String("us-east-1")
	if err := l.SetPolicies("consumer", `{"Statement":[`+all+`,{"Effect":"Deny","Action":"vpce:*","Resource":"*"}]}`); err != nil {
		t.Fatal(err)
	}
	_, err = c.ec2.CreateVpcEndpoint(ctx, endpoint)
	wantCode(t, err, "UnauthorizedOperation", "vpce:AllowMultiRegion")
	if err := l.SetPolicies("nobody"); err == nil {
		t.Error("an account that is not there has a policy")
	}
	if err := l.SetPolicies("consumer", `{}`); err == nil {
		t.Error("a policy without a statement was taken")
	}
	if err := l.SetPolicies("consumer"); err != nil {
		t.Fatal(err)
	}
	_, err = c.ec2.CreateVpcEndpoint(ctx, endpoint)
	wantCode(t, err, "InvalidServiceName", "does not exist")
}

// The API's clock shows in its Date header, and a signature too far from it is refused.
func TestSkewAndThrottle(t *testing.T) {
	t.Parallel()
	l := start(t, lab.Options{})
	id, secret, _ := l.Credentials("provider")
	open := func() *awsapi.Clients {
		c, err := awsapi.Open(t.Context(), awsapi.Access{Region: "ap-southeast-1"}, awsapi.WithStatic(l.URL(), id, secret), awsapi.WithRetries(1))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	c := open()
	if _, known := c.ClockOffset(); known {
		t.Error("a clock is known before the first answer")
	}
	l.Skew(10 * time.Minute)
	if _, err := c.EC2.DescribeVpcs(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if d, known := c.ClockOffset(); !known || d < 9*time.Minute || d > 11*time.Minute {
		t.Errorf("offset %s %t, want 10 minutes", d, known)
	}
	l.Skew(-time.Hour)
	c = open()
	_, err := c.EC2.DescribeVpcs(t.Context(), nil)
	wantCode(t, err, "RequestExpired", "")
	if d, known := c.ClockOffset(); !known || d > -59*time.Minute {
		t.Errorf("offset %s %t, want -1 hour", d, known)
	}
	l.Skew(0)
	l.Throttle(l.AccountID("provider"), true)
	c = open()
	_, err = c.EC2.DescribeVpcs(t.Context(), nil)
	wantCode(t, err, "RequestLimitExceeded", "")
	if _, err := c.STS.GetCallerIdentity(t.Context(), nil); err != nil {
		t.Errorf("STS is throttled too: %v", err)
	}
	if n := c.Throttled(); n != 1 {
		t.Errorf("%d throttled answers, want 1", n)
	}
	l.Throttle(l.AccountID("provider"), false)
	if _, err := c.EC2.DescribeVpcs(t.Context(), nil); err != nil {
		t.Error(err)
	}
}
