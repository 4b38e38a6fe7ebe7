package provision_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/linkassay/linkassay/provision"
)

// Two companies, each with access to its own side alone: they take turns.
func TestOneSidedLinksTakeTurns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	before := w.inventory(t)

	provider := w.link
	provider.Consumer = provision.Consumer{Party: provision.Party{Access: provision.AccessNone, Account: w.link.Consumer.Account}}
	unnamed := provider
	unnamed.PrivateDNSName = ""
	service := w.apply(t, unnamed).Provider
	if service.ServiceID == "" {
		t.Fatal("no service was built")
	}

	consumer := w.link
	consumer.Provider = provision.Provider{
		Party: provision.Party{Access: provision.AccessNone, Account: w.link.Provider.Account}, ServiceName: service.ServiceName,
	}
	waiting := w.apply(t, consumer)
	if e := w.endpoint(t, waiting.Consumer.EndpointID); !strings.EqualFold(string(e.State), "pendingAcceptance") {
		t.Errorf("the endpoint is %s", e.State)
	}
	w.apply(t, unnamed) // accepts the one that waits
	if e := w.endpoint(t, w.apply(t, consumer).Consumer.EndpointID); !strings.EqualFold(string(e.State), "available") || *e.PrivateDnsEnabled {
		t.Errorf("the endpoint is %s, private DNS %t", e.State, *e.PrivateDnsEnabled)
	}
	w.apply(t, provider) // gives the name
	done := w.apply(t, consumer)
	if done.Consumer.EndpointID != waiting.Consumer.EndpointID {
		t.Errorf("a second endpoint %s", done.Consumer.EndpointID)
	}
	done.Provider.ServiceID = service.ServiceID
	w.verified(t, done)

	found, err := provision.Discover(t.Context(), &consumer, w.open(t, consumer))
	if err != nil || found.Consumer.EndpointID != done.Consumer.EndpointID || found.Provider.ServiceID != service.ServiceID {
		t.Errorf("discovered %+v, %v", found.Consumer, err)
	}

	// The provider goes first: its own link's connection is rejected, for it cannot be deleted from there.
	if left := w.destroy(t, provider); len(left) > 0 {
		t.Errorf("provider side left over:\n%s", left)
	}
	for _, line := range w.inventory(t) {
		if strings.HasPrefix(line, "provider") && !slices.Contains(before, line) {
			t.Errorf("still there: %s", line)
		}
	}
	if e := w.endpoint(t, done.Consumer.EndpointID); !strings.EqualFold(string(e.State), "rejected") {
		t.Errorf("the endpoint is %s", e.State)
	}
	if left := w.destroy(t, consumer); len(left) > 0 {
		t.Errorf("consumer side left over:\n%s", left)
	}
	same(t, "after both", w.inventory(t), before)
}
