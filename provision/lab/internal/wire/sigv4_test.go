package wire

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const (
	testKey    = "AKIALABEXAMPLE"
	testSecret = "EXAMPLE-NOT-A-SECRET"
	testBody   = "Action=DescribeVpcs&Version=2016-11-15"
)

var signedAt = time.Date(2026, 1, 15, 10, 0, 24, 0, time.UTC)

// sent signs a request as clients do, sends it, and gives what the server got.
func sent(t *testing.T, edit func(r *http.Request), sign func(r *http.Request)) (*http.Request, []byte) {
	t.Helper()
	got, body := make(chan *http.Request, 1), &bytes.Buffer{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = body.ReadFrom(r.Body)
		got <- r.Clone(context.Background()) // net/http still works on r while this returns
	}))
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/2013-04-01/hostedzone/Z1?name=a%2Fb&type=A&x=1+2", strings.NewReader(testBody))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	if edit != nil {
		edit(r)
	}
	sign(r)
	answer, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	return <-got, body.Bytes()
}

func bySDK(t *testing.T, payload, secret, token string) func(r *http.Request) {
	return func(r *http.Request) {
		t.Helper()
		hash := payload
		if hash == "" {
			sum := sha256.Sum256([]byte(testBody))
			hash = hex.EncodeToString(sum[:])
		}
		err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: testKey, SecretAccessKey: secret, SessionToken: token}, r, hash, "ec2", "ap-southeast-1", signedAt)
		if err != nil {
			t.Fatal(err)
		}
	}
}

func verify(r *http.Request, body []byte) error {
	a, err := ParseAuthorization(r.Header.Get("Authorization"))
	if err != nil {
		return err
	}
	at, err := SignedAt(r, a, signedAt.Add(time.Minute))
	if err != nil {
		return err
	}
	return NewVerifier().Verify(context.Background(), r, body, a, testSecret, at)
}

func TestVerify(t *testing.T) {
	t.Parallel()
	after := func(sign func(*http.Request), edit func(r *http.Request)) func(r *http.Request) {
		return func(r *http.Request) { sign(r); edit(r) }
	}
	plain := bySDK(t, "", testSecret, "")
	for _, tt := range []struct {
		name   string
		edit   func(r *http.Request)
		sign   func(r *http.Request)
		reason Reason
		text   string
	}{
		{name: "the SDK", sign: plain},
		{name: "session token", sign: bySDK(t, "", testSecret, "token==")},
		{name: "no content length in the signature", edit: func(r *http.Request) { r.ContentLength = -1 }, sign: after(plain, func(r *http.Request) { r.ContentLength = int64(len(testBody)) })},
		{name: "headers added on the way", sign: after(plain, func(r *http.Request) { r.Header.Set("X-Forwarded-For", "1.2.3.4") })},
		{name: "payload hash in a header", edit: func(r *http.Request) {
			sum := sha256.Sum256([]byte(testBody))
			r.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
		}, sign: plain},
		{name: "unsigned payload", edit: func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", unsigned) }, sign: bySDK(t, unsigned, testSecret, "")},
		{name: "other secret", sign: bySDK(t, "", "other", ""), reason: BadSignature, text: "The request signature we calculated does not match"},
		{name: "body changed", sign: after(plain, func(r *http.Request) {
			r.Body, r.ContentLength = http.NoBody, 0
			r.Header.Set("Content-Length", "0")
		}), reason: BadSignature, text: "The request signature we calculated does not match"},
		{name: "query changed", sign: after(plain, func(r *http.Request) { r.URL.RawQuery = "name=other" }), reason: BadSignature, text: "The request signature we calculated does not match"},
		{name: "signed header changed", sign: after(plain, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }), reason: BadSignature, text: "The request signature we calculated does not match"},
		{name: "signed header removed", sign: after(plain, func(r *http.Request) { r.Header.Del("Content-Type") }), reason: BadSignature, text: "lacks the signed header 'content-type'"},
		{name: "payload hash of another body", edit: func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", strings.Repeat("0", 64)) }, sign: bySDK(t, strings.Repeat("0", 64), testSecret, ""), reason: BadSignature, text: "does not match what was computed"},
		{name: "other day in the scope", sign: after(plain, func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "20260115", "20260114", 1))
		}), reason: BadSignature, text: "'20260114' != '20260115'"},
		{name: "no date", sign: after(plain, func(r *http.Request) { r.Header.Del("X-Amz-Date") }), reason: Incomplete, text: "'X-Amz-Date'"},
		{name: "host not signed", sign: after(plain, func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), ";host", "", 1))
		}), reason: BadSignature, text: "'host' must be a 'SignedHeader'"},
		{name: "not signed", sign: func(*http.Request) {}, reason: MissingToken, text: "Missing Authentication Token"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := verify(sent(t, tt.edit, tt.sign))
			if tt.reason == 0 {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			var e *AuthError
			if !errors.As(err, &e) || e.Reason != tt.reason || !strings.Contains(e.Message, tt.text) {
				t.Fatalf("got %#v, want reason %d with %q", err, tt.reason, tt.text)
			}
		})
	}
}

func TestSignedAt(t *testing.T) {
	t.Parallel()
	r := &http.Request{Header: http.Header{"X-Amz-Date": {"20260115T100024Z"}}}
	a := Authorization{Date: "20260115"}
	for _, tt := range []struct {
		now  time.Duration
		want string
	}{
		{0, ""},
		{maxSkew, ""},
		{-maxSkew, ""},
		{maxSkew + time.Second, "Signature expired: 20260115T100024Z is now earlier than 20260115T100025Z (20260115T101525Z - 15 min.)"},
		{-maxSkew - time.Second, "Signature not yet current: 20260115T100024Z is still later than 20260115T100023Z (20260115T094523Z + 15 min.)"},
	} {
		_, err := SignedAt(r, a, signedAt.Add(tt.now))
		var e *AuthError
		if tt.want == "" && err != nil || tt.want != "" && (!errors.As(err, &e) || e.Reason != Skewed || e.Message != tt.want) {
			t.Errorf("%v later: %v, want %q", tt.now, err, tt.want)
		}
	}
}

func TestParseAuthorization(t *testing.T) {
	t.Parallel()
	signature := strings.Repeat("0a", 32)
	good := "AWS4-HMAC-SHA256 Credential=AKIALAB/20260115/us-east-1/ec2/aws4_request, SignedHeaders=host;x-amz-date, Signature=" + signature
	for _, header := range []string{good, strings.ReplaceAll(good, ", ", ",")} {
		a, err := ParseAuthorization(header)
		if err != nil || a.AccessKeyID != "AKIALAB" || a.Date != "20260115" || a.Region != "us-east-1" || a.Service != "ec2" || strings.Join(a.SignedHeaders, " ") != "host x-amz-date" || a.Signature != signature {
			t.Errorf("%s: %+v, %v", header, a, err)
		}
	}
	for header, text := range map[string]string{
		"Basic dXNlcg==":    "algorithm",
		"AWS4-HMAC-SHA256":  "algorithm",
		"AWS4-HMAC-SHA256 ": "key=value",
		"AWS4-HMAC-SHA256 Credential=AKIALAB/20260115/us-east-1/ec2/aws4_request": "requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter.",
		strings.Replace(good, "/ec2", "", 1):                                      "Credential must have the form",
		strings.Replace(good, "/ec2/", "//", 1):                                   "Credential must have the form",
		strings.Replace(good, "0a0a", "0A0a", 1):                                  "Signature must be",
		strings.Replace(good, "host;", "Host;", 1):                                "SignedHeaders must be",
		strings.Replace(good, "Signature=", "Credential=x,S=", 1):                 "key=value",
		good + strings.Repeat(" ", maxAuthSize):                                   "algorithm",
	} {
		_, err := ParseAuthorization(header)
		var e *AuthError
		if !errors.As(err, &e) || e.Reason != Incomplete || !strings.Contains(e.Message, text) {
			t.Errorf("%.120s: %v, want %q", header, err, text)
		}
	}
}

func FuzzParseAuthorization(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=AKIALAB/20260115/us-east-1/ec2/aws4_request, SignedHeaders=host;x-amz-date, Signature=" + strings.Repeat("0a", 32))
	f.Add("AWS4-HMAC-SHA256 Credential=,,=,Signature")
	f.Add("AWS4-ECDSA-P256-SHA256 x")
	f.Fuzz(func(t *testing.T, header string) {
		a, err := ParseAuthorization(header)
		var e *AuthError
		if err != nil && !errors.As(err, &e) {
			t.Fatalf("error %#v", err)
		}
		if err != nil {
			return
		}
		for _, s := range append([]string{a.AccessKeyID, a.Date, a.Region, a.Service}, a.SignedHeaders...) {
			if !word(s) {
				t.Fatalf("accepted %q", s)
			}
		}
		r := &http.Request{Method: http.MethodPost, URL: &url.URL{Path: "/"}, Header: http.Header{}, Host: "h"}
		r.Header.Set("X-Amz-Date", a.Date+"T000000Z")
		if NewVerifier().Verify(context.Background(), r, nil, a, "s", time.Now()) == nil {
			t.Fatal("a made-up signature was accepted")
		}
	})
}
