package lab_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"go.uber.org/goleak"

	"github.com/linkassay/linkassay/provision/lab"
)

// api is an account of a lab through the SDK, without retries: tests see every answer.
type api struct {
	ec2 *ec2.Client
	elb *elb.Client
	r53 *route53.Client
	sts *sts.Client
}

func clients(url, id, secret, token string) api {
	cfg := aws.Config{
		Region: "ap-southeast-1", BaseEndpoint: &url,
		Credentials: credentials.NewStaticCredentialsProvider(id, secret, token),
		Retryer:     func() aws.Retryer { return aws.NopRetryer{} },
		HTTPClient:  &plHTTP{},
	}
	return api{ec2.NewFromConfig(cfg), elb.NewFromConfig(cfg), route53.NewFromConfig(cfg), sts.NewFromConfig(cfg)}
}

func start(t *testing.T, opts lab.Options) *lab.Lab {
	t.Helper()
	l, err := lab.Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func of(t *testing.T, l *lab.Lab, profile string) api {
	t.Helper()
	id, secret, ok := l.Credentials(profile)
	if !ok {
		t.Fatalf("no credentials of %s", profile)
	}
	return clients(l.URL(), id, secret, "")
}

// wantCode asserts an API error by its code and a part of its text.
func wantCode(t *testing.T, err error, code, text string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want %s", err, code)
	}
	if e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), text) {
		t.Fatalf("got %s: %s, want %s with %q", e.ErrorCode(), e.ErrorMessage(), code, text)
	}
}

// eventually waits until cond is true.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-deadline.C:
			t.Fatalf("not in time: %s", what)
		case <-tick.C:
		}
	}
}

func TestStartAndClose(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	ctx, cancel := context.WithCancel(t.Context())
	var labs []*lab.Lab
	for range 3 {
		l, err := lab.Start(ctx, lab.Options{Seed: 7})
		if err != nil {
			t.Fatal(err)
		}
		labs = append(labs, l)
	}
	cancel() // bounds the start only
	if labs[0].URL() == labs[1].URL() {
		t.Errorf("two labs at %s", labs[0].URL())
	}
	id0, secret0, _ := labs[0].Credentials("consumer")
	id1, secret1, _ := labs[1].Credentials("consumer")
	if id0 != id1 || secret0 != secret1 || !strings.HasPrefix(id0, "AKIALAB") || len(id0) != 20 || len(secret0) != 40 {
		t.Errorf("the same seed gives %s and %s", id0, id1)
	}
	if id, account := labs[0].AccountID("consumer"), labs[0].AccountID("nobody"); id != "222222222222" || account != "" {
		t.Errorf("account ids %q and %q", id, account)
	}
	if _, _, ok := labs[0].Credentials("nobody"); ok {
		t.Error("credentials of a profile that isn't there")
	}
	client := of(t, labs[0], "consumer")
	if _, err := client.sts.GetCallerIdentity(t.Context(), nil); err != nil {
		t.Error(err)
	}
	for _, l := range labs {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Errorf("closed twice: %v", err)
		}
	}
	if _, err := client.sts.GetCallerIdentity(t.Context(), nil); err == nil {
		t.Error("a closed lab answers")
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	goleak.VerifyNone(t, leaks)
}

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	account := func(a lab.Account) lab.Options { return lab.Options{Accounts: []lab.Account{a}} }
	for _, tt := range []struct {
		opts lab.Options
		text string
	}{
		{lab.Options{Listen: "0.0.0.0:0"}, "is not loopback"},
		{lab.Options{Listen: ":8080"}, "is not loopback"},
		{lab.Options{Listen: "192.0.2.1:0"}, "is not loopback"},
		{lab.Options{Listen: "example.com:80"}, "is not loopback"},
		{lab.Options{Listen: "127.0.0.1"}, "expected 127.0.0.1:PORT"},
		{lab.Options{Region: "mars-north-1"}, `Region "mars-north-1"`},
		{account(lab.Account{Profile: "p", ID: "123"}), "expected 12 digits"},
		{account(lab.Account{Profile: "a b]", ID: "111111111111"}), "profile"},
		{account(lab.Account{Profile: "p", ID: "111111111111", Domain: "not_ok..com"}), "is not a valid domain name"},
		{account(lab.Account{Profile: "p", ID: "111111111111", Roles: []lab.Role{{Name: "a/b"}}}), "role"},
		{account(lab.Account{Profile: "p", ID: "111111111111", Roles: []lab.Role{{Name: "a", Path: "team"}}}), "path"},
		{lab.Options{Accounts: []lab.Account{{Profile: "p", ID: "111111111111"}, {Profile: "q", ID: "111111111111"}}}, "given twice"},
	} {
		l, err := lab.Start(t.Context(), tt.opts)
		if err == nil {
			_ = l.Close()
			t.Errorf("%+v: started, want %q", tt.opts, tt.text)
		} else if !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%v, want %q", err, tt.text)
		}
	}
	l := start(t, lab.Options{Listen: "localhost:0"})
	if !strings.HasPrefix(l.URL(), "http://127.0.0.1:") {
		t.Errorf("localhost is %s", l.URL())
	}
}
