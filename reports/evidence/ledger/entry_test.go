package ledger

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/reports"
)

func TestGapsInADeclaredSchedule(t *testing.T) {
	t.Parallel()
	l := inMemory(t)
	for _, n := range []int{0, 5, 11, 30, 35} {
		r := record(n, reports.Up)
		r.Every = provision.Duration(5 * time.Minute)
		if _, err := l.Append(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	gap := func(from, to time.Time, missed int) reports.Gap {
		return reports.Gap{Link: "charts-api", From: from, To: to, Every: provision.Duration(5 * time.Minute), Missed: missed}
	}
	minute := func(n int) time.Time { return start().Add(time.Duration(n) * time.Minute) }
	for _, tt := range []struct {
		name string
		opts VerifyOptions
		want []reports.Gap
	}{
		{"as the runs declare", VerifyOptions{}, []reports.Gap{gap(minute(11), minute(30), 3)}},
		{"none of 20 minutes", VerifyOptions{Every: 20 * time.Minute}, nil},
		{"one is due now", VerifyOptions{Now: minute(46)}, []reports.Gap{gap(minute(11), minute(30), 3), gap(minute(35), time.Time{}, 2)}},
		{"none is due yet", VerifyOptions{Every: 20 * time.Minute, Now: minute(46)}, nil},
	} {
		tt.opts.Heads = nil
		r, err := l.Verify(t.Context(), tt.opts)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(r.Gaps, tt.want) {
			t.Errorf("%s: %+v, want %+v", tt.name, r.Gaps, tt.want)
		}
	}
}

func TestHeadsAndPlacesAreReadStrictly(t *testing.T) {
	t.Parallel()
	hash := strings.Repeat("0a", 32)
	for in, want := range map[string]Head{"42:" + hash: {42, hash}, "ledger head 42:" + hash + "\n": {42, hash}, " " + hash + "\n": {0, hash}, "0:" + hash: {0, hash}} {
		if got, err := ParseHead(in); err != nil || got != want {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "42", "42:", ":" + hash, "-1:" + hash, "042:" + hash, "42:" + strings.ToUpper(hash), "42:" + hash + "0", "1:2:" + hash} {
		if _, err := ParseHead(in); !errors.Is(err, ErrHead) {
			t.Errorf("%q was read as a head", in)
		}
	}
	if heads, err := ParseHeads(strings.NewReader("# kept by the auditor\n\n1:" + hash + "\n2:" + hash)); err != nil || len(heads) != 2 {
		t.Errorf("%v, %v", heads, err)
	}
	for _, in := range []string{"", "# nothing\n", "1:" + hash + "\nx\n"} {
		if _, err := ParseHeads(strings.NewReader(in)); err == nil {
			t.Errorf("%q was read as heads", in)
		}
	}
	for _, in := range []string{
		"", "gs://b/p", "s3://", "s3:///p", "s3://b:1/p", "s3://u@b/p", "s3://b/p#f", "s3://b/p?x=1", "s3://b/p?region=", "s3://b?region=a&region=b",
		"s3://b?lock=none&retain=1d", "s3://b?lock=compliance", "s3://b?retain=1d", "s3://b?lock=compliance&retain=-1h", "s3://b?lock=compliance&retain=0d", "s3://b?%zz",
	} {
		if p, err := ParsePlace(in); !errors.Is(err, ErrPlace) {
			t.Errorf("%q was read as %+v, %v", in, p, err)
		}
	}
	p, err := ParsePlace("s3://bucket/a/b/?region=eu-west-1&profile=p&endpoint=http://127.0.0.1:5000&lock=compliance&retain=400d")
	if err != nil || p.Bucket != "bucket" || p.Prefix != "a/b/" || p.Access.Region != "eu-west-1" || p.Access.Profile != "p" ||
		p.Endpoint != "http://127.0.0.1:5000" || p.Lock != "COMPLIANCE" || p.Retain != 400*24*time.Hour {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err := ParsePlace("some/dir"); err != nil || p.Dir != "some/dir" {
		t.Errorf("%+v, %v", p, err)
	}
}

func FuzzDecodeEntry(f *testing.F) {
	e := Entry{Format: EntryFormat, Seq: 1, Prev: strings.Repeat("0a", 32), ID: "x", Record: record(0, reports.Down)}
	b, err := encode(e)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"format":"linkassay.ledger-entry/v2"}`))
	f.Add([]byte(`{"format":"linkassay.ledger-entry/v1","seq":1e3}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := DecodeEntry(b)
		if err != nil {
			return
		}
		again, err := encode(e)
		if err != nil || string(again) != string(b) {
			t.Fatalf("%q is read, and is written as %q (%v)", b, again, err)
		}
	})
}

func FuzzParsePlace(f *testing.F) {
	f.Add("s3://bucket/a/b/?region=eu-west-1&lock=compliance&retain=400d")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePlace(s)
		if err == nil && (p.Dir == "") == (p.Bucket == "") {
			t.Fatalf("%q is %+v", s, p)
		}
		_, _ = ParseHead(s)
	})
}
