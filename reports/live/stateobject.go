package live

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/linkassay/linkassay/provision/awsapi"
	"github.com/linkassay/linkassay/suites/canary"
)

// StatePlace is an object of S3 that keeps a canary's state.
type StatePlace struct {
	Bucket, Key string
	Access      awsapi.Access
	Endpoint    string // another S3 than AWS's, "" for AWS's own
}

// ParseStatePlace reads s3://BUCKET/KEY with the parameters region, profile and endpoint (another S3 than AWS's, asked by path). It
// touches nothing.
func ParseStatePlace(s string) (p StatePlace, err error) {
	wrong := fmt.Errorf("%q: expected s3://BUCKET/KEY with any of ?region=, profile= and endpoint=", s)
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "s3" || u.Host == "" || u.User != nil || u.Fragment != "" || u.Port() != "" {
		return p, wrong
	}
	p.Bucket, p.Key = u.Host, strings.TrimPrefix(u.Path, "/")
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil || p.Key == "" || strings.HasSuffix(p.Key, "/") {
		return p, wrong
	}
	for name, values := range query {
		into := map[string]*string{"region": &p.Access.Region, "profile": &p.Access.Profile, "endpoint": &p.Endpoint}[name]
		if into == nil || len(values) > 1 || values[0] == "" {
			return p, wrong
		}
		*into = values[0]
	}
	return p, nil
}

// String is the place without its parameters.
func (p StatePlace) String() string { return "s3://" + p.Bucket + "/" + p.Key }

// objects is what keeping a state asks of S3. The SDK's client is one. It needs s3:GetObject and s3:PutObject on the object,
// and s3:ListBucket on the bucket: without that S3 does not say that there is none yet.
type objects interface {
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
	HeadObject(context.Context, *s3.HeadObjectInput, ...func(*s3.Options)) (*s3.HeadObjectOutput, error)
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
}

// StateObject keeps the canary's state in an object of S3. Each write is on the condition that the object is as this canary read
// or wrote it last (If-Match, If-None-Match): of two canaries the later one is told, and does not undo what the other counted.
type StateObject struct {
	place  StatePlace
	api    objects
	writer string // in the metadata of what is written
	etag   string // of the object as it was seen last; "" when there was none
	close  func()
}

// How the state is read and written.
const (
	stateLoadTime = 30 * time.Second
	stateTries    = 3
	writerKey     = "linkassay-writer"
	jsonType      = "application/json"
)

// OpenStateObject makes the client. It calls nothing yet.
func OpenStateObject(ctx context.Context, p StatePlace) (*StateObject, error) {
	client, done, err := awsapi.OpenS3(ctx, p.Access, p.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("take the canary's state %s: %w", p, err)
	}
	return &StateObject{place: p, api: client, writer: rand.Text(), close: done}, nil
}

// Close gives idle connections back.
func (o *StateObject) Close() error {
	o.close()
	return nil
}

// Load reads the object; nil when there is none.
func (o *StateObject) Load(ctx context.Context) (*canary.State, error) {
	ctx, cancel := context.WithTimeout(ctx, stateLoadTime)
	defer cancel()
	out, err := o.api.GetObject(ctx, &s3.GetObjectInput{Bucket: &o.place.Bucket, Key: &o.place.Key})
	if awsapi.IsCode(err, "NoSuchKey") {
		o.etag = ""
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the canary's state %s: %w", o.place, s3Error(err, "s3:GetObject on it and s3:ListBucket on the bucket"))
	}
	defer out.Body.Close()
	s, err := readState(out.Body)
	if err != nil {
		return nil, fmt.Errorf("read the canary's state %s: %w; move it away to begin anew", o.place, err)
	}
	o.etag = aws.ToString(out.ETag)
	return s, nil
}

// Save replaces the object, if it is as it was seen last; else it is ErrStateTaken. Calls must not overlap.
func (o *StateObject) Save(ctx context.Context, s *canary.State) error {
	b, err := json.Marshal(s)
	for try := 1; err == nil; try++ {
		in := &s3.PutObjectInput{
			Bucket: &o.place.Bucket, Key: &o.place.Key, Body: bytes.NewReader(b), ContentType: aws.String(jsonType),
			Metadata: map[string]string{writerKey: o.writer},
		}
		if o.etag == "" {
			in.IfNoneMatch = aws.String("*")
		} else {
			in.IfMatch = &o.etag
		}
		var out *s3.PutObjectOutput
		if out, err = o.api.PutObject(ctx, in); err == nil {
			o.etag = aws.ToString(out.ETag)
			return nil
		}
		// Refused since the object is another one, is gone, or is being written.
		if awsapi.IsCode(err, "PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey") && try < stateTries {
			err = o.catchUp(ctx)
		} else {
			err = s3Error(err, "s3:PutObject on it")
		}
	}
	return fmt.Errorf("keep the canary's state in %s: %w", o.place, err)
}

// catchUp looks whose the object is now. A write of this canary that got no answer, or only the second time, is its own.
func (o *StateObject) catchUp(ctx context.Context) error {
	out, err := o.api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &o.place.Bucket, Key: &o.place.Key})
	gone := awsapi.IsCode(err, "NotFound", "NoSuchKey")
	switch {
	case gone && o.etag == "", err == nil && aws.ToString(out.ETag) == o.etag: // it was being written, and that failed
		return nil
	case gone:
		return fmt.Errorf("%w: it was removed since this one read it; start it anew", ErrStateTaken)
	case err != nil:
		return s3Error(err, "s3:GetObject on it")
	case out.Metadata[writerKey] == o.writer:
		o.etag = aws.ToString(out.ETag)
		return nil
	}
	return fmt.Errorf("%w: it wrote it since this one read it, and what this one counted is lost; run one at a time", ErrStateTaken)
}

// s3Error is an error of S3 in words that are safe to print, with what to do.
func s3Error(err error, allow string) error {
	class, code, message := awsapi.Classify(err)
	if code != "" && code != message {
		message = code + ": " + message
	}
	switch {
	case code == "NoSuchBucket":
		message += " (make the bucket, or name another one)"
	case code == "PermanentRedirect" || code == "AuthorizationHeaderMalformed":
		message += " (the bucket is in another Region: name it with ?region=)"
	case class == awsapi.ClassDenied:
		message += " (allow " + allow + ")"
	case class == awsapi.ClassCredentials:
		message += " (no usable AWS credentials)"
	}
	return errors.New(message)
}
