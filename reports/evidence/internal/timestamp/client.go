package timestamp

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// DefaultTimeout bounds one request with its answer.
const DefaultTimeout = 30 * time.Second

// Client asks one time stamping authority.
type Client struct {
	URL     string         // https, or http to this host itself
	Roots   *x509.CertPool // that the authority's certificate must lead to; nil = the system's
	Policy  string         // object identifier of the policy to ask for; "" = the authority's own
	HTTP    *http.Client   // nil = one with the environment's proxy
	Timeout time.Duration  // zero = DefaultTimeout
}

// request is a TimeStampReq (RFC 3161, section 2.4.1).
type request struct {
	Version int
	Imprint struct {
		Algorithm struct {
			Algorithm  asn1.ObjectIdentifier
			Parameters asn1.RawValue
		}
		Hash []byte
	}
	Policy  asn1.ObjectIdentifier `asn1:"optional"`
	Nonce   *big.Int
	CertReq bool
}

// Stamp has the message stamped and returns the token, verified and in canonical form: what nobody signed
// (certificates outside the chain, the root itself, unsigned attributes) is left out. Only the message's digest
// is sent.
func (c *Client) Stamp(ctx context.Context, message []byte) ([]byte, *Stamp, error) {
	u, err := c.url()
	if err != nil {
		return nil, nil, err
	}
	wrap := func(err error) error {
		return fmt.Errorf("get a time stamp from %s: %w", u.Scheme+"://"+u.Host, err)
	}
	policy, err := c.policy()
	if err != nil {
		return nil, nil, wrap(err)
	}
	nonce, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 63))
	if err != nil {
		return nil, nil, wrap(err)
	}
	query, err := marshalRequest(message, policy, nonce)
	if err != nil {
		return nil, nil, wrap(err)
	}
	answer, err := c.post(ctx, u, query)
	if err != nil {
		return nil, nil, wrap(err)
	}
	raw, err := parseAnswer(answer)
	if err != nil {
		return nil, nil, wrap(err)
	}
	der, err := normalise(raw, c.Roots)
	if err != nil {
		return nil, nil, wrap(err)
	}
	stamp, err := Verify(der, message, c.Roots)
	if err != nil {
		return nil, nil, wrap(err)
	}
	switch {
	case stamp.nonce == nil || stamp.nonce.Cmp(nonce) != 0:
		return nil, nil, wrap(errors.New("the answer has another nonce than the request: it is an answer to somebody else, or an old one"))
	case policy != nil && stamp.Policy != policy.String():
		return nil, nil, wrap(fmt.Errorf("stamped under the policy %s, asked for %s", stamp.Policy, policy))
	}
	return der, stamp, nil
}

func marshalRequest(message []byte, policy asn1.ObjectIdentifier, nonce *big.Int) ([]byte, error) {
	sum := sha256.Sum256(message)
	r := request{Version: 1, Policy: policy, Nonce: nonce, CertReq: true}
	r.Imprint.Algorithm.Algorithm = oidSHA256()
	r.Imprint.Algorithm.Parameters = asn1.NullRawValue
	r.Imprint.Hash = sum[:]
	return asn1.Marshal(r)
}

func (c *Client) url() (*url.URL, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" {
		return nil, errors.New("the time stamping authority's URL can't be read: expected https://HOST/PATH") // it may hold a key
	}
	if u.User != nil {
		return nil, fmt.Errorf("the URL of the time stamping authority %s has a user in it: it would be in logs", u.Host)
	}
	if u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()) {
		return u, nil
	}
	return nil, fmt.Errorf("the URL of the time stamping authority %s begins with %s: expected https", u.Host, u.Scheme)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (c *Client) policy() (asn1.ObjectIdentifier, error) {
	if c.Policy == "" {
		return nil, nil
	}
	oid, err := x509.ParseOID(c.Policy)
	if err == nil {
		var der []byte
		if der, err = oid.MarshalBinary(); err == nil {
			var o asn1.ObjectIdentifier
			if _, err = asn1.Unmarshal(append([]byte{6, byte(len(der))}, der...), &o); err == nil {
				return o, nil
			}
		}
	}
	return nil, fmt.Errorf("the time stamping policy %.60q: expected an object identifier such as 1.2.3.4: %w", c.Policy, err)
}

func (c *Client) post(ctx context.Context, u *url.URL, query []byte) ([]byte, error) {
	timeout := c.Timeout
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(query))
	if err != nil {
		return nil, errors.New("the URL can't be used")
	}
	r.Header.Set("Content-Type", "application/timestamp-query")
	r.Header.Set("Accept", "application/timestamp-reply")
	r.Header.Set("User-Agent", "linkassay")
	client, done := c.client()
	defer done()
	answer, err := client.Do(r)
	if err != nil {
		if inner, ok := errors.AsType[*url.Error](err); ok { // its text has the whole URL
			err = inner.Err
		}
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("HTTP status %d, expected 200", answer.StatusCode)
	}
	kind, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	if err != nil || !strings.EqualFold(kind, "application/timestamp-reply") {
		return nil, fmt.Errorf("content type %.60q, expected application/timestamp-reply: is this the URL of a time stamping authority?",
			answer.Header.Get("Content-Type"))
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, MaxToken+1))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if len(body) > MaxToken {
		return nil, fmt.Errorf("the answer has more than %d bytes", MaxToken)
	}
	return body, nil
}

// client follows no redirect: a time stamping authority has one address, which was checked.
func (c *Client) client() (client *http.Client, done func()) {
	var copied http.Client
	done = func() {}
	if c.HTTP != nil {
		copied = *c.HTTP
	} else {
		t := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10}
		copied.Transport, done = t, t.CloseIdleConnections
	}
	copied.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &copied, done
}
