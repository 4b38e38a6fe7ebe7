package provision_test

import (
	"context"
	"errors"
	"flag"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"go.uber.org/goleak"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/awsapi"
	"github.com/linkassay/linkassay/provision/lab"
)

func TestMain(m *testing.M) {
	// The tests wait for their labs most of the time: many of them fit side by side.
	flag.Parse()
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

func TestApplyAndDestroyTheWalkThrough(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Timing{}) // the default: with every state there to be seen
	before := w.inventory(t)
	built := w.apply(t, w.link)
	if built.Provider.ServiceID == "" || !strings.HasSuffix(built.Provider.ServiceName, built.Provider.ServiceID) || built.Consumer.EndpointID == "" {
		t.Fatalf("ids %+v %+v", built.Provider, built.Consumer)
	}
	w.verified(t, built)
	e := w.endpoint(t, built.Consumer.EndpointID)
	if len(e.SubnetIds) != 3 || len(e.NetworkInterfaceIds) != 3 {
		t.Errorf("endpoint in %v", e.SubnetIds)
	}
	if got := aws.ToString(e.DnsEntries[len(e.DnsEntries)-1].DnsName); got != w.link.PrivateDNSName {
		t.Errorf("the last DNS entry is %s", got)
	}

	// Everything that exists now and did not before carries the link's tags.
	after := w.inventory(t)
	for _, line := range after {
		kind := strings.Fields(line)[1]
		ours := strings.Contains(line, "linkassay:link="+w.link.Name) && strings.Contains(line, "linkassay:part=")
		tagged := slices.Contains([]string{"vpc", "subnet", "instance", "service", "endpoint"}, kind)
		if tagged && !slices.Contains(before, line) && !ours {
			t.Errorf("not tagged: %s", line)
		}
	}

	found, err := provision.Discover(t.Context(), &w.link, w.sides)
	if err != nil || found.Provider.ServiceID != built.Provider.ServiceID || found.Consumer.EndpointID != built.Consumer.EndpointID {
		t.Errorf("discovered %s and %s, %v", found.Provider.ServiceID, found.Consumer.EndpointID, err)
	}

	// A second apply finds everything and changes nothing.
	w.ResetRequests()
	again := w.apply(t, w.link)
	if again.Provider.ServiceID != built.Provider.ServiceID || again.Consumer.EndpointID != built.Consumer.EndpointID {
		t.Errorf("a second apply gave %s and %s", again.Provider.ServiceID, again.Consumer.EndpointID)
	}
	for _, r := range w.Requests() {
		if r.Write {
			t.Errorf("a second apply wrote: %s %s", r.Service, r.Action)
		}
	}
	same(t, "after a second apply", w.inventory(t), after)

	if left := w.destroy(t, w.link); len(left) > 0 {
		t.Errorf("left over:\n%s", left)
	}
	same(t, "after destroy", w.inventory(t), before)
	if left := w.destroy(t, w.link); len(left) > 0 {
		t.Errorf("a second destroy left over:\n%s", left)
	}
	if found, err := provision.Discover(t.Context(), &w.link, w.sides); err != nil || found.Provider.ServiceID != "" || found.Consumer.EndpointID != "" {
		t.Errorf("after destroy there is %s and %s, %v", found.Provider.ServiceID, found.Consumer.EndpointID, err)
	}
}

// The link that apply returns has its ids filled in; it stands for the same link.
func TestTheReturnedLinkIsTheSameLink(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	before := w.inventory(t)
	built := w.apply(t, w.link)
	after := w.inventory(t)
	w.apply(t, built)
	same(t, "after applying the returned link", w.inventory(t), after)
	if left := w.destroy(t, built); len(left) > 0 {
		t.Errorf("left over:\n%s", left)
	}
	same(t, "after destroy", w.inventory(t), before)
	// What was built can be built again: no client token leads to what is gone.
	w.verified(t, w.apply(t, w.link))
}

// However far an apply got before it was interrupted, the next one goes on from there, and nothing is
// built twice.
func TestApplyCanBeInterruptedAnywhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	before := w.inventory(t)
	var built provision.Link
	interrupted := 0
	for n := 1; ; n += 3 {
		ctx, cancel := context.WithCancel(t.Context())
		var err error
		built, err = provision.Apply(ctx, &w.link, w.sides, provision.Options{Timeout: time.Minute, Progress: stopAfter(n, cancel)})
		cancel()
		if err == nil {
			break
		}
		interrupted++
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "interrupted while on the ") {
			t.Fatalf("after %d events: %v", n, err)
		}
	}
	if interrupted < 10 {
		t.Errorf("interrupted only %d times", interrupted)
	}
	w.verified(t, built)
	count := map[string]int{}
	for _, line := range w.inventory(t) {
		if !slices.Contains(before, line) {
			f := strings.Fields(line)
			count[f[0]+" "+f[1]]++
		}
	}
	for kind, want := range map[string]int{
		"provider vpc": 1, "provider subnet": 3, "provider instance": 3, "provider balancer": 1, "provider listener": 2, "provider targets": 2,
		"provider service": 1, "provider record": 1, "consumer vpc": 1, "consumer subnet": 3, "consumer endpoint": 1,
	} {
		if count[kind] != want {
			t.Errorf("%d of %s, expected %d", count[kind], kind, want)
		}
	}

	for n := 1; ; n += 3 {
		ctx, cancel := context.WithCancel(t.Context())
		left, err := provision.Destroy(ctx, &w.link, w.sides, provision.Options{Timeout: time.Minute, Progress: stopAfter(n, cancel)})
		cancel()
		if len(left) > 0 {
			t.Fatalf("after %d events left over:\n%s", n, left)
		}
		if err == nil {
			break
		}
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "interrupted while on the ") {
			t.Fatalf("after %d events: %v", n, err)
		}
	}
	same(t, "after destroy", w.inventory(t), before)
}

// The API is eventually consistent: permissions come late, a service is Available and yet answers 503, a new endpoint
// is not found.
func TestApplyRidesOutInconsistency(t *testing.T) {
	t.Parallel()
	timing := quick()
	timing.Permission, timing.ServiceUsable, timing.EndpointVisible = 300*time.Millisecond, 400*time.Millisecond, 300*time.Millisecond
	w := newWorld(t, timing)
	w.verified(t, w.apply(t, w.link))
}

func TestApplyRefusesAnotherAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	before := w.inventory(t)
	swapped := provision.Sides{Provider: w.sides.Consumer, Consumer: w.sides.Provider}
	const want = "link charts-api: provider side: credentials: the credentials belong to account 222222222222, the link file says 111111111111"
	if _, err := provision.Apply(t.Context(), &w.link, swapped, options(t)); err == nil || err.Error() != want {
		t.Errorf("apply: %v", err)
	}
	if _, err := provision.Destroy(t.Context(), &w.link, swapped, options(t)); err == nil || err.Error() != want {
		t.Errorf("destroy: %v", err)
	}
	if _, err := provision.Apply(t.Context(), &w.link, provision.Sides{}, options(t)); err == nil || !strings.Contains(err.Error(), "no AWS clients for the consumer side") {
		t.Errorf("apply without clients: %v", err)
	}
	same(t, "afterwards", w.inventory(t), before)
}

func TestApplySaysWhatCredentialsLack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	c, err := awsapi.Open(t.Context(), awsapi.Access{Region: w.link.Region}, awsapi.WithStatic(w.URL(), "AKIDWRONG", "wrong"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	_, err = provision.Apply(t.Context(), &w.link, provision.Sides{Provider: c, Consumer: w.sides.Consumer}, options(t))
	if class, _, _ := awsapi.Classify(err); class != awsapi.ClassCredentials || !strings.Contains(err.Error(), "check the provider side's profile or role") {
		t.Errorf("class %s: %v", class, err)
	}
}

// A connection that is rejected while apply waits for it ends the wait at once; the next apply
// replaces the endpoint, which does not heal.
func TestApplyStopsAtARejectedEndpointAndReplacesIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	built := w.apply(t, w.link)
	out, err := w.sides.Provider.EC2.RejectVpcEndpointConnections(t.Context(), &ec2.RejectVpcEndpointConnectionsInput{
		ServiceId: aws.String(built.Provider.ServiceID), VpcEndpointIds: []string{built.Consumer.EndpointID},
	})
	if err != nil || len(out.Unsuccessful) > 0 {
		t.Fatal(out, err)
	}
	begun := time.Now()
	_, err = provision.Apply(t.Context(), &built, w.sides, options(t)) // by id: it is not apply's to replace
	if err == nil || !strings.Contains(err.Error(), "is rejected") || time.Since(begun) > 20*time.Second {
		t.Errorf("after %s: %v", time.Since(begun), err)
	}
	again := w.apply(t, w.link)
	if again.Consumer.EndpointID == built.Consumer.EndpointID || again.Provider.ServiceID != built.Provider.ServiceID {
		t.Errorf("replaced %s by %s", built.Consumer.EndpointID, again.Consumer.EndpointID)
	}
	w.verified(t, again)
}

func TestApplyGivesUpOnAServiceThatIsNotAllowed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	l := w.link
	l.Provider.Access, l.Provider.Build = provision.AccessNone, nil
	l.Provider.ServiceName = "com.amazonaws.vpce.ap-southeast-1.vpce-svc-0123456789abcdef0"
	_, err := provision.Apply(t.Context(), &l, w.open(t, l), provision.Options{Timeout: 500 * time.Millisecond})
	if !awsapi.IsCode(err, "InvalidServiceName") || !strings.Contains(err.Error(), "not allowed, wrong Region or deleted look alike") {
		t.Errorf("error %v", err)
	}
}
