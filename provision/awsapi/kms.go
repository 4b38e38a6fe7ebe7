package awsapi

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// OpenKMS makes a client of the Key Management Service, as Open makes the others. It calls nothing. Without a
// Region in the Access the one of the shared configuration is taken.
func OpenKMS(ctx context.Context, a Access, opts ...Option) (*kms.Client, error) {
	cfg, err := oneService(ctx, a, opts)
	if err != nil {
		return nil, err
	}
	return kms.NewFromConfig(cfg), nil
}

// oneService is the configuration of the client of one service.
func oneService(ctx context.Context, a Access, opts []Option) (aws.Config, error) {
	o := options{attempts: DefaultAttempts, timeout: DefaultCallTimeout}
	for _, opt := range opts {
		opt(&o)
	}
	cfg, err := configuration(ctx, a, o)
	if err != nil {
		return aws.Config{}, fmt.Errorf("read AWS configuration%s: %w", ofProfile(a.Profile), err)
	}
	cfg.Retryer = func() aws.Retryer { return retryer(o.attempts) }
	cfg.AppID = sessionName
	return cfg, nil
}
