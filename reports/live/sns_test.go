package live

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/smithy-go"

	"github.com/linkassay/linkassay/suites"
	"github.com/linkassay/linkassay/suites/canary"
)

const topicARN = "arn:aws:sns:eu-west-1:111122223333:alerts"

// said is a topic that remembers.
type said struct {
	in  []*sns.PublishInput
	err error
}

func (s *said) Publish(_ context.Context, in *sns.PublishInput, _ ...func(*sns.Options)) (*sns.PublishOutput, error) {
	s.in = append(s.in, in)
	return &sns.PublishOutput{}, s.err
}

func topicOf(t *testing.T, s string, api Publisher) *SNS {
	t.Helper()
	topic, err := ParseTopic(s)
	if err != nil {
		t.Fatal(err)
	}
	return &SNS{t.Context(), topic, api}
}

// size is what SNS counts.
func size(in *sns.PublishInput) int {
	n := len(*in.Message)
	for name, a := range in.MessageAttributes {
		n += len(name) + len(*a.DataType) + len(*a.StringValue)
	}
	return n
}

func TestSNSTellsPeople(t *testing.T) {
	t.Parallel()
	api := &said{}
	tell(t, topicOf(t, topicARN, api), alerts()...)
	if len(api.in) != 3 {
		t.Fatalf("%d messages, expected those that are opened, spread and cleared", len(api.in))
	}
	if got := *api.in[1].Subject; got != "linkassay: spread connection.healthy-target, 4 links, provider ()" {
		t.Errorf("%q", got)
	}
	in := api.in[0]
	var a Alert
	if err := json.Unmarshal([]byte(*in.Message), &a); err != nil || a.Format != AlertFormat || len(a.Links) != 2 || a.LeftOut != 0 {
		t.Errorf("%v: %+v", err, a)
	}
	if *in.TopicArn != topicARN || *in.Subject != "linkassay: opened connection.healthy-target, 2 links, provider ()" || in.MessageGroupId != nil {
		t.Errorf("%s %q %v", *in.TopicArn, *in.Subject, in.MessageGroupId)
	}
	got := map[string]string{}
	for name, v := range in.MessageAttributes {
		got[name] = *v.StringValue
	}
	if want := map[string]string{"kind": "opened", "check": "connection.healthy-target", "side": "provider", "key": "k"}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("attributes %v, expected %v", got, want)
	}
}

func TestSNSCutsWhatIsTooLong(t *testing.T) {
	t.Parallel()
	var links []string
	for i := range 20000 {
		links = append(links, fmt.Sprintf("link-%05d", i))
	}
	many, wordy := incident(links...), incident(links...)
	wordy.Reason = strings.Repeat("wörtlich\n", 30000)
	for range 3000 {
		wordy.Facts = append(wordy.Facts, suites.Fact{Name: "said", Value: strings.Repeat("\x1b", 100)})
	}
	wordy.Key, wordy.Severity = strings.Repeat("ü", 90), suites.Critical
	wordy.Cause.Check = strings.Repeat("long\n", 40)
	for name, i := range map[string]canary.Incident{"many links": many, "long facts": wordy} {
		api := &said{}
		tell(t, topicOf(t, topicARN+".fifo", api), canary.Change{Kind: canary.Opened, At: noon, Incident: i})
		in := api.in[0]
		var a Alert
		if err := json.Unmarshal([]byte(*in.Message), &a); err != nil || len(a.Links)+a.LeftOut != len(links) || a.LeftOut == 0 || a.Links[0].Link != links[0] {
			t.Errorf("%s: %v: %d links, %d left out", name, err, len(a.Links), a.LeftOut)
		}
		// The last link that there was room for is the last.
		if n := size(in); n > 256<<10 || n < 256<<10-200 {
			t.Errorf("%s: %d bytes", name, n)
		}
		if s := *in.Subject; len(s) >= 100 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) || !strings.HasPrefix(s, "linkassay: opened ") {
			t.Errorf("%s: subject %q", name, s)
		}
		for _, id := range []string{*in.MessageGroupId, *in.MessageDeduplicationId} {
			if len(id) > 128 || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) {
				t.Errorf("%s: id %q", name, id)
			}
		}
	}
	if len(many.Links) != len(links) || many.Links[len(links)-1].Link == "" {
		t.Error("the incident itself was cut")
	}
}

// Two canaries see the same thing at other times and with other links: one message. The next bout is another.
func TestFIFOTopicsDropWhatASecondCanaryTells(t *testing.T) {
	t.Parallel()
	api := &said{}
	one, two, back, ended := incident("orders"), incident("billing", "orders"), incident("orders"), incident("orders")
	two.Since, two.Reason = noon.Add(7e9), "another text"
	back.Flaps = 1
	other := incident("orders")
	other.Key = "other"
	for _, c := range []canary.Change{
		{Kind: canary.Opened, At: noon, Incident: one},
		{Kind: canary.Opened, At: noon.Add(9e9), Incident: two},
		{Kind: canary.Cleared, At: noon, Incident: ended},
		{Kind: canary.Opened, At: noon, Incident: back},
		{Kind: canary.Opened, At: noon, Incident: other},
	} {
		tell(t, topicOf(t, topicARN+".fifo", api), c)
	}
	ids := map[string]int{}
	for _, in := range api.in {
		ids[*in.MessageDeduplicationId]++
		if group := *in.MessageGroupId; group != "k" && group != "other" {
			t.Errorf("group %s", group)
		}
	}
	if len(ids) != 4 || ids[*api.in[0].MessageDeduplicationId] != 2 {
		t.Errorf("%v", ids)
	}
}

func TestSNSSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{
		"AuthorizationError": "allow sns:Publish", "AccessDenied": "allow sns:Publish", "NotFound": "create the topic", "KMSAccessDenied": "kms:GenerateDataKey",
		"InvalidClientTokenId": "no usable AWS credentials", "InternalError": "InternalError",
	} {
		api := &said{err: &smithy.GenericAPIError{Code: code, Message: "\x1b[2Jno"}}
		err := topicOf(t, topicARN, api).Change(canary.Change{Kind: canary.Opened, Incident: incident("orders")})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), topicARN) || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: %v", code, err)
		}
	}
}

func TestParseTopic(t *testing.T) {
	t.Parallel()
	got, err := ParseTopic("arn:aws-cn:sns:cn-north-1:111122223333:on-call.fifo?profile=ops")
	if err != nil || got.ARN != "arn:aws-cn:sns:cn-north-1:111122223333:on-call.fifo" || got.Access.Region != "cn-north-1" || got.Access.Profile != "ops" {
		t.Errorf("%+v, %v", got, err)
	}
	for _, wrong := range []string{
		"", "alerts", "arn:aws:sqs:eu-west-1:111122223333:alerts", "arn:aws:sns::111122223333:alerts", "arn:aws:sns:eu-west-1:1:alerts",
		"arn:aws:sns:eu-west-1:111122223333:", "arn:aws:sns:eu-west-1:111122223333:alerts:0f0e", topicARN + "?role=x", topicARN + "?profile=", topicARN + "?profile=a&profile=b",
		topicARN + "?profile=a;b=%",
	} {
		if got, err := ParseTopic(wrong); err == nil {
			t.Errorf("%q: %+v, expected an error", wrong, got)
		}
	}
}
