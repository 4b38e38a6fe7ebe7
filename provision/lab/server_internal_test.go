package lab

import (
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

func code(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	return ""
}

func startInternal(t *testing.T) (*Lab, aws.Config, *accessKey) {
	t.Helper()
	l, err := Start(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	key := &accessKey{id: "ASIALABTEST", secret: "s", token: "t", account: "222222222222", expires: time.Now().Add(time.Minute)}
	l.world.mu.Lock()
	l.world.keys[key.id] = key
	l.world.mu.Unlock()
	return l, aws.Config{
		Region: "ap-southeast-1", BaseEndpoint: aws.String(l.URL()),
		Credentials: credentials.NewStaticCredentialsProvider(key.id, key.secret, key.token),
		Retryer:     func() aws.Retryer { return aws.NopRetryer{} },
	}, key
}

func TestExpiredSession(t *testing.T) {
	t.Parallel()
	l, cfg, key := startInternal(t)
	if _, err := sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	over := *key
	over.expires = time.Now().Add(-time.Second)
	l.world.mu.Lock()
	l.world.keys[key.id] = &over
	l.world.mu.Unlock()
	if _, err := sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), nil); code(err) != "ExpiredToken" {
		t.Errorf("sts: %v", err)
	}
	if _, err := ec2.NewFromConfig(cfg).DescribeVpcs(t.Context(), nil); code(err) != "RequestExpired" {
		t.Errorf("ec2: %v", err)
	}
}

// A panic, or an error that is no API error, costs the request and nothing else.
func TestBrokenOperation(t *testing.T) {
	t.Parallel()
	l, cfg, _ := startInternal(t)
	for what, run := range map[string]func(*call) (any, error){
		"panic":         func(*call) (any, error) { panic("secret detail") },
		"foreign error": func(*call) (any, error) { return nil, errors.New("secret detail") },
		"bad result":    func(*call) (any, error) { return 7, nil },
	} {
		l.world.mu.Lock()
		l.api.operations["ec2"]["DescribeVpcs"] = operation{run: run}
		l.world.mu.Unlock()
		_, err := ec2.NewFromConfig(cfg).DescribeVpcs(t.Context(), nil)
		var e smithy.APIError
		if !errors.As(err, &e) || e.ErrorCode() != "InternalError" || e.ErrorMessage() != "An internal error has occurred" {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), nil); err != nil {
			t.Errorf("after a %s: %v", what, err)
		}
	}
}

func TestRequestLogIsARing(t *testing.T) {
	t.Parallel()
	l := &requestLog{}
	for i := range maxRequests + 3 {
		l.add(Request{Status: i})
	}
	all := l.all()
	if len(all) != maxRequests || all[0].Status != 3 || all[len(all)-1].Status != maxRequests+2 {
		t.Errorf("%d requests from %d to %d", len(all), all[0].Status, all[len(all)-1].Status)
	}
	l.reset()
	l.add(Request{Status: 1})
	if all := l.all(); len(all) != 1 {
		t.Errorf("%d requests after the reset", len(all))
	}
}

func TestThrottleRefills(t *testing.T) {
	t.Parallel()
	th := newThrottle(Timing{Rate: 2, Burst: 3})
	now := time.Now()
	take := func(at time.Time) (n int) {
		for th.allow("a", "ec2", at) {
			n++
		}
		return n
	}
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 3}, {time.Second, 2}, {time.Hour, 3}, {0, 0}} {
		now = now.Add(step.after)
		if got := take(now); got != step.want {
			t.Errorf("%v later: %d calls, want %d", step.after, got, step.want)
		}
	}
	if none := newThrottle(Timing{}); !none.allow("a", "ec2", now) || len(none.buckets) != 0 {
		t.Error("throttled without a rate")
	}
	if e := throttled(wire.Guess("/", "2016-11-15")); e.Status != 503 {
		t.Errorf("EC2 throttles with %d", e.Status)
	}
}

func TestCheckValue(t *testing.T) {
	t.Parallel()
	long := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = 'x'
		}
		return `"` + string(b) + `"`
	}
	for _, tt := range []struct{ kind, value, problem string }{
		{"A", "192.0.2.1", ""},
		{"A", "192.0.2.256", "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)"},
		{"A", "2001:db8::1", "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)"},
		{"A", "192.0.2.1, 192.0.2.2", "ARRDATANotSingleField (Value contains spaces)"},
		{"AAAA", "2001:db8::1", ""},
		{"AAAA", "192.0.2.1", "AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)"},
		{"AAAA", "fe80::1%eth0", "AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)"},
		{"CNAME", "www.example.com", ""},
		{"CNAME", "www..example.com", "DomainLabelEmpty (Domain label is empty)"},
		{"NS", "ns-1.awsdns-00.com.", ""},
		{"PTR", "a b", "PTRRRDATANotSingleField (Value contains spaces)"},
		{"TXT", `"vpce:l6p0ERxlTt45jevFwOCp"`, ""},
		{"TXT", `"one" "two \" three \\ \101"`, ""},
		{"TXT", long(255), ""},
		{"TXT", long(256), "CharacterStringTooLong (Value is too long)"},
		{"TXT", "x", "InvalidCharacterString (Value should be enclosed in quotation marks)"},
		{"TXT", `"open`, "InvalidCharacterString (Value should be enclosed in quotation marks)"},
		{"TXT", `"a""b"`, "InvalidCharacterString (Value should be enclosed in quotation marks)"},
		{"TXT", `"a" b`, "InvalidCharacterString (Value should be enclosed in quotation marks)"},
		{"TXT", "\"a\nb\"", "UnsupportedCharacter (Value contains unsupported characters)"},
		{"MX", "10 mail.example.com", ""},
		{"MX", "mail.example.com", "MXRRDATAIllegal (Value must have the fields priority and mail server)"},
		{"MX", "70000 mail.example.com", "MXRRDATAIllegalNumber (Value has a field that is not a number from 0 to 65535)"},
		{"SRV", "1 2 443 host.example.com", ""},
		{"SRV", "1 2 host.example.com", "SRVRRDATAIllegal (Value must have the fields priority, weight, port and target)"},
		{"CAA", `0 issue "amazon.com"`, ""},
		{"CAA", `0 issue amazon.com`, "InvalidCharacterString (Value should be enclosed in quotation marks)"},
		{"SOA", "ns-1.awsdns-00.com. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400", ""},
		{"SOA", "ns-1.awsdns-00.com. awsdns-hostmaster.amazon.com. 1", "SOARRDATANotSevenFields (Value must have seven fields)"},
		{"DS", "1 13 2 " + "00", ""},
		{"DS", "x", "DSRRDATAIllegal (Value is not valid for a record of this type)"},
	} {
		if got := checkValue(tt.kind, tt.value); got != tt.problem {
			t.Errorf("%s %.40s: %q, want %q", tt.kind, tt.value, got, tt.problem)
		}
	}
}

func TestDomainName(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Example.COM": "example.com.", "example.com.": "example.com.", `\052.example.com`: "*.example.com.",
		"_6e86v84tqgqubxbwii1m.example.com": "_6e86v84tqgqubxbwii1m.example.com.", ".": ".",
	} {
		if got, problem := domainName(in); got != want || problem != "" {
			t.Errorf("%q: %q, %q", in, got, problem)
		}
	}
	if got := sortKey("*.www.example.com."); got != `com.example.www.\052.` {
		t.Errorf("sort key %q", got)
	}
	for in, zone := range map[string]string{"a.example.com.": "example.com.", "example.com.": "example.com."} {
		if !within(in, zone) {
			t.Errorf("%s is not within %s", in, zone)
		}
	}
	if within("badexample.com.", "example.com.") {
		t.Error("badexample.com. is within example.com.")
	}
}

func FuzzRecordText(f *testing.F) {
	for _, s := range []string{`"a" "b\"\101"`, "10 mail.example.com", "192.0.2.1", `\052.a.`, "..", `"\`} {
		f.Add("TXT", s)
	}
	f.Add("CAA", `0 issue "x"`)
	f.Add("SVCB", "1 . alpn=h2")
	f.Fuzz(func(t *testing.T, kind, value string) {
		_ = checkValue(kind, value)
		if name, problem := domainName(value); problem == "" {
			again, problem := domainName(showName(name))
			if again != name || problem != "" {
				t.Fatalf("%q is %q, and then %q %q", value, name, again, problem)
			}
		}
		if parts, ok := quotedStrings(value); ok && len(parts) == 0 {
			t.Fatalf("%q has no string", value)
		}
	})
}
