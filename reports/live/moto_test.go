package live

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/linkassay/linkassay/provision/awsapi"
	"github.com/linkassay/linkassay/provision/awsapi/moto"
	"github.com/linkassay/linkassay/suites/canary"
)

// sqs asks moto's queue service in its older protocol, for which there is no client here.
func sqs(t *testing.T, address string, form url.Values, into any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20261127/eu-west-1/sqs/aws4_request, SignedHeaders=host, Signature=0")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode == http.StatusOK {
		err = xml.Unmarshal(b, into)
	}
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %v\n%s", form.Get("Action"), resp.StatusCode, err, b)
	}
}

// The real SDK against moto: alerts arrive at a topic's queue, and a state stays in a bucket.
func TestSNSAndS3OfMoto(t *testing.T) {
	address := moto.Start(t, "SNS and a state in S3 are tried with fakes of our own only")
	for name, value := range moto.Credentials(t) {
		t.Setenv(name, value)
	}
	t.Setenv("AWS_ENDPOINT_URL", address)
	alertsArrive(t, address)
	stateStays(t, address)
}

func alertsArrive(t *testing.T, address string) {
	client, err := awsapi.OpenSNS(t.Context(), awsapi.Access{Region: "eu-west-1"})
	if err != nil {
		t.Fatal(err)
	}
	var made struct {
		URL string `xml:"CreateQueueResult>QueueUrl"`
	}
	sqs(t, address, url.Values{"Action": {"CreateQueue"}, "QueueName": {"alerts"}}, &made)
	topic, err := client.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("alerts")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Subscribe(t.Context(), &sns.SubscribeInput{
		TopicArn: topic.TopicArn, Protocol: aws.String("sqs"), Endpoint: aws.String("arn:aws:sqs:eu-west-1:123456789012:alerts"),
		// A subscriber who wants nothing but what is opened.
		Attributes: map[string]string{"FilterPolicy": `{"kind":["opened"],"side":["provider"]}`},
	}); err != nil {
		t.Fatal(err)
	}
	to, err := ParseTopic(aws.ToString(topic.TopicArn))
	if err != nil {
		t.Fatal(err)
	}
	sink, err := OpenSNS(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	tell(t, sink, alerts()...)
	var got struct {
		Bodies []string `xml:"ReceiveMessageResult>Message>Body"`
	}
	sqs(t, made.URL, url.Values{"Action": {"ReceiveMessage"}, "MaxNumberOfMessages": {"10"}}, &got)
	if len(got.Bodies) != 1 {
		t.Fatalf("%d messages, expected the one that was opened: %q", len(got.Bodies), got.Bodies)
	}
	var envelope struct{ Subject, Message string }
	var a Alert
	if err := json.Unmarshal([]byte(got.Bodies[0]), &envelope); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(envelope.Message), &a); err != nil || a.Kind != canary.Opened || a.Key != "k" || len(a.Links) != 2 || !strings.HasPrefix(envelope.Subject, "linkassay: opened ") {
		t.Errorf("%v %q %+v", err, envelope.Subject, a)
	}
	to.ARN += "-absent"
	if sink, err = OpenSNS(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	if err := sink.Change(canary.Change{Kind: canary.Opened, Incident: incident("orders")}); err == nil || !strings.Contains(err.Error(), "create the topic") {
		t.Errorf("no such topic: %v", err)
	}
}

func stateStays(t *testing.T, address string) {
	place, err := ParseStatePlace("s3://canaries/eu/state.json?region=eu-west-1&endpoint=" + address)
	if err != nil {
		t.Fatal(err)
	}
	open := func() *StateObject {
		o, err := OpenStateObject(t.Context(), place)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = o.Close() })
		return o
	}
	one, two := open(), open()
	if _, err := one.Load(t.Context()); err == nil || !strings.Contains(err.Error(), "make the bucket") {
		t.Errorf("no bucket: %v", err)
	}
	client, done, err := awsapi.OpenS3(t.Context(), place.Access, place.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{
		Bucket: &place.Bucket, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: "eu-west-1"},
	}); err != nil {
		t.Fatal(err)
	}
	if load(t, one) != nil || load(t, two) != nil {
		t.Fatal("an empty bucket has a state")
	}
	state := canary.NewBoard().State(noon)
	state.Incidents = []canary.Incident{incident("orders")}
	for i := range 3 {
		state.Saved = noon.Add(time.Duration(i) * time.Second)
		if err := one.Save(t.Context(), state); err != nil {
			t.Fatal(err)
		}
	}
	if err := two.Save(t.Context(), canary.NewBoard().State(noon)); !errors.Is(err, ErrStateTaken) {
		t.Errorf("the second one: %v", err)
	}
	if again := load(t, two); !again.Saved.Equal(noon.Add(2*time.Second)) || len(again.Incidents) != 1 {
		t.Errorf("%+v", again)
	}
	if err := two.Save(t.Context(), state); err != nil {
		t.Errorf("who has read it anew: %v", err)
	}
}
