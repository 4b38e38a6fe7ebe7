package awsapi_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"go.uber.org/goleak"

	"github.com/linkassay/linkassay/provision/awsapi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is an AWS API that answers what it is told, by action.
type fake struct {
	*httptest.Server
	mu    sync.Mutex
	seen  []seen
	reply func(action string, form url.Values, n int) (status int, body string)
}

type seen struct {
	action, authorization, token string
	form                         url.Values
}

func newFake(t *testing.T, reply func(action string, form url.Values, n int) (int, string)) *fake {
	t.Helper()
	f := &fake{reply: reply}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		action := r.Form.Get("Action")
		if action == "" {
			action = r.URL.Path
		}
		f.mu.Lock()
		f.seen = append(f.seen, seen{action, r.Header.Get("Authorization"), r.Header.Get("X-Amz-Security-Token"), r.Form})
		n := len(f.seen)
		f.mu.Unlock()
		status, body := f.reply(action, r.Form, n)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *fake) requests() []seen {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]seen(nil), f.seen...)
}

func (f *fake) open(t *testing.T, opts ...awsapi.Option) *awsapi.Clients {
	t.Helper()
	opts = append([]awsapi.Option{awsapi.WithStatic(f.URL, "AKIDLAB", "secret")}, opts...)
	c, err := awsapi.Open(t.Context(), awsapi.Access{Region: "ap-southeast-1"}, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func ec2Error(code, message string) string {
	return "<Response><Errors><Error><Code>" + code + "</Code><Message>" + message + "</Message></Error></Errors><RequestID>r</RequestID></Response>"
}

func vpcs(token string, ids ...string) string {
	s := "<DescribeVpcsResponse><requestId>r</requestId><vpcSet>"
	for _, id := range ids {
		s += "<item><vpcId>" + id + "</vpcId></item>"
	}
	return s + "</vpcSet><nextToken>" + token + "</nextToken></DescribeVpcsResponse>"
}

func TestPassingFailuresAreRetriedAndCounted(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"RequestLimitExceeded", "Throttling", "Unavailable", "InternalError"} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, func(_ string, _ url.Values, n int) (int, string) {
				if n < 3 {
					// 400, so that the code alone decides.
					return 400, ec2Error(code, "later")
				}
				return 200, vpcs("", "vpc-1")
			})
			c := f.open(t)
			ctx, trace := awsapi.WithTrace(t.Context())
			if _, err := c.EC2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{}); err != nil {
				t.Fatal(err)
			}
			if trace.Attempts() != 3 || c.Calls() != 3 {
				t.Errorf("%d attempts, %d calls, expected 3 of both", trace.Attempts(), c.Calls())
			}
		})
	}
}

func TestAnswersAreNotRetried(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(string, url.Values, int) (int, string) {
		return 400, ec2Error("InvalidVpcID.NotFound", "The vpc ID 'vpc-1' does not exist")
	})
	c := f.open(t)
	_, err := c.EC2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
	if !awsapi.IsCode(err, "InvalidGroup.NotFound", "InvalidVpcID.NotFound") || awsapi.IsCode(err, "Other") || c.Calls() != 1 {
		t.Errorf("error %v after %d calls", err, c.Calls())
	}
	if got := awsapi.Message(err); got != "The vpc ID 'vpc-1' does not exist" {
		t.Errorf("message %q", got)
	}
}

func TestRetriesAreBounded(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(string, url.Values, int) (int, string) {
		return 503, ec2Error("RequestLimitExceeded", "Request limit exceeded.")
	})
	c := f.open(t, awsapi.WithRetries(2))
	_, err := c.EC2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
	class, code, message := awsapi.Classify(err)
	if class != awsapi.ClassThrottled || code != "RequestLimitExceeded" || message != "Request limit exceeded." || c.Calls() != 2 {
		t.Errorf("%s %s %q after %d calls", class, code, message, c.Calls())
	}
}

func TestOneCallIsBoundedInTime(t *testing.T) {
	t.Parallel()
	stop := make(chan struct{})
	f := newFake(t, func(string, url.Values, int) (int, string) { <-stop; return 200, vpcs("") })
	defer close(stop) // before the server closes, which waits for the request
	c := f.open(t, awsapi.WithCallTimeout(50*time.Millisecond))
	begun := time.Now()
	_, err := c.EC2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
	if class, _, _ := awsapi.Classify(err); class != awsapi.ClassNetwork || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("class %s: %v", class, err)
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
}

// What a call was being repeated for must not be lost behind its deadline.
func TestATimedOutCallSaysWhyItWasRepeated(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(string, url.Values, int) (int, string) {
		return 503, ec2Error("RequestLimitExceeded", "Request limit exceeded.")
	})
	c := f.open(t, awsapi.WithRetries(1000), awsapi.WithCallTimeout(500*time.Millisecond))
	_, err := c.EC2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
	if class, code, _ := awsapi.Classify(err); class != awsapi.ClassThrottled || code != "RequestLimitExceeded" || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("class %q, code %q: %v", class, code, err)
	}
}

func TestClassify(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ code, class string }{
		{"AuthFailure", awsapi.ClassCredentials},
		{"InvalidClientTokenId", awsapi.ClassCredentials},
		{"SignatureDoesNotMatch", awsapi.ClassCredentials},
		{"RequestExpired", awsapi.ClassCredentials},
		{"ExpiredToken", awsapi.ClassCredentials},
		{"UnauthorizedOperation", awsapi.ClassDenied},
		{"AccessDenied", awsapi.ClassDenied},
		{"EC2ThrottledException", awsapi.ClassThrottled},
		{"InvalidServiceName", awsapi.ClassAPI},
	} {
		t.Run(test.code, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, func(string, url.Values, int) (int, string) { return 400, ec2Error(test.code, "m") })
			_, err := f.open(t, awsapi.WithRetries(1)).EC2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
			if class, code, _ := awsapi.Classify(err); class != test.class || code != test.code {
				t.Errorf("class %q, code %q, expected %q", class, code, test.class)
			}
		})
	}
	// A refused AssumeRole means that there are no credentials, also among other errors.
	refused := &smithy.OperationError{ServiceID: "STS", OperationName: "AssumeRole", Err: &smithy.GenericAPIError{Code: "AccessDenied"}}
	if class, _, _ := awsapi.Classify(errors.Join(errors.New("other"), refused)); class != awsapi.ClassCredentials {
		t.Errorf("a refused role among other errors has the class %q", class)
	}
	if class, _, _ := awsapi.Classify(nil); class != "" {
		t.Errorf("no error has the class %q", class)
	}
}

func TestMessagesAreSafeToPrint(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(string, url.Values, int) (int, string) {
		return 400, ec2Error("Bad\u009bCode", "line\nred \u009b31m"+strings.Repeat("x", 10_000))
	})
	_, err := f.open(t).EC2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
	_, code, message := awsapi.Classify(err)
	if code != "BadCode" || !strings.HasPrefix(message, "line red 31mxxx") || len([]rune(message)) > 501 {
		t.Errorf("code %q, message of %d characters: %.60q", code, len(message), message)
	}
}

func TestOutOfReach(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(string, url.Values, int) (int, string) { return 200, "" })
	c := f.open(t)
	f.Close()
	begun := time.Now()
	_, err := c.EC2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
	want := "nothing answers at " + f.URL + " (connection refused)"
	if class, code, message := awsapi.Classify(err); class != awsapi.ClassNetwork || code != "" || message != want {
		t.Errorf("class %q, code %q, message %q", class, code, message)
	}
	if n := c.Calls(); n != 1 {
		t.Errorf("asked %d times in %s; a refusal does not pass by itself", n, time.Since(begun))
	}
}

// An API that accepts connections and never answers is repeated until the time is over: that it was silent is
// said, not that a context ended.
func TestSilenceIsNamed(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	c, err := awsapi.Open(t.Context(), awsapi.Access{Region: "us-east-1"}, awsapi.WithStatic("http://"+l.Addr().String(), "AKID", "s"), awsapi.WithRetries(1000))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err = c.EC2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
	if class, _, message := awsapi.Classify(err); class != awsapi.ClassNetwork || !strings.Contains(message, "http://"+l.Addr().String()) || strings.Contains(message, "attempts") || strings.Contains(message, "context") {
		t.Errorf("class %q, message %q", class, message)
	}
}

func TestAllReadsEveryPage(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(_ string, form url.Values, _ int) (int, string) {
		if form.Get("NextToken") == "more" {
			return 200, vpcs("", "vpc-2") // an empty token ends the listing
		}
		return 200, vpcs("more", "vpc-0", "vpc-1")
	})
	got, err := awsapi.All(t.Context(), ec2.NewDescribeVpcsPaginator(f.open(t).EC2, &ec2.DescribeVpcsInput{}),
		func(o *ec2.DescribeVpcsOutput) []types.Vpc { return o.Vpcs })
	if err != nil || len(got) != 3 || *got[2].VpcId != "vpc-2" {
		t.Errorf("got %d VPCs, %v", len(got), err)
	}
}

// Everything a link needs works through the configuration that the lab writes: profiles, a services
// section with endpoint URLs, and a role with an external id.
func TestProfileEndpointsAndRole(t *testing.T) {
	var assumed atomic.Int64
	f := newFake(t, func(action string, form url.Values, _ int) (int, string) {
		switch action {
		case "AssumeRole":
			assumed.Add(1)
			if form.Get("ExternalId") != "shared" {
				return 403, "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not allowed</Message></Error></ErrorResponse>"
			}
			return 200, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey>` +
				`<SessionToken>session</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`
		case "GetCallerIdentity":
			return 200, `<GetCallerIdentityResponse><GetCallerIdentityResult><Account>111111111111</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`
		case "DescribeVpcs":
			return 200, vpcs("")
		}
		return 200, `<ListHostedZonesResponse><HostedZones/><Marker/><IsTruncated>false</IsTruncated><MaxItems>100</MaxItems></ListHostedZonesResponse>`
	})
	dir := t.TempDir()
	write(t, dir, "config", "[profile provider]\nregion = us-east-1\nservices = lab\n[services lab]\nec2 =\n  endpoint_url = "+f.URL+
		"\nelastic_load_balancing_v2 =\n  endpoint_url = "+f.URL+"\nroute_53 =\n  endpoint_url = "+f.URL+"\nsts =\n  endpoint_url = "+f.URL+"\n")
	write(t, dir, "credentials", "[provider]\naws_access_key_id = AKIDPROFILE\naws_secret_access_key = s\n")
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(dir, "config"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, "credentials"))
	for _, name := range []string{"AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_ENDPOINT_URL", "AWS_REGION"} {
		t.Setenv(name, "")
		os.Unsetenv(name)
	}

	access := awsapi.Access{Profile: "provider", Region: "ap-southeast-1", RoleARN: "arn:aws:iam::111111111111:role/linkassay", ExternalID: "shared"}
	c, err := awsapi.Open(t.Context(), access)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if len(f.requests()) != 0 {
		t.Fatal("opening called the API")
	}
	if _, err := c.EC2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{}); err != nil {
		t.Fatal(err)
	}
	if out, err := c.STS.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}); err != nil || *out.Account != "111111111111" {
		t.Fatal(out, err)
	}
	if _, err := c.Route53.ListHostedZones(t.Context(), &route53.ListHostedZonesInput{}); err != nil {
		t.Fatal(err)
	}
	all := f.requests()
	if !strings.Contains(all[0].authorization, "Credential=AKIDPROFILE/") || all[0].action != "AssumeRole" {
		t.Errorf("first request %+v", all[0])
	}
	if r := all[1]; !strings.Contains(r.authorization, "Credential=ASIAROLE/") || r.token != "session" || !strings.Contains(r.authorization, "/ap-southeast-1/ec2/") {
		t.Errorf("second request %+v", r)
	}
	if assumed.Load() != 1 {
		t.Errorf("role assumed %d times, expected once", assumed.Load())
	}

	access.ExternalID = "wrong"
	c, err = awsapi.Open(t.Context(), access)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	_, err = c.EC2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
	if class, code, _ := awsapi.Classify(err); class != awsapi.ClassCredentials || code != "AccessDenied" {
		t.Errorf("a role that may not be assumed gave class %q, code %q", class, code)
	}

	_, err = awsapi.Open(t.Context(), awsapi.Access{Profile: "absent", Region: "ap-southeast-1"})
	if class, _, _ := awsapi.Classify(err); class != awsapi.ClassCredentials || !strings.Contains(err.Error(), "absent") {
		t.Errorf("a missing profile gave class %q: %v", class, err)
	}
}

func TestNoCredentialsAtAll(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "config", "[profile empty]\nregion = us-east-1\n")
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(dir, "config"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, "none"))
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for _, name := range []string{"AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		t.Setenv(name, "")
		os.Unsetenv(name)
	}
	c, err := awsapi.Open(t.Context(), awsapi.Access{Profile: "empty", Region: "us-east-1"}, awsapi.WithRetries(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	_, err = c.EC2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
	if class, _, message := awsapi.Classify(err); class != awsapi.ClassCredentials {
		t.Errorf("class %q: %s", class, message)
	}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
