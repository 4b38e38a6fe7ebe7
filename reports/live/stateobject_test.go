package live

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/linkassay/linkassay/suites/canary"
)

// bucket is one object, with S3's conditions.
type bucket struct {
	body   []byte
	writer string
	wrote  int                         // how often; 0: there is none
	lose   int                         // so many answers to a Put that was done get lost
	refuse func(operation string) bool // with refusal
	with   error
	puts   int
}

func (b *bucket) etag() *string { return aws.String(strconv.Itoa(b.wrote)) }

func code(c string) error { return &smithy.GenericAPIError{Code: c, Message: "no\x1b[2J"} }

func (b *bucket) fails(operation string) error {
	if b.refuse != nil && b.refuse(operation) {
		return b.with
	}
	return nil
}

func (b *bucket) GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	if err := b.fails("get"); err != nil {
		return nil, err
	}
	if b.wrote == 0 {
		return nil, code("NoSuchKey")
	}
	return &s3.GetObjectOutput{Body: io.NopCloser(bytes.NewReader(b.body)), ETag: b.etag()}, nil
}

func (b *bucket) HeadObject(context.Context, *s3.HeadObjectInput, ...func(*s3.Options)) (*s3.HeadObjectOutput, error) {
	if err := b.fails("head"); err != nil {
		return nil, err
	}
	if b.wrote == 0 {
		return nil, code("NotFound")
	}
	return &s3.HeadObjectOutput{ETag: b.etag(), Metadata: map[string]string{writerKey: b.writer}}, nil
}

func (b *bucket) PutObject(_ context.Context, in *s3.PutObjectInput, _ ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	b.puts++
	if err := b.fails("put"); err != nil {
		return nil, err
	}
	if in.IfNoneMatch != nil && b.wrote > 0 || in.IfMatch != nil && *in.IfMatch != *b.etag() {
		return nil, code("PreconditionFailed")
	}
	b.body, _ = io.ReadAll(in.Body)
	b.writer = in.Metadata[writerKey]
	b.wrote++
	if b.lose > 0 {
		b.lose--
		return nil, errors.New("connection reset by peer")
	}
	return &s3.PutObjectOutput{ETag: b.etag()}, nil
}

func in(b *bucket, writer string) *StateObject {
	return &StateObject{place: StatePlace{Bucket: "b", Key: "k.json"}, api: b, writer: writer, close: func() {}}
}

func load(t *testing.T, o *StateObject) *canary.State {
	t.Helper()
	s, err := o.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTwoDoNotUndoEachOther(t *testing.T) {
	t.Parallel()
	b := &bucket{}
	state := canary.NewBoard().State(noon)
	one, two := in(b, "one"), in(b, "two")
	if load(t, one) != nil || load(t, two) != nil {
		t.Fatal("there is no state yet")
	}
	for range 3 { // the first goes on
		if err := one.Save(t.Context(), state); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // and the second is told, each time
		if err := two.Save(t.Context(), state); !errors.Is(err, ErrStateTaken) || !strings.Contains(err.Error(), "s3://b/k.json") {
			t.Errorf("the second: %v", err)
		}
	}
	if b.wrote != 3 || b.writer != "one" {
		t.Errorf("written %d times, last by %s", b.wrote, b.writer)
	}
	if load(t, two) == nil || two.Save(t.Context(), state) != nil || !errors.Is(one.Save(t.Context(), state), ErrStateTaken) {
		t.Error("who has read it anew may write it, and the other one may not any more")
	}
	b.wrote = 0
	if err := two.Save(t.Context(), state); !errors.Is(err, ErrStateTaken) || !strings.Contains(err.Error(), "removed") {
		t.Errorf("a state that was removed: %v", err)
	}
}

func TestAWriteWithoutAnAnswerIsItsOwn(t *testing.T) {
	t.Parallel()
	b := &bucket{lose: 1}
	state := canary.NewBoard().State(noon)
	o := in(b, "one")
	load(t, o)
	if err := o.Save(t.Context(), state); err == nil || errors.Is(err, ErrStateTaken) {
		t.Errorf("no answer: %v", err)
	}
	if err := o.Save(t.Context(), state); err != nil {
		t.Errorf("the next one: %v", err)
	}
	// What others write at that moment makes S3 refuse for a moment only.
	first := true
	b.refuse, b.with = func(operation string) bool {
		defer func() { first = false }()
		return first && operation == "put"
	}, code("ConditionalRequestConflict")
	if err := o.Save(t.Context(), state); err != nil {
		t.Errorf("busy: %v", err)
	}
	b.puts, b.refuse = 0, func(operation string) bool { return operation == "put" }
	if err := o.Save(t.Context(), state); err == nil || b.puts != stateTries {
		t.Errorf("busy for ever: %v after %d tries", err, b.puts)
	}
}

func TestStateObjectSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for c, want := range map[string]string{"AccessDenied": "s3:ListBucket", "NoSuchBucket": "make the bucket", "PermanentRedirect": "?region=", "InvalidAccessKeyId": "no usable AWS credentials"} {
		b := &bucket{refuse: func(string) bool { return true }, with: code(c)}
		if s, err := in(b, "one").Load(t.Context()); s != nil || err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: %v", c, err)
		}
	}
	b := &bucket{wrote: 1, body: []byte(`{"format":`)}
	if _, err := in(b, "one").Load(t.Context()); err == nil || !strings.Contains(err.Error(), "move it away") {
		t.Errorf("half a state: %v", err)
	}
}

func TestParseStatePlace(t *testing.T) {
	t.Parallel()
	p, err := ParseStatePlace("s3://canaries/eu/state.json?region=eu-west-1&profile=ops&endpoint=http://127.0.0.1:9000")
	if err != nil || p.Bucket != "canaries" || p.Key != "eu/state.json" || p.Access.Region != "eu-west-1" || p.Access.Profile != "ops" || p.Endpoint == "" || p.String() != "s3://canaries/eu/state.json" {
		t.Errorf("%+v %v", p, err)
	}
	for _, wrong := range []string{
		"", "state.json", "gs://b/k", "s3://b", "s3://b/", "s3://b/folder/", "s3:///k", "s3://u@b/k", "s3://b:1/k", "s3://b/k#x", "s3://b/k?lock=governance",
		"s3://b/k?region=", "s3://b/k?region=a&region=b", "s3://b/k?region=%", "s3://%/k",
	} {
		if p, err := ParseStatePlace(wrong); err == nil {
			t.Errorf("%q: %+v", wrong, p)
		}
	}
}
