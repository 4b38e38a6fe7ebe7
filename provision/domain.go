package provision

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// nameService sets the service's private DNS name, and reads what has to stand in the TXT record. A
// service that has another name keeps it: its consumers use it.
func (b *builder) nameService(ctx context.Context) error {
	c, id, want := b.sides.Provider, b.link.Provider.ServiceID, b.link.PrivateDNSName
	s, err := describeService(ctx, c, id)
	if err != nil {
		return err
	}
	switch has := aws.ToString(s.PrivateDnsName); has {
	case want:
	case "":
		if !b.oursService {
			if err := record(ctx, c, id, s.Tags, changeKey(b.link.Name, changePrivateDNSName), want); err != nil {
				return err
			}
		}
		_, err := c.EC2.ModifyVpcEndpointServiceConfiguration(ctx, &ec2.ModifyVpcEndpointServiceConfigurationInput{
			ServiceId: aws.String(id), PrivateDnsName: aws.String(want),
		})
		if err != nil {
			return attempted(err, "set the private DNS name %s of %s", want, id)
		}
	default:
		return fmt.Errorf("the service %s has the private DNS name %s, the link file says %s: change the one that is wrong", id, has, want)
	}
	return b.wait(ctx, "the verification name and value", consistencyWait, func(ctx context.Context) (string, bool, error) {
		s, err := describeService(ctx, c, id)
		if err != nil {
			return "", false, err
		}
		p := s.PrivateDnsNameConfiguration
		if aws.ToString(s.PrivateDnsName) != want || p == nil {
			return "not given yet", false, nil
		}
		b.verification.name, b.verification.value = aws.ToString(p.Name), aws.ToString(p.Value)
		return "not given yet", b.verification.name != "" && b.verification.value != "" || p.State == ec2types.DnsNameStateVerified, nil
	})
}

// verificationName is the full name of the TXT record. AWS looks below the private DNS name, and
// below its parents.
func (b *builder) verificationName() string {
	return b.verification.name + "." + strings.TrimPrefix(b.link.PrivateDNSName, "*.")
}

// publishTXT adds the verification value to the TXT record in the provider's public hosted zone.
// Values that stand there already are kept.
func (b *builder) publishTXT(ctx context.Context) error {
	c := b.sides.Provider
	s, err := describeService(ctx, c, b.link.Provider.ServiceID)
	if err != nil {
		return err
	}
	if verificationState(s) == ec2types.DnsNameStateVerified && tagOf(s.Tags, changeKey(b.link.Name, changeTXT)) == "" {
		b.say("verified already")
		return nil
	}
	name := b.verificationName()
	zone, err := publicZone(ctx, c, b.link.Provider.HostedZone, name)
	if err != nil {
		return err
	}
	if zone.id == "" {
		b.unplaced = fmt.Sprintf("TXT record %s with the value %q", name, b.verification.value)
		b.say("account %s has no public hosted zone for %s: create the %s where the domain's DNS is kept", b.link.Provider.Account, name, b.unplaced)
		return nil
	}
	set, err := readTXT(ctx, c, zone, name)
	if err != nil {
		return err
	}
	if slices.Contains(set.values, b.verification.value) {
		b.say("the value stands in %s already", name)
		return nil
	}
	if err := record(ctx, c, b.link.Provider.ServiceID, s.Tags, changeKey(b.link.Name, changeTXT), zone.id+" "+name); err != nil {
		return err
	}
	change, err := set.add(ctx, c, b.verification.value)
	if err != nil {
		return err
	}
	b.say("added the value to the TXT record %s in zone %s", name, zone.id)
	return waitInSync(ctx, &b.runner, c, change)
}

func verificationState(s ec2types.ServiceConfiguration) ec2types.DnsNameState {
	if s.PrivateDnsNameConfiguration == nil {
		return ""
	}
	return s.PrivateDnsNameConfiguration.State
}

// How verification is asked for: a lookup may come before the record is seen everywhere, so a
// failed one is started again, and so is one that takes long.
const (
	restartVerification = 30 * time.Second
	maxFailures         = 5
	unplacedWait        = time.Minute // for a record that somebody has to make by hand
)

// verifyDomain starts the verification and waits for it.
func (b *builder) verifyDomain(ctx context.Context) error {
	c, id := b.sides.Provider, b.link.Provider.ServiceID
	var started time.Time
	failures, most := 0, time.Duration(0)
	if b.unplaced != "" {
		most = unplacedWait
	}
	err := b.wait(ctx, "the verification of "+b.link.PrivateDNSName, most, func(ctx context.Context) (string, bool, error) {
		s, err := describeService(ctx, c, id)
		if err != nil {
			return "", false, err
		}
		state := verificationState(s)
		switch state {
		case ec2types.DnsNameStateVerified:
			return "", true, nil
		case ec2types.DnsNameStateFailed:
			if !started.IsZero() {
				failures++
			}
			if failures > maxFailures {
				return "", false, fmt.Errorf("AWS did not find the value %q in the TXT record %s: is the zone delegated to, and public?",
					b.verification.value, b.verificationName())
			}
			started = time.Time{}
		}
		if started.IsZero() || b.o.Now().Sub(started) > restartVerification {
			_, err := c.EC2.StartVpcEndpointServicePrivateDnsVerification(ctx,
				&ec2.StartVpcEndpointServicePrivateDnsVerificationInput{ServiceId: aws.String(id)})
			if err != nil {
				return "", false, attempted(err, "start the verification of %s", b.link.PrivateDNSName)
			}
			started = b.o.Now()
		}
		return string(state), false, nil
	})
	if err != nil && b.unplaced != "" && ctx.Err() == nil {
		return fmt.Errorf("%w; is there a %s?", err, b.unplaced)
	}
	return err
}
