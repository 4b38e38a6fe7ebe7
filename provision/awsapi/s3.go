package awsapi

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// OpenS3 makes a client of S3, and the function that gives its idle connections back. An endpoint is another S3 than
// AWS's, whose buckets are asked by path rather than by host name; "" is AWS's own, or what the environment
// and the shared configuration say. As Open it calls nothing. Unlike there a call has no time of its own, since
// a body is read after the call has returned: the context bounds it.
func OpenS3(ctx context.Context, a Access, endpoint string) (*s3.Client, func(), error) {
	cfg, err := configuration(ctx, a, options{})
	if err != nil {
		return nil, nil, fmt.Errorf("read AWS configuration%s: %w", ofProfile(a.Profile), err)
	}
	if cfg.Region == "" { // the SDK calls it an invalid DNS name, at the first request
		return nil, nil, fmt.Errorf("no region is known to ask S3 in%s: name the bucket's, s3://BUCKET/PREFIX?region=REGION, or set AWS_REGION", ofProfile(a.Profile))
	}
	client, transport := ownHTTPClient(cfg.HTTPClient)
	cfg.HTTPClient = client
	cfg.Retryer = func() aws.Retryer { return retryer(DefaultAttempts) }
	cfg.AppID = sessionName
	return s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.DisableLogOutputChecksumValidationSkipped = true // others than AWS's send none, and stderr is the operator's
		if endpoint != "" {
			o.BaseEndpoint, o.UsePathStyle = aws.String(endpoint), true
		}
	}), transport.CloseIdleConnections, nil
}
