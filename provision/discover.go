package provision

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// DiscoveryError says which sides could not be asked what the link is. What the other side knows is
// in the link all the same.
type DiscoveryError struct{ Provider, Consumer error }

func (e *DiscoveryError) Error() string { return errors.Join(e.Unwrap()...).Error() }

// Unwrap gives the errors of the sides that failed.
func (e *DiscoveryError) Unwrap() []error {
	return slices.DeleteFunc([]error{e.Provider, e.Consumer}, func(err error) bool { return err == nil })
}

// Discover fills in the ids of the link's service and endpoint: those of the link file, or of what
// Apply built, found by its tags. Nothing found is no error: the fields stay empty. It changes
// nothing. Its error is a *DiscoveryError.
func Discover(ctx context.Context, l *Link, s Sides) (Link, error) {
	out := *l
	var failed DiscoveryError
	if out.Provider.ServiceID == "" && out.Provider.ServiceName == "" && s.Provider != nil {
		found, err := ourService(ctx, s.Provider, l.Name)
		if err != nil {
			failed.Provider = fmt.Errorf("link %s: provider side: find the service by its tags: %w", l.Name, err)
		}
		if found != nil {
			out.Provider.ServiceID, out.Provider.ServiceName = aws.ToString(found.ServiceId), aws.ToString(found.ServiceName)
		}
	}
	if out.Consumer.EndpointID == "" && s.Consumer != nil {
		all, err := endpointsOf(ctx, s.Consumer, marked(l.Name, partEndpoint)...)
		if err != nil {
			failed.Consumer = fmt.Errorf("link %s: consumer side: find the endpoint by its tags: %w", l.Name, err)
		}
		if e := newest(all); e != nil {
			out.Consumer.EndpointID = aws.ToString(e.VpcEndpointId)
			if out.Provider.ServiceName == "" {
				out.Provider.ServiceName = aws.ToString(e.ServiceName)
			}
		}
	}
	out.Provider.ServiceID, out.Provider.ServiceName = out.serviceID(), out.serviceName()
	if len(failed.Unwrap()) > 0 {
		return out, &failed
	}
	return out, nil
}

// newest is the youngest endpoint that is not on its way out, or nil. A rejected or failed one counts: it is
// what there is to look at.
func newest(all []ec2types.VpcEndpoint) *ec2types.VpcEndpoint {
	var best *ec2types.VpcEndpoint
	for i := range all {
		e := &all[i]
		if isState(string(e.State), ec2types.StateDeleting, ec2types.StateDeleted) {
			continue
		}
		if best == nil || aws.ToTime(e.CreationTimestamp).After(aws.ToTime(best.CreationTimestamp)) {
			best = e
		}
	}
	return best
}
