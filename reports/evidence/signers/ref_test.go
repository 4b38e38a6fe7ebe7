package signers_test

import (
	"strings"
	"testing"

	"github.com/linkassay/linkassay/reports/evidence/signers"
)

func TestParseRef(t *testing.T) {
	t.Parallel()
	const arn = "kms:arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	for ref, want := range map[string]struct {
		err, region string
		kms         bool
	}{
		"id_ed25519":            {},
		"./agent:x":             {},
		"/keys/kms.pem":         {},
		"agent:keys/id_rsa.pub": {},
		"agent:SHA256:" + strings.Repeat("a", 42) + "+": {},
		arn: {region: "eu-west-1", kms: true},
		"kms:arn:aws-us-gov:kms:us-gov-west-1:111122223333:alias/evidence/seal": {region: "us-gov-west-1", kms: true},
		"kms:alias/evidence":                       {kms: true},
		"kms:1234abcd-12ab-34cd-56ef-1234567890ab": {kms: true},
		"kms:mrk-1234abcd12ab34cd56ef1234567890ab": {kms: true},
		"":                   {err: "empty"},
		"agent:":             {err: "fingerprint"},
		"agent:SHA256:short": {err: "43 letters"},
		"agent:SHA256:" + strings.Repeat("\x1b", 43): {err: "43 letters"},
		"kms:":                              {err: "expected the ARN"},
		"kms:evidence":                      {err: "expected the ARN"},
		"kms:alias/a b":                     {err: "expected the ARN"},
		"kms:alias/x\n":                     {err: "expected the ARN"},
		"kms:arn:aws:s3:::bucket":           {err: "expected the ARN"},
		"kms:arn:aws:kms:eu-west-1:1:key/x": {err: "expected the ARN"},
		"kms:arn:aws:kms:eu-west-1:111122223333:role/x": {err: "expected the ARN"},
		strings.Repeat("x", 5000):                       {err: "more than"},
	} {
		r, err := signers.ParseRef(ref)
		if want.err != "" {
			if err == nil || !strings.Contains(err.Error(), want.err) || strings.Contains(err.Error(), "\x1b") {
				t.Errorf("%.50q: got %v, want %q", ref, err, want.err)
			}
			continue
		}
		if err != nil || r.String() != ref {
			t.Errorf("%q: got %q, %v", ref, r, err)
		}
		if region, ok := r.KMS(); ok != want.kms || region != want.region {
			t.Errorf("%q: KMS is %v in %q, want %v in %q", ref, ok, region, want.kms, want.region)
		}
	}
}

func FuzzParseRef(f *testing.F) {
	f.Add("agent:SHA256:x")
	f.Add("kms:arn:aws:kms:eu-west-1:111122223333:alias/x")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := signers.ParseRef(s)
		if err != nil {
			return
		}
		if r.String() != s {
			t.Fatalf("%q reads back as %q", s, r)
		}
		r.KMS()
	})
}
