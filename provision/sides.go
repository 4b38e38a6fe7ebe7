package provision

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/linkassay/linkassay/provision/awsapi"
)

// Sides are the AWS clients of both sides of a link. A side with access none has none.
type Sides struct {
	Provider *awsapi.Clients
	Consumer *awsapi.Clients
}

// Close gives idle connections back.
func (s Sides) Close() {
	s.Provider.Close()
	s.Consumer.Close()
}

// Open makes the clients of both sides. The opener is asked once for each side that may be asked;
// nil is OpenParty with the link's API timeout. Nothing is called yet.
func Open(ctx context.Context, l *Link, open func(ctx context.Context, p Party, region string) (*awsapi.Clients, error)) (Sides, error) {
	if open == nil {
		open = func(ctx context.Context, p Party, region string) (*awsapi.Clients, error) {
			return openParty(ctx, p, region, l.Timeouts.API.Or(DefaultAPITimeout))
		}
	}
	var s Sides
	var errs []error
	for _, side := range []struct {
		name  string
		party Party
		in    string
		to    **awsapi.Clients
	}{{SideProvider, l.Provider.Party, l.ProviderRegion(), &s.Provider}, {SideConsumer, l.Consumer.Party, l.Region, &s.Consumer}} {
		if side.party.Access == AccessNone {
			continue
		}
		c, err := open(ctx, side.party, side.in)
		if err != nil {
			errs = append(errs, fmt.Errorf("link %s: %s side: %w", l.Name, side.name, err))
			continue
		}
		*side.to = c
	}
	return s, errors.Join(errs...)
}

// OpenParty makes the clients of one party from the environment and the shared AWS configuration.
func OpenParty(ctx context.Context, p Party, region string) (*awsapi.Clients, error) {
	return openParty(ctx, p, region, DefaultAPITimeout)
}

func openParty(ctx context.Context, p Party, region string, timeout time.Duration) (*awsapi.Clients, error) {
	a := awsapi.Access{Profile: p.Profile, Region: region}
	if p.Role != nil {
		a.RoleARN, a.ExternalID = p.Role.ARN, p.Role.ExternalID
	}
	return awsapi.Open(ctx, a, awsapi.WithCallTimeout(timeout))
}

// checkIdentity refuses to touch an account that is not the link's: a wrong profile must not build
// in, or worse clean up, somebody else's.
func checkIdentity(ctx context.Context, c *awsapi.Clients, account string) error {
	out, err := c.STS.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return attempted(err, "ask whose credentials these are")
	}
	if got := aws.ToString(out.Account); got != account {
		return fmt.Errorf("the credentials belong to account %s, the link file says %s", got, account)
	}
	return nil
}
