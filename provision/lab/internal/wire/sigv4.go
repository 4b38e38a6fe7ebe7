package wire

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const (
	algorithm   = "AWS4-HMAC-SHA256"
	amzDate     = "20060102T150405Z"
	unsigned    = "UNSIGNED-PAYLOAD"
	maxSkew     = 15 * time.Minute
	maxField    = 128 // bytes of a part of the credential scope
	maxSigned   = 64  // signed headers
	maxAuthSize = 4096
)

// Authorization is what a Signature Version 4 Authorization header says.
type Authorization struct {
	AccessKeyID   string
	Date          string // 20060102
	Region        string
	Service       string
	SignedHeaders []string // lower case
	Signature     string   // 64 hexadecimal digits
}

// ParseAuthorization reads an Authorization header. Errors are an *AuthError. The service and the
// Region are given, as far as they could be read, beside an error too.
func ParseAuthorization(header string) (Authorization, error) {
	var a Authorization
	if header == "" {
		return a, &AuthError{Reason: MissingToken, Message: "Missing Authentication Token"}
	}
	rest, ok := strings.CutPrefix(header, algorithm)
	if !ok || rest == "" || rest[0] != ' ' && rest[0] != '\t' || len(header) > maxAuthSize {
		return a, incomplete("Unsupported AWS 'algorithm': expected " + algorithm + ".")
	}
	var missing []string
	fields := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		k, v, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok || fields[k] != "" {
			return a, incomplete("Authorization header has a part that is not a single key=value pair.")
		}
		fields[k] = v
	}
	for _, k := range []string{"Credential", "Signature", "SignedHeaders"} {
		if fields[k] == "" {
			missing = append(missing, fmt.Sprintf("Authorization header requires '%s' parameter.", k))
		}
	}
	scope := strings.Split(fields["Credential"], "/")
	if len(scope) == 5 {
		a.AccessKeyID, a.Date, a.Region, a.Service = scope[0], scope[1], scope[2], scope[3]
	}
	if missing != nil {
		return a, incomplete(strings.Join(missing, " "))
	}
	if len(scope) != 5 || scope[4] != "aws4_request" || slices.ContainsFunc(scope, func(s string) bool { return !word(s) }) {
		return a, incomplete("Credential must have the form KEY/YYYYMMDD/REGION/SERVICE/aws4_request.")
	}
	a.SignedHeaders = strings.Split(fields["SignedHeaders"], ";")
	a.Signature = fields["Signature"]
	if len(a.Signature) != 2*sha256.Size || strings.Trim(a.Signature, "0123456789abcdef") != "" {
		return a, incomplete("Signature must be 64 hexadecimal digits.")
	}
	if len(a.SignedHeaders) > maxSigned || slices.ContainsFunc(a.SignedHeaders, func(s string) bool { return !word(s) || s != strings.ToLower(s) }) {
		return a, incomplete("SignedHeaders must be names in lower case, separated by semicolons.")
	}
	return a, nil
}

// word says whether s is a name of printable ASCII without separators.
func word(s string) bool {
	return s != "" && len(s) <= maxField && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '/' || r == ';' })
}

// Verifier checks Signature Version 4 with the SDK's own signer. It is safe for concurrent use.
type Verifier struct{ signer *v4.Signer }

// NewVerifier makes a Verifier.
func NewVerifier() *Verifier {
	// The token is one of the signed headers already; the signer must not add it again.
	return &Verifier{v4.NewSigner(func(o *v4.SignerOptions) { o.DisableSessionToken = true })}
}

// SignedAt reads the time at which a request says it was signed, and refuses it when it is more
// than 15 minutes from now. Errors are an *AuthError.
func SignedAt(r *http.Request, a Authorization, now time.Time) (time.Time, error) {
	stamp := r.Header.Get("X-Amz-Date")
	if stamp == "" {
		return time.Time{}, incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	at, err := time.Parse(amzDate, stamp)
	if err != nil {
		return time.Time{}, incomplete("Date must be in ISO-8601 'basic format'.")
	}
	if !strings.HasPrefix(stamp, a.Date+"T") {
		return time.Time{}, &AuthError{BadSignature, fmt.Sprintf("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s'.", a.Date, at.Format("20060102"))}
	}
	text := func(t time.Time) string { return t.UTC().Format(amzDate) }
	switch {
	case now.Sub(at) > maxSkew:
		return at, &AuthError{Skewed, fmt.Sprintf("Signature expired: %s is now earlier than %s (%s - 15 min.)", text(at), text(now.Add(-maxSkew)), text(now))}
	case at.Sub(now) > maxSkew:
		return at, &AuthError{Skewed, fmt.Sprintf("Signature not yet current: %s is still later than %s (%s + 15 min.)", text(at), text(now.Add(maxSkew)), text(now))}
	}
	return at, nil
}

// Verify signs the request again with the key's secret and compares. body is the whole request
// body, at the result of SignedAt. Errors are an *AuthError.
func (v *Verifier) Verify(ctx context.Context, r *http.Request, body []byte, a Authorization, secret string, at time.Time) error {
	wrong := func(why string) error { return &AuthError{Reason: BadSignature, Message: why} }
	for _, must := range []string{"host", "x-amz-date"} {
		if !slices.Contains(a.SignedHeaders, must) {
			return wrong(fmt.Sprintf("'%s' must be a 'SignedHeader' in the AWS Authorization.", must))
		}
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])

	// Only what was signed may be in the request that is signed again: proxies and HTTP clients
	// add headers afterwards. The signer adds a content length whenever there is one.
	signed := &http.Request{Method: r.Method, URL: copyURL(r.URL), Host: r.Host, Header: http.Header{}}
	for _, name := range a.SignedHeaders {
		switch name {
		case "host":
			continue
		case "content-length":
			signed.ContentLength = int64(len(body))
			continue
		}
		values := r.Header.Values(name)
		if len(values) == 0 {
			return wrong("The request lacks the signed header '" + name + "'.")
		}
		if name == "x-amz-content-sha256" {
			switch values[0] {
			case unsigned:
				hash = unsigned
			case hash:
			default:
				return wrong("The provided 'x-amz-content-sha256' header does not match what was computed.")
			}
		}
		signed.Header[textproto.CanonicalMIMEHeaderKey(name)] = slices.Clone(values)
	}
	err := v.signer.SignHTTP(ctx, aws.Credentials{AccessKeyID: a.AccessKeyID, SecretAccessKey: secret}, signed, hash, a.Service, a.Region, at)
	if err != nil {
		return fmt.Errorf("sign the request of %s again: %w", a.AccessKeyID, err)
	}
	_, want, _ := strings.Cut(signed.Header.Get("Authorization"), "Signature=")
	if subtle.ConstantTimeCompare([]byte(want), []byte(a.Signature)) != 1 {
		return wrong("The request signature we calculated does not match the signature you provided. " +
			"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	}
	return nil
}

func copyURL(u *url.URL) *url.URL {
	c := *u
	return &c
}
