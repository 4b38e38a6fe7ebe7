package lab_test

import (
	"regexp"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/linkassay/linkassay/provision/lab"
)

func rolesLab(t *testing.T) *lab.Lab {
	t.Helper()
	accounts := lab.DefaultAccounts()
	accounts[0].Roles = []lab.Role{
		{Name: "Open"},
		{Name: "Verifier", Path: "/team/", ExternalID: "ext-1", Trusts: []string{"222222222222"}},
		{Name: "ByUser", Trusts: []string{"arn:aws:iam::222222222222:user/lab"}},
		{Name: "ByRoot", Trusts: []string{"arn:aws:iam::222222222222:root"}},
		{Name: "ByRole", Trusts: []string{"arn:aws:iam::111111111111:role/Open"}},
		{Name: "Own", Trusts: []string{"111111111111"}},
	}
	return start(t, lab.Options{Accounts: accounts})
}

func TestGetCallerIdentity(t *testing.T) {
	t.Parallel()
	out, err := of(t, start(t, lab.Options{}), "consumer").sts.GetCallerIdentity(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if *out.Account != "222222222222" || *out.Arn != "arn:aws:iam::222222222222:user/lab" || !regexp.MustCompile(`^AIDA[A-Z2-7]{17}$`).MatchString(*out.UserId) {
		t.Errorf("%s %s %s", *out.Account, *out.Arn, *out.UserId)
	}
}

func TestAssumeRole(t *testing.T) {
	t.Parallel()
	l := rolesLab(t)
	consumer := of(t, l, "consumer")
	const verifier = "arn:aws:iam::111111111111:role/team/Verifier"
	out, err := consumer.sts.AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String(verifier), RoleSessionName: aws.String("verify"), ExternalId: aws.String("ext-1"), DurationSeconds: aws.Int32(900),
	})
	if err != nil {
		t.Fatal(err)
	}
	// The path is not in the session's ARN.
	if got := *out.AssumedRoleUser.Arn; got != "arn:aws:sts::111111111111:assumed-role/Verifier/verify" {
		t.Errorf("session %s", got)
	}
	if got := *out.AssumedRoleUser.AssumedRoleId; !regexp.MustCompile(`^AROA[A-Z2-7]{17}:verify$`).MatchString(got) {
		t.Errorf("id %s", got)
	}
	k := out.Credentials
	if d := time.Until(*k.Expiration); d < 14*time.Minute || d > 15*time.Minute {
		t.Errorf("expires in %v", d)
	}
	session := clients(l.URL(), *k.AccessKeyId, *k.SecretAccessKey, *k.SessionToken)
	who, err := session.sts.GetCallerIdentity(t.Context(), nil)
	if err != nil || *who.Arn != *out.AssumedRoleUser.Arn || *who.Account != "111111111111" {
		t.Errorf("the session is %+v, %v", who, err)
	}
	// It acts in the role's account.
	made, err := session.ec2.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
	if err != nil || *made.Vpc.OwnerId != "111111111111" {
		t.Errorf("made %+v, %v", made, err)
	}
	// A session's key is worth nothing without its token.
	_, err = clients(l.URL(), *k.AccessKeyId, *k.SecretAccessKey, "").sts.GetCallerIdentity(t.Context(), nil)
	wantCode(t, err, "InvalidClientTokenId", "")
	_, err = clients(l.URL(), *k.AccessKeyId, *k.SecretAccessKey, "other").ec2.DescribeVpcs(t.Context(), nil)
	wantCode(t, err, "AuthFailure", "")
}

func TestAssumeRoleRefused(t *testing.T) {
	t.Parallel()
	l := rolesLab(t)
	consumer := of(t, l, "consumer")
	const role = "arn:aws:iam::111111111111:role/"
	for _, tt := range []struct {
		name, arn, session, external string
		duration                     int32
		code, text                   string
	}{
		{"good", role + "Open", "verify", "", 0, "", ""},
		{"external id where none is asked for", role + "Open", "verify", "whatever", 0, "", ""},
		{"trusted user", role + "ByUser", "verify", "", 0, "", ""},
		{"trusted root", role + "ByRoot", "verify", "", 43200, "", ""},
		{"no external id", role + "team/Verifier", "verify", "", 0, "AccessDenied", "User: arn:aws:iam::222222222222:user/lab is not authorized to perform: sts:AssumeRole on resource: " + role + "team/Verifier"},
		{"wrong external id", role + "team/Verifier", "verify", "ext-2", 0, "AccessDenied", "is not authorized to perform: sts:AssumeRole"},
		{"path missing", role + "Verifier", "verify", "ext-1", 0, "AccessDenied", ""},
		{"not trusted", role + "Own", "verify", "", 0, "AccessDenied", ""},
		{"only through another role", role + "ByRole", "verify", "", 0, "AccessDenied", ""},
		{"no such role", role + "Nobody", "verify", "", 0, "AccessDenied", ""},
		{"no such account", "arn:aws:iam::999999999999:role/Open", "verify", "", 0, "AccessDenied", ""},
		{"not a role", "arn:aws:iam::111111111111:user/lab", "verify", "", 0, "ValidationError", "is invalid"},
		{"too short a time", role + "Open", "verify", "", 899, "ValidationError", "Value '899' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900"},
		{"too long a time", role + "Open", "verify", "", 43201, "ValidationError", "less than or equal to 43200"},
		{"bad session name", role + "Open", "a b", "", 0, "ValidationError", "Value 'a b' at 'roleSessionName'"},
		{"short session name", role + "Open", "a", "", 0, "ValidationError", "length greater than or equal to 2"},
	} {
		in := &sts.AssumeRoleInput{RoleArn: &tt.arn, RoleSessionName: &tt.session}
		if tt.external != "" {
			in.ExternalId = &tt.external
		}
		if tt.duration != 0 {
			in.DurationSeconds = &tt.duration
		}
		_, err := consumer.sts.AssumeRole(t.Context(), in)
		switch {
		case tt.code == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.code != "":
			wantCode(t, err, tt.code, tt.text)
		}
	}
}

func TestRoleChaining(t *testing.T) {
	t.Parallel()
	l := rolesLab(t)
	first, err := of(t, l, "consumer").sts.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::111111111111:role/Open"), RoleSessionName: aws.String("one")})
	if err != nil {
		t.Fatal(err)
	}
	k := first.Credentials
	session := clients(l.URL(), *k.AccessKeyId, *k.SecretAccessKey, *k.SessionToken)
	in := &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::111111111111:role/ByRole"), RoleSessionName: aws.String("two"), DurationSeconds: aws.Int32(3601)}
	_, err = session.sts.AssumeRole(t.Context(), in)
	wantCode(t, err, "ValidationError", "1 hour session limit for roles assumed by role chaining")
	in.DurationSeconds = nil
	if _, err := session.sts.AssumeRole(t.Context(), in); err != nil {
		t.Error(err)
	}
}

// A role without a permission is refused by each service in its own way, and may do the rest.
func TestMissingPermissions(t *testing.T) {
	t.Parallel()
	l := start(t, lab.Options{Accounts: []lab.Account{
		{Profile: "provider", ID: "111111111111"},
		{Profile: "consumer", ID: "222222222222", Roles: []lab.Role{{Name: "Reader", Lacks: []string{
			"ec2:CreateVpc", "ec2:DescribeVpcEndpoints", "elasticloadbalancing:DescribeLoadBalancers", "route53:ListHostedZones", "sts:GetCallerIdentity",
		}}}},
	}})
	out, err := of(t, l, "consumer").sts.AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::222222222222:role/Reader"), RoleSessionName: aws.String("ci"),
	})
	if err != nil {
		t.Fatal(err)
	}
	k := out.Credentials
	session := clients(l.URL(), *k.AccessKeyId, *k.SecretAccessKey, *k.SessionToken)
	ctx := t.Context()
	const who = "User: arn:aws:sts::222222222222:assumed-role/Reader/ci is not authorized to perform: "

	_, err = session.ec2.DescribeVpcEndpoints(ctx, nil)
	wantCode(t, err, "UnauthorizedOperation", who+"ec2:DescribeVpcEndpoints")
	_, err = session.ec2.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16"), DryRun: aws.Bool(true)})
	wantCode(t, err, "UnauthorizedOperation", who+"ec2:CreateVpc")
	_, err = session.elb.DescribeLoadBalancers(ctx, nil)
	wantCode(t, err, "AccessDenied", who+"elasticloadbalancing:DescribeLoadBalancers")
	_, err = session.r53.ListHostedZones(ctx, nil)
	wantCode(t, err, "AccessDenied", who+"route53:ListHostedZones")
	if _, err := session.sts.GetCallerIdentity(ctx, nil); err != nil {
		t.Errorf("GetCallerIdentity needs no permission: %v", err)
	}
	if _, err := session.ec2.DescribeVpcs(ctx, nil); err != nil {
		t.Errorf("what it may do: %v", err)
	}
	last := l.Requests()
	if r := last[1]; r.Status != 403 || r.Code != "UnauthorizedOperation" || r.Account != "222222222222" {
		t.Errorf("logged %+v", r)
	}
}
