package live

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/bits"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"github.com/linkassay/linkassay/provision/awsapi"
	"github.com/linkassay/linkassay/suites/canary"
)

// The limits of Publish (SNS API reference): of message and attributes together in bytes, of the subject in characters,
// and of the ids of FIFO topics in characters.
const (
	maxMessage  = 256 << 10
	maxSubject  = 99
	maxFIFOID   = 128
	fifoSuffix  = ".fifo"
	snsTime     = 30 * time.Second // all tries of one alert
	attributeOf = "String"         // the type of all attributes
)

// Topic is an SNS topic, and whose credentials publish to it.
type Topic struct {
	ARN    string
	Access awsapi.Access
}

// topicName is what SNS takes (CreateTopic, API reference).
var topicName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,251}(\.fifo)?$`)

// ParseTopic reads the ARN of a topic, with ?profile=NAME where a profile of the shared AWS configuration is to publish. It
// touches nothing.
func ParseTopic(s string) (Topic, error) {
	const expected = "expected the ARN of a topic, such as arn:aws:sns:eu-west-1:111122223333:alerts, with ?profile=NAME or without"
	id, query, _ := strings.Cut(s, "?")
	a, err := arn.Parse(id)
	if err != nil || a.Service != "sns" || a.Region == "" || len(a.AccountID) != 12 || !topicName.MatchString(a.Resource) {
		return Topic{}, fmt.Errorf("%q: %s", s, expected)
	}
	values, err := url.ParseQuery(query)
	profile := values.Get("profile")
	if err != nil || query != "" && (len(values) != 1 || profile == "" || len(values["profile"]) != 1) {
		return Topic{}, fmt.Errorf("%q: %s", s, expected)
	}
	return Topic{ARN: id, Access: awsapi.Access{Region: a.Region, Profile: profile}}, nil
}

// Publisher is what telling alerts asks of SNS. The SDK's client is one. It needs sns:Publish on the topic.
type Publisher interface {
	Publish(context.Context, *sns.PublishInput, ...func(*sns.Options)) (*sns.PublishOutput, error)
}

// SNS publishes alerts to a topic.
type SNS struct {
	ctx   context.Context
	topic Topic
	api   Publisher
}

// OpenSNS publishes to the topic until ctx ends. It calls nothing yet.
func OpenSNS(ctx context.Context, t Topic) (*SNS, error) {
	client, err := awsapi.OpenSNS(ctx, t.Access, awsapi.WithRetries(alertTries))
	if err != nil {
		return nil, err
	}
	return &SNS{ctx, t, client}, nil
}

// Round is nothing to a topic.
func (a *SNS) Round(canary.Round) error { return nil }

// Change publishes the alert, if a person should be told.
func (a *SNS) Change(c canary.Change) error {
	if !c.Alerts() {
		return nil
	}
	in, err := a.message(c)
	if err == nil {
		ctx, cancel := context.WithTimeout(a.ctx, snsTime)
		defer cancel()
		_, err = a.api.Publish(ctx, in)
		err = snsError(err)
	}
	if err != nil {
		return fmt.Errorf("alert %s of %s to %s: %w", c.Kind, c.Incident.Key, a.topic.ARN, err)
	}
	return nil
}

// message is an alert as SNS takes it.
func (a *SNS) message(c canary.Change) (*sns.PublishInput, error) {
	i := c.Incident
	in := &sns.PublishInput{TopicArn: aws.String(a.topic.ARN), Subject: aws.String(subject(c)), MessageAttributes: map[string]types.MessageAttributeValue{}}
	room := maxMessage
	for name, value := range map[string]string{
		"kind": string(c.Kind), "severity": string(i.Severity), "check": i.Cause.Check, "side": string(i.Cause.Side), "key": i.Key,
	} {
		if value != "" { // SNS takes no empty ones
			in.MessageAttributes[name] = types.MessageAttributeValue{DataType: aws.String(attributeOf), StringValue: aws.String(value)}
			room -= len(name) + len(attributeOf) + len(value)
		}
	}
	body, err := alertOf(c).fitted(room)
	if err != nil {
		return nil, err
	}
	in.Message = aws.String(string(body))
	if strings.HasSuffix(a.topic.ARN, fifoSuffix) {
		in.MessageGroupId = aws.String(fifoID(i.Key))
		in.MessageDeduplicationId = aws.String(deduplication(c))
	}
	return in, nil
}

// subject is what an e-mail says in one line: printable ASCII alone.
func subject(c canary.Change) string {
	i := c.Incident
	links := "1 link"
	if n := len(i.Links); n != 1 {
		links = strconv.Itoa(n) + " links"
	}
	s := fmt.Sprintf("linkassay: %s %s, %s, %s (%s)", c.Kind, i.Cause.Check, links, i.Cause.Side, i.Severity)
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), maxSubject)]
}

// fifoID is the incident's key where SNS takes it as an id, else its beginning and a digest.
func fifoID(key string) string {
	ascii := strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '?'
		}
		return r
	}, key)
	if ascii == key && len(key) <= maxFIFOID {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	const digest = 16
	return ascii[:min(len(ascii), maxFIFOID-2*digest-1)] + "~" + hex.EncodeToString(sum[:digest])
}

// deduplication names what happened, and not who saw it when: of two canaries on one fleet the second's alert is dropped. How
// often the incident came back tells its bouts apart; and its links, by powers of two since canaries may differ in some, how far it spread.
func deduplication(c canary.Change) string {
	what := c.Incident.Key + "\n" + string(c.Kind) + "\n" + strconv.Itoa(c.Incident.Flaps)
	if c.Kind == canary.Spread {
		what += "\n" + strconv.Itoa(bits.Len(uint(len(c.Incident.Links)+len(c.Incident.Left))))
	}
	sum := sha256.Sum256([]byte(what))
	return hex.EncodeToString(sum[:])
}

// snsError is an error of SNS in words that are safe to print, with what to do.
func snsError(err error) error {
	if err == nil {
		return nil
	}
	class, code, message := awsapi.Classify(err)
	if code != "" && code != message {
		message = code + ": " + message
	}
	switch {
	case code == "NotFound" || code == "NotFoundException":
		message += " (create the topic, or name another one)"
	case strings.HasPrefix(code, "KMS"):
		message += " (the topic is encrypted: allow kms:GenerateDataKey and kms:Decrypt on its key to the identity that publishes)"
	case class == awsapi.ClassDenied:
		message += " (allow sns:Publish on the topic to the identity that publishes, and in the topic's own policy if it is another account's)"
	case class == awsapi.ClassCredentials:
		message += " (no usable AWS credentials)"
	}
	return errors.New(message)
}
