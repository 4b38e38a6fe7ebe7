// Package awsapi makes every AWS configuration and SDK client of linkassay, and tells its errors
// apart. Nothing else in the module makes an aws.Config.
package awsapi

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// Defaults of the options.
const (
	DefaultAttempts    = 8                // attempts of one call, the first included
	DefaultCallTimeout = 30 * time.Second // one call with all its attempts
	maxBackoff         = 5 * time.Second  // between two attempts
	sessionName        = "linkassay"
)

// Access says whose credentials to use and where.
type Access struct {
	Profile    string // profile of the shared AWS configuration; "" = the environment's credentials
	RoleARN    string // role to assume with them; "" = none
	ExternalID string // external id that the role's trust policy asks for
	Region     string
}

// Clients are the SDK clients of one account in one Region.
type Clients struct {
	EC2     *ec2.Client
	ELB     *elasticloadbalancingv2.Client
	KMS     *kms.Client
	Route53 *route53.Client
	STS     *sts.Client
	Region  string

	config    aws.Config    // for what is asked without an SDK client
	timeout   time.Duration // of one call with all its attempts
	calls     atomic.Int64
	throttled atomic.Int64
	refused   atomic.Bool                   // the credentials were, at least once
	clock     atomic.Pointer[time.Duration] // what the last answer said
	shared    *store                        // nil: each read is a request
	transport *http.Transport               // nil when the caller brought its own HTTP client
}

// Option changes how clients are made.
type Option func(*options)

type options struct {
	endpoint, id, secret string
	client               aws.HTTPClient
	attempts             int
	timeout              time.Duration
	sharing              *Sharing
}

// WithStatic sends every call to one endpoint with one access key, and reads neither environment
// nor configuration files: for a lab in the same process.
func WithStatic(endpoint, id, secret string) Option {
	return func(o *options) { o.endpoint, o.id, o.secret = endpoint, id, secret }
}

// WithHTTPClient sends requests through c.
func WithHTTPClient(c aws.HTTPClient) Option {
	return func(o *options) { o.client = plainClient{c} }
}

// WithRetries sets how many attempts a call gets, the first included. Less than one means the
// default.
func WithRetries(attempts int) Option {
	return func(o *options) {
		if attempts > 0 {
			o.attempts = attempts
		}
	}
}

// WithCallTimeout bounds one call with all its attempts. Zero means the default.
func WithCallTimeout(d time.Duration) Option {
	return func(o *options) {
		if d > 0 {
			o.timeout = d
		}
	}
}

// Open makes clients. It reads the environment and the shared configuration files
// (AWS_ENDPOINT_URL and services sections included) but calls nothing: roles are assumed with the
// first call.
func Open(ctx context.Context, a Access, opts ...Option) (*Clients, error) {
	o := options{attempts: DefaultAttempts, timeout: DefaultCallTimeout}
	for _, opt := range opts {
		opt(&o)
	}
	cfg, err := configuration(ctx, a, o)
	if err != nil {
		return nil, fmt.Errorf("read AWS configuration%s: %w", ofProfile(a.Profile), err)
	}
	c := &Clients{Region: a.Region}
	if o.client == nil {
		cfg.HTTPClient, c.transport = ownHTTPClient(cfg.HTTPClient)
	}
	cfg.Retryer = func() aws.Retryer { return retryer(o.attempts) }
	cfg.APIOptions = append(cfg.APIOptions, c.instrument(o.timeout)...)
	if o.sharing != nil {
		c.shared = newStore(c, *o.sharing)
		cfg.APIOptions = append(cfg.APIOptions, c.shared.instrument) // the last one is the first to be asked
	}
	cfg.AppID = sessionName

	if a.RoleARN != "" {
		provider := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), a.RoleARN,
			func(r *stscreds.AssumeRoleOptions) {
				r.RoleSessionName = sessionName
				if a.ExternalID != "" {
					r.ExternalID = aws.String(a.ExternalID)
				}
			})
		cfg.Credentials = aws.NewCredentialsCache(provider)
	}
	c.EC2 = ec2.NewFromConfig(cfg)
	c.ELB = elasticloadbalancingv2.NewFromConfig(cfg)
	c.KMS = kms.NewFromConfig(cfg)
	c.Route53 = route53.NewFromConfig(cfg)
	c.STS = sts.NewFromConfig(cfg)
	c.config, c.timeout = cfg, o.timeout
	return c, nil
}

// Calls is the number of requests sent so far, retries included.
func (c *Clients) Calls() int64 { return c.calls.Load() }

// Throttled is the number of answers so far that there were too many requests, those that a repetition
// made up for included.
func (c *Clients) Throttled() int64 { return c.throttled.Load() }

// ClockOffset is how far the API's clock was ahead of this host's in the last answer, by its Date header, which
// has whole seconds. It is false before the first answer.
func (c *Clients) ClockOffset() (time.Duration, bool) {
	d := c.clock.Load()
	if d == nil {
		return 0, false
	}
	return *d, true
}

// Refused says whether AWS refused the credentials at least once. Those of a profile may have been replaced since: clients
// that are opened anew read them again.
func (c *Clients) Refused() bool { return c.refused.Load() }

// Close gives idle connections back. The clients stay usable, but share no more answers.
func (c *Clients) Close() {
	if c == nil {
		return
	}
	if c.shared != nil {
		c.shared.close()
	}
	if c.transport != nil {
		c.transport.CloseIdleConnections()
	}
}

func configuration(ctx context.Context, a Access, o options) (aws.Config, error) {
	if o.endpoint != "" {
		return aws.Config{
			Region:       a.Region,
			BaseEndpoint: aws.String(o.endpoint),
			Credentials:  credentials.NewStaticCredentialsProvider(o.id, o.secret, ""),
			HTTPClient:   o.client,
		}, nil
	}
	load := []func(*config.LoadOptions) error{config.WithRegion(a.Region)}
	if a.Profile != "" {
		load = append(load, config.WithSharedConfigProfile(a.Profile))
	}
	if o.client != nil {
		load = append(load, config.WithHTTPClient(o.client))
	}
	return config.LoadDefaultConfig(ctx, load...)
}

// ownHTTPClient takes over the transport of the SDK's default client, which holds the proxy and
// CA bundle settings, so that many calls may go side by side and Close can close it.
func ownHTTPClient(from aws.HTTPClient) (aws.HTTPClient, *http.Transport) {
	b, ok := from.(*awshttp.BuildableClient)
	if !ok || b == nil {
		b = awshttp.NewBuildableClient()
	}
	t := b.GetTransport()
	t.MaxIdleConnsPerHost = 64
	return &http.Client{
		Transport: plainBody{t},
		// An API never redirects in earnest, and a followed redirect would carry the signature away.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, t
}

// plainBody hides that the SDK's request bodies are io.WriterTo. smithy-go 1.28 closes a body as soon
// as the response's header has come, and its WriteTo then answers io.EOF where it should answer nil:
// net/http takes that for a failed request and closes the connection while the response is being read.
// A server as fast as one on loopback shows it.
type plainBody struct{ next http.RoundTripper }

func (p plainBody) RoundTrip(r *http.Request) (*http.Response, error) {
	return p.next.RoundTrip(withPlainBody(r))
}

// plainClient is plainBody for a client that the caller brought.
type plainClient struct{ next aws.HTTPClient }

func (p plainClient) Do(r *http.Request) (*http.Response, error) { return p.next.Do(withPlainBody(r)) }

func withPlainBody(r *http.Request) *http.Request {
	if r.Body == nil || r.Body == http.NoBody {
		return r
	}
	r = r.Clone(r.Context()) // a RoundTripper must not change its request
	r.Body = struct{ io.ReadCloser }{r.Body}
	return r
}

// retryer is the SDK's standard mode (exponential backoff with full jitter) with more patience.
// The attempts and the call's timeout bound it, so the standard retry quota is not needed: it
// would make the calls of one link fail because of another's.
func retryer(attempts int) aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = attempts
		o.MaxBackoff = maxBackoff
		o.RateLimiter = ratelimit.None
		refused := retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
			if isRefused(err) {
				return aws.FalseTernary
			}
			return aws.UnknownTernary
		})
		o.Retryables = append([]retry.IsErrorRetryable{refused}, o.Retryables...)
		o.Retryables = append(o.Retryables, retry.RetryableErrorCode{Codes: map[string]struct{}{
			"Unavailable":        {}, // EC2: right after a service was made
			"ServiceUnavailable": {},
			"InternalError":      {},
			"InternalFailure":    {},
		}})
	})
}

func ofProfile(profile string) string {
	if profile == "" {
		return ""
	}
	return " of profile " + clean(profile, 100)
}
