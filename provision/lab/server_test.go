package lab_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/linkassay/linkassay/provision/lab"
)

// raw is a request that no SDK would make.
type raw struct {
	method, path, body string // default POST /
	service, region    string // of the signature
	key, secret        string
	at                 time.Time
	json               bool
	header             map[string]string // set after signing
}

func (q raw) send(t *testing.T, l *lab.Lab) (status int, header http.Header, body string) {
	t.Helper()
	if q.method == "" {
		q.method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(t.Context(), q.method, l.URL()+"/"+q.path, strings.NewReader(q.body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if q.json {
		r.Header.Set("Content-Type", "application/json")
	}
	if q.at.IsZero() {
		q.at = time.Now()
	}
	if q.service != "" {
		sum := sha256.Sum256([]byte(q.body))
		if err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: q.key, SecretAccessKey: q.secret}, r, hex.EncodeToString(sum[:]), q.service, q.region, q.at); err != nil {
			t.Fatal(err)
		}
	}
	for k, v := range q.header {
		r.Header.Set(k, v)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	out, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, answer.Header, string(out)
}

func TestAuthentication(t *testing.T) {
	t.Parallel()
	l := start(t, lab.Options{})
	id, secret, _ := l.Credentials("consumer")
	const (
		vpcs = "Action=DescribeVpcs&Version=2016-11-15"
		lbs  = "Action=DescribeLoadBalancers&Version=2015-12-01"
		who  = "Action=GetCallerIdentity&Version=2011-06-15"
	)
	const sg = "ap-southeast-1"
	early, late := time.Now().Add(-16*time.Minute), time.Now().Add(16*time.Minute)
	for _, tt := range []struct {
		name   string
		q      raw
		status int
		want   string
	}{
		{"good", raw{service: "ec2", region: sg, key: id, secret: secret, body: vpcs}, 200, "<DescribeVpcsResponse"},
		{"a little early", raw{service: "ec2", region: sg, key: id, secret: secret, body: vpcs, at: time.Now().Add(-14 * time.Minute)}, 200, "<DescribeVpcsResponse"},
		{"ec2 unsigned", raw{body: vpcs}, 400, "<Code>MissingAuthenticationToken</Code>"},
		{"ec2 unknown key", raw{service: "ec2", region: sg, key: "AKIAOTHER", secret: secret, body: vpcs}, 401, "<Code>AuthFailure</Code><Message>AWS was not able to validate the provided access credentials"},
		{"ec2 wrong secret", raw{service: "ec2", region: sg, key: id, secret: "x", body: vpcs}, 401, "<Code>AuthFailure</Code>"},
		{"ec2 clock behind", raw{service: "ec2", region: sg, key: id, secret: secret, body: vpcs, at: early}, 400, "<Code>RequestExpired</Code>"},
		{"ec2 clock ahead", raw{service: "ec2", region: sg, key: id, secret: secret, body: vpcs, at: late}, 400, "<Code>RequestExpired</Code>"},
		{"ec2 garbled", raw{service: "ec2", region: sg, key: id, secret: secret, body: vpcs, header: map[string]string{"Authorization": "AWS4-HMAC-SHA256 Credential=x"}}, 400, "<Code>IncompleteSignature</Code>"},
		{"ec2 stray token", raw{service: "ec2", region: sg, key: id, secret: secret, body: vpcs, header: map[string]string{"X-Amz-Security-Token": "x"}}, 401, "<Code>AuthFailure</Code>"},
		{"ec2 unknown region", raw{service: "ec2", region: "mars-north-1", key: id, secret: secret, body: vpcs}, 401, "<Code>AuthFailure</Code>"},
		{"elb unsigned", raw{body: lbs}, 403, "<Code>MissingAuthenticationToken</Code>"},
		{"elb unknown key", raw{service: "elasticloadbalancing", region: sg, key: "AKIAOTHER", secret: secret, body: lbs}, 403, "<Code>InvalidClientTokenId</Code><Message>The security token included in the request is invalid."},
		{"elb wrong secret", raw{service: "elasticloadbalancing", region: sg, key: id, secret: "x", body: lbs}, 403, "<Code>SignatureDoesNotMatch</Code>"},
		{"elb unknown region", raw{service: "elasticloadbalancing", region: "mars-north-1", key: id, secret: secret, body: lbs}, 403, "scoped to a valid region"},
		{"sts clock behind", raw{service: "sts", region: sg, key: id, secret: secret, body: who, at: early}, 403, "<Code>SignatureDoesNotMatch</Code><Message>Signature expired: "},
		{"sts clock ahead", raw{service: "sts", region: sg, key: id, secret: secret, body: who, at: late}, 403, "Signature not yet current: "},
		{"sts in any region", raw{service: "sts", region: "us-east-1", key: id, secret: secret, body: who}, 200, "<Account>222222222222</Account>"},
		{"route53 unsigned", raw{method: "GET", path: "2013-04-01/hostedzone"}, 403, "https://route53.amazonaws.com/doc/2013-04-01/"},
		{"route53 wrong secret", raw{method: "GET", path: "2013-04-01/hostedzone", service: "route53", region: "us-east-1", key: id, secret: "x"}, 403, "<Code>SignatureDoesNotMatch</Code>"},
		{"changed on the way", raw{service: "sts", region: sg, key: id, secret: secret, body: who, header: map[string]string{"Content-Type": "text/plain"}}, 403, "<Code>SignatureDoesNotMatch</Code>"},
		{"too large", raw{service: "ec2", region: sg, key: id, secret: secret, body: vpcs + "&X=" + strings.Repeat("x", 1<<20)}, 413, "<Code>RequestEntityTooLarge</Code>"},
		{"bad form", raw{service: "ec2", region: sg, key: id, secret: secret, body: "Action=%zz"}, 400, "<Code>MalformedQueryString</Code>"},
		{"get", raw{method: "GET", path: "?" + who, service: "sts", region: sg, key: id, secret: secret}, 200, "<Account>222222222222</Account>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			status, header, body := tt.q.send(t, l)
			if status != tt.status || !strings.Contains(body, tt.want) {
				t.Errorf("got %d %s, want %d with %q", status, body, tt.status, tt.want)
			}
			if header.Get("X-Amzn-Requestid") == "" || !strings.HasPrefix(header.Get("Content-Type"), "text/xml") || header.Get("Date") == "" {
				t.Errorf("headers %v", header)
			}
		})
	}
}

// lines is a log that tests read while the lab writes it.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestUnknownOperation(t *testing.T) {
	t.Parallel()
	log := &lines{}
	l := start(t, lab.Options{Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	id, secret, _ := l.Credentials("provider")
	const sg = "ap-southeast-1"
	for _, tt := range []struct {
		q         raw
		status    int
		want, log string
	}{
		{raw{service: "ec2", body: "Action=MakeCoffee&Version=2016-11-15"}, 400, "<Code>InvalidAction</Code><Message>The action MakeCoffee is not valid for this web service.", "action=MakeCoffee"},
		{raw{service: "ec2", body: "Version=2016-11-15"}, 400, "<Code>MissingAction</Code>", "service=ec2"},
		{raw{service: "elasticloadbalancing", body: "Action=MakeTea&Version=2015-12-01"}, 400, "<Code>InvalidAction</Code><Message>Could not find operation MakeTea for version 2015-12-01", "action=MakeTea"},
		{raw{service: "elasticloadbalancing", body: "Action=DescribeLoadBalancers&Version=2012-06-01"}, 400, "<Code>InvalidAction</Code>", "version=2012-06-01"},
		{raw{service: "sts", body: "Action=%1b%5b31m&Version=2011-06-15"}, 400, "<Code>InvalidAction</Code><Message>Could not find operation ?[31m", "action=?[31m"},
		{raw{service: "route53", method: "GET", path: "2013-04-01/healthcheck"}, 404, "<Code>UnknownOperationException</Code>", "path=/2013-04-01/healthcheck"},
		{raw{service: "route53", method: "PUT", path: "2013-04-01/hostedzone"}, 404, "<Code>UnknownOperationException</Code>", "method=PUT"},
		{raw{service: "iam", body: "Action=ListRoles&Version=2010-05-08"}, 400, "<Code>UnknownOperationException</Code><Message>The lab does not have the service iam", "service=iam"},
		{raw{service: "lambda", path: "2015-03-31/functions/f/invocations", body: "{}", json: true}, 400, `"__type":"UnknownOperationException"`, "service=lambda"},
	} {
		tt.q.key, tt.q.secret, tt.q.region = id, secret, sg
		status, _, body := tt.q.send(t, l)
		if status != tt.status || !strings.Contains(body, tt.want) {
			t.Errorf("got %d %s, want %d with %q", status, body, tt.status, tt.want)
		}
		if !strings.Contains(log.String(), tt.log) {
			t.Errorf("the log lacks %q:\n%s", tt.log, log.String())
		}
	}
}

func TestThrottling(t *testing.T) {
	t.Parallel()
	timing := lab.Brisk()
	timing.Rate, timing.Burst = 0.001, 2
	l := start(t, lab.Options{Timing: timing})
	consumer, provider := of(t, l, "consumer"), of(t, l, "provider")
	call := map[string]func(a api) error{
		"ec2":     func(a api) error { _, err := a.ec2.DescribeVpcs(t.Context(), nil); return err },
		"elb":     func(a api) error { _, err := a.elb.DescribeLoadBalancers(t.Context(), nil); return err },
		"route53": func(a api) error { _, err := a.r53.ListHostedZones(t.Context(), nil); return err },
		"sts":     func(a api) error { _, err := a.sts.GetCallerIdentity(t.Context(), nil); return err },
	}
	for service, code := range map[string]string{"ec2": "RequestLimitExceeded", "elb": "Throttling", "route53": "Throttling", "sts": "Throttling"} {
		for range 2 {
			if err := call[service](consumer); err != nil {
				t.Fatalf("%s within the burst: %v", service, err)
			}
		}
		wantCode(t, call[service](consumer), code, "xceeded")
		if err := call[service](provider); err != nil {
			t.Errorf("%s: the other account is throttled too: %v", service, err)
		}
	}
	requests := l.Requests()
	i := slices.IndexFunc(requests, func(r lab.Request) bool { return r.Code == "RequestLimitExceeded" })
	if i < 0 || requests[i].Status != 503 {
		t.Errorf("the request log has no 503 among %d", len(requests))
	}
}

func TestRequestLog(t *testing.T) {
	t.Parallel()
	l := start(t, lab.Options{})
	consumer, provider := of(t, l, "consumer"), of(t, l, "provider")
	ctx := t.Context()
	made, err := provider.ec2.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
	if err != nil {
		t.Fatal(err)
	}
	_, err = consumer.ec2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{VpcIds: []string{*made.Vpc.VpcId}})
	wantCode(t, err, "InvalidVpcID.NotFound", *made.Vpc.VpcId)
	if _, err := consumer.r53.ListHostedZones(ctx, &route53.ListHostedZonesInput{}); err != nil {
		t.Fatal(err)
	}
	raw{body: "Action=DescribeVpcs&Version=2016-11-15"}.send(t, l)

	type line struct {
		Service, Action, Region, Account, ARN, Code string
		Write                                       bool
		Status                                      int
	}
	want := []line{
		{"ec2", "CreateVpc", "ap-southeast-1", "111111111111", "arn:aws:iam::111111111111:user/lab", "", true, 200},
		{"ec2", "DescribeVpcs", "ap-southeast-1", "222222222222", "arn:aws:iam::222222222222:user/lab", "InvalidVpcID.NotFound", false, 400},
		{"route53", "ListHostedZones", "us-east-1", "222222222222", "arn:aws:iam::222222222222:user/lab", "", false, 200},
		{"ec2", "", "", "", "", "MissingAuthenticationToken", false, 400},
	}
	got := l.Requests()
	if len(got) != len(want) {
		t.Fatalf("%d requests, want %d: %+v", len(got), len(want), got)
	}
	ids := map[string]bool{}
	for i, r := range got {
		if g := (line{r.Service, r.Action, r.Region, r.Account, r.ARN, r.Code, r.Write, r.Status}); g != want[i] {
			t.Errorf("request %d:\n got %+v\nwant %+v", i, g, want[i])
		}
		if r.Time.IsZero() || r.Duration <= 0 || len(r.RequestID) != 36 || ids[r.RequestID] {
			t.Errorf("request %d: %+v", i, r)
		}
		ids[r.RequestID] = true
	}
	l.ResetRequests()
	if n := len(l.Requests()); n != 0 {
		t.Errorf("%d requests after the reset", n)
	}
	// DryRun says that it would work, and changes nothing.
	_, err = provider.ec2.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.1.0.0/16"), DryRun: aws.Bool(true)})
	wantCode(t, err, "DryRunOperation", "Request would have succeeded")
	vpcs, err := provider.ec2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{Filters: []ec2types.Filter{{Name: aws.String("cidr"), Values: []string{"10.1.0.0/16"}}}})
	if err != nil || len(vpcs.Vpcs) != 0 {
		t.Errorf("a dry run made %d VPCs, %v", len(vpcs.Vpcs), err)
	}
}

func TestSideBySide(t *testing.T) {
	t.Parallel()
	l := start(t, lab.Options{Seed: 1})
	other := start(t, lab.Options{Seed: 2})
	id, secret, _ := l.Credentials("consumer")
	_, err := clients(other.URL(), id, secret, "").sts.GetCallerIdentity(t.Context(), nil)
	wantCode(t, err, "InvalidClientTokenId", "")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if _, err := of(t, l, "consumer").sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n, m := len(l.Requests()), len(other.Requests()); n != 16 || m != 1 {
		t.Errorf("%d and %d requests, want 16 and 1", n, m)
	}
}
