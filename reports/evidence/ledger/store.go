package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	tmtypes "github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"gocloud.dev/blob"
	"gocloud.dev/blob/s3blob"

	"github.com/linkassay/linkassay/provision/awsapi"
)

const contentType = "application/json"

// Place is where a ledger is: a folder, or a prefix of an S3 bucket.
type Place struct {
	Dir string // of a folder; "" in S3

	Bucket string // of S3
	Prefix string // of the keys, "" or ending in /
	Access awsapi.Access
	// Endpoint is another S3 than AWS's, "" for AWS's own.
	Endpoint string
	// Lock is the Object Lock retention of what is written: COMPLIANCE or GOVERNANCE, "" for what the bucket does by
	// default. Retain is how long from now.
	Lock   string
	Retain time.Duration
}

// ErrPlace says that a ledger's place is written wrong.
var ErrPlace = errors.New("expected a folder, or s3://BUCKET/PREFIX with any of ?region=, profile=, endpoint=, lock=compliance|governance and retain=400d")

// ParsePlace reads where a ledger is: the path of a folder, or s3://BUCKET/PREFIX with the parameters region,
// profile, endpoint (another S3 than AWS's, asked by path), lock (compliance or governance) and retain (how long
// entries are locked, such as 400d or 9600h). It touches nothing.
func ParsePlace(s string) (Place, error) {
	wrong := func(why string) (Place, error) { return Place{}, fmt.Errorf("ledger %q: %s: %w", s, why, ErrPlace) }
	scheme, _, ok := strings.Cut(s, "://")
	switch {
	case s == "":
		return wrong("it is empty")
	case !ok:
		return Place{Dir: s}, nil
	case scheme != "s3":
		return wrong("there is no storage " + scheme)
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Port() != "" {
		return wrong("no S3 URL")
	}
	p := Place{Bucket: u.Host, Prefix: strings.Trim(u.Path, "/")}
	if p.Prefix != "" {
		p.Prefix += "/"
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return wrong("its parameters cannot be read")
	}
	for name, values := range query {
		value := values[0]
		if len(values) > 1 || value == "" {
			return wrong(fmt.Sprintf("parameter %s: one value is needed", name))
		}
		switch name {
		case "region":
			p.Access.Region = value
		case "profile":
			p.Access.Profile = value
		case "endpoint":
			p.Endpoint = value
		case "lock":
			if p.Lock = strings.ToUpper(value); p.Lock != "COMPLIANCE" && p.Lock != "GOVERNANCE" {
				return wrong(fmt.Sprintf("lock %q", value))
			}
		case "retain":
			if p.Retain, err = days(value); err != nil || p.Retain <= 0 {
				return wrong(fmt.Sprintf("retain %q", value))
			}
		default:
			return wrong(fmt.Sprintf("there is no parameter %q", name))
		}
	}
	if (p.Lock == "") != (p.Retain == 0) {
		return wrong("lock and retain go together")
	}
	return p, nil
}

// days reads a duration that may be written in days.
func days(s string) (time.Duration, error) {
	if n, ok := strings.CutSuffix(s, "d"); ok {
		v, err := strconv.ParseUint(n, 10, 16)
		return time.Duration(v) * 24 * time.Hour, err
	}
	return time.ParseDuration(s)
}

// String is the place without its parameters.
func (p Place) String() string {
	if p.Dir != "" {
		return p.Dir
	}
	return "s3://" + p.Bucket + "/" + strings.TrimSuffix(p.Prefix, "/")
}

// store is the objects of one ledger.
type store struct {
	bucket *blob.Bucket
	prefix string
	// writing prepares one write, nil does nothing.
	writing func(as func(any) bool) error
	sweep   func(time.Time) error
	close   func()
}

func openStore(ctx context.Context, p Place, create bool) (*store, error) {
	if p.Dir != "" {
		f, err := openFolder(p.Dir, create)
		if err != nil {
			return nil, err
		}
		return &store{bucket: blob.NewBucket(f), sweep: f.sweep}, nil
	}
	client, done, err := awsapi.OpenS3(ctx, p.Access, p.Endpoint)
	if err != nil {
		return nil, err
	}
	b, err := s3blob.OpenBucket(ctx, client, p.Bucket, nil)
	if err != nil {
		done()
		return nil, err
	}
	return &store{bucket: b, prefix: p.Prefix, close: done, writing: p.retention}, nil
}

// retention asks for the Object Lock of one object. s3blob writes through the transfer manager, whose input it hands
// out: If-None-Match goes with PutObject, or with CompleteMultipartUpload for what is larger than a part.
func (p Place) retention(as func(any) bool) error {
	var in *transfermanager.UploadObjectInput
	if !as(&in) {
		return errors.New("the storage does not let itself be told of Object Lock")
	}
	if p.Lock != "" {
		in.ObjectLockMode = tmtypes.ObjectLockMode(p.Lock)
		in.ObjectLockRetainUntilDate = aws.Time(time.Now().UTC().Add(p.Retain).Truncate(time.Second))
	}
	return nil
}

// after makes a listing of S3 begin behind a key; other storage lists all and it costs little there.
func after(key string) func(as func(any) bool) error {
	return func(as func(any) bool) error {
		var in *s3.ListObjectsV2Input
		if as(&in) {
			in.StartAfter = aws.String(key)
		}
		return nil
	}
}

func (s *store) Close() error {
	err := s.bucket.Close()
	if s.close != nil {
		s.close()
	}
	return err
}

// read reads an object of at most so many bytes.
func (s *store) read(ctx context.Context, name string, most int64) (b []byte, err error) {
	r, err := s.bucket.NewReader(ctx, s.prefix+name, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = cmp.Or(err, r.Close()) }()
	return readAll(r, most)
}

// conflicts says whether S3 refused a write since another one of the same key was under way: it asks to try again,
// and by then the other one is there (S3 user guide, "Conditional writes": 409 ConditionalRequestConflict).
func conflicts(err error) bool {
	e, ok := errors.AsType[smithy.APIError](err)
	return ok && e.ErrorCode() == "ConditionalRequestConflict"
}
