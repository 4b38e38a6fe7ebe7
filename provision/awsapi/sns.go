package awsapi

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/sns"
)

// OpenSNS makes a client of the Simple Notification Service, as OpenKMS makes its. It calls nothing.
func OpenSNS(ctx context.Context, a Access, opts ...Option) (*sns.Client, error) {
	cfg, err := oneService(ctx, a, opts)
	if err != nil {
		return nil, err
	}
	return sns.NewFromConfig(cfg), nil
}
