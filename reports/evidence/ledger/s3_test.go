package ledger

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/linkassay/linkassay/provision/awsapi"
	"github.com/linkassay/linkassay/provision/awsapi/moto"
	"github.com/linkassay/linkassay/reports"
)

// The whole of it through the real SDK: created only if there is none, locked, listed from behind a key, proved.
func TestLedgerInS3(t *testing.T) {
	url := moto.Start(t, "the ledger is tried in memory and in folders, not in S3")
	for name, value := range moto.Credentials(t) {
		t.Setenv(name, value)
	}
	p, err := ParsePlace("s3://evidence/a/runs?region=eu-west-1&endpoint=" + url + "&lock=governance&retain=30d")
	if err != nil {
		t.Fatal(err)
	}
	client, done, err := awsapi.OpenS3(t.Context(), p.Access, p.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{
		Bucket: aws.String("evidence"), ObjectLockEnabledForBucket: aws.Bool(true),
		CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: "eu-west-1"},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), p); err == nil {
		t.Error("a ledger was found in an empty bucket")
	}
	open := func() *Ledger {
		l, err := OpenOrCreate(t.Context(), p, Options{Tool: "linkassay 0.1.0", Now: start()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	l, other := open(), open()
	if l.genesis != other.genesis {
		t.Fatalf("two made two: %+v, %+v", l.genesis, other.genesis)
	}
	heads := fill(t, l, 5)

	// Another writer is first, after the head was read: S3 refuses ours, and it goes behind the other's.
	first := true
	retention := l.store.writing
	l.store.writing = func(as func(any) bool) error {
		if first {
			first = false
			h, err := other.Append(t.Context(), record(5, reports.Up))
			if err != nil {
				return err
			}
			heads = append(heads, h)
		}
		return retention(as)
	}
	h, err := l.Append(t.Context(), record(6, reports.Down))
	if err != nil {
		t.Fatal(err)
	}
	if heads = append(heads, h); h.Seq != 7 {
		t.Errorf("head %v: the other writer's entry was replaced", h)
	}
	if r := verified(t, other, heads...); len(r.Problems) > 0 || r.Proved != 7 || r.Entries != 7 {
		t.Errorf("%+v", r)
	}

	for _, key := range []string{"a/runs/ledger.json", "a/runs/" + entryName(7)} {
		o, err := client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("evidence"), Key: aws.String(key)})
		if err != nil {
			t.Fatal(err)
		}
		left := time.Until(aws.ToTime(o.ObjectLockRetainUntilDate))
		if o.ObjectLockMode != types.ObjectLockModeGovernance || left < 29*24*time.Hour || left > 30*24*time.Hour {
			t.Errorf("%s: lock %s for %s", key, o.ObjectLockMode, left)
		}
	}

	// A delete marker hides an entry; the known head tells.
	if _, err := client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String("evidence"), Key: aws.String("a/runs/" + entryName(7))}); err != nil {
		t.Fatal(err)
	}
	if r := verified(t, other, heads[7]); len(r.Problems) != 1 || r.Problems[0].Kind != Missing {
		t.Errorf("the newest is hidden: %v", r.Problems)
	}
	if _, err := client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String("evidence"), Key: aws.String("a/runs/" + entryName(5))}); err != nil {
		t.Fatal(err)
	}
	if r := verified(t, other); len(r.Problems) != 1 || r.Problems[0].Text != "entry 5 was removed: entry 6 is there" {
		t.Errorf("one is hidden: %v", r.Problems)
	}
	if _, err := l.Append(t.Context(), record(8, reports.Up)); !errors.Is(err, ErrBroken) {
		t.Errorf("appended into a hole: %v", err)
	}
	var last string
	for e, err := range other.Entries(t.Context(), 6) {
		if err != nil {
			t.Fatal(err)
		}
		last += fmt.Sprint(e.Seq, " ")
	}
	if last != "6 " {
		t.Errorf("entries from 6 on: %s", last)
	}
}
