package awsapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/linkassay/linkassay/provision/awsapi"
)

// cloud is an account with endpoints and their interfaces, behind clients that share, and a clock.
type cloud struct {
	*fake
	*awsapi.Clients

	mu        sync.Mutex
	endpoints []endpoint
	refuse    map[string]string // error codes by action
	hold      chan struct{}     // answers wait for it; nil: they don't
	held      chan struct{}     // gets one for each answer that waits, as far as it has room
	now       time.Time
}

type endpoint struct {
	id, vpc, state string
	interfaces     []string
}

func newCloud(t *testing.T, endpoints int) *cloud {
	t.Helper()
	w := &cloud{refuse: map[string]string{}, held: make(chan struct{}, 64), now: time.Now()}
	for i := range endpoints {
		w.endpoints = append(w.endpoints, endpoint{
			fmt.Sprintf("vpce-%03d", i), fmt.Sprintf("vpc-%d", i%4), "available", []string{fmt.Sprintf("eni-%03d1", i), fmt.Sprintf("eni-%03d2", i)},
		})
	}
	w.fake = newFake(t, func(action string, form url.Values, _ int) (int, string) { return w.answer(action, form) })
	w.Clients = w.open(t, awsapi.WithSharing(awsapi.Sharing{PageSize: 10, Now: w.clock}), awsapi.WithRetries(2))
	return w
}

func (w *cloud) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// later moves the clock.
func (w *cloud) later(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// change changes the account.
func (w *cloud) change(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *cloud) answer(action string, form url.Values) (int, string) {
	w.mu.Lock()
	hold := w.hold
	w.mu.Unlock()
	if hold != nil {
		select {
		case w.held <- struct{}{}:
		default:
		}
		<-hold
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if code := w.refuse["pages"]; code != "" && form.Has("MaxResults") {
		return 400, ec2Error(code, "no pages")
	}
	if code := w.refuse[action]; code != "" {
		return 400, ec2Error(code, "no")
	}
	switch action {
	case "GetCallerIdentity":
		return 200, "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>1</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
	case "DescribeVpcEndpoints":
		return w.describeEndpoints(form)
	case "DescribeNetworkInterfaces":
		return w.describeInterfaces(form)
	}
	return 200, "<Response/>"
}

func list(form url.Values, name string) (all []string) {
	for i := 1; form.Has(name + "." + strconv.Itoa(i)); i++ {
		all = append(all, form.Get(name+"."+strconv.Itoa(i)))
	}
	return all
}

func (w *cloud) describeEndpoints(form url.Values) (int, string) {
	found := w.endpoints
	if ids := list(form, "VpcEndpointId"); len(ids) > 0 {
		found = nil
		for _, id := range ids {
			i := slices.IndexFunc(w.endpoints, func(e endpoint) bool { return e.id == id })
			if i < 0 {
				return 400, ec2Error("InvalidVpcEndpointId.NotFound", "The Vpc Endpoint Id '"+id+"' does not exist")
			}
			found = append(found, w.endpoints[i])
		}
	}
	if form.Get("Filter.1.Name") == "vpc-id" {
		found = slices.DeleteFunc(slices.Clone(found), func(e endpoint) bool { return !slices.Contains(list(form, "Filter.1.Value"), e.vpc) })
	}
	token := ""
	if n, _ := strconv.Atoi(form.Get("MaxResults")); n > 0 {
		from, _ := strconv.Atoi(form.Get("NextToken"))
		if from+n < len(found) {
			token = strconv.Itoa(from + n)
		}
		found = found[from:min(from+n, len(found))]
	}
	var b strings.Builder
	b.WriteString("<R><vpcEndpointSet>")
	for _, e := range found {
		fmt.Fprintf(&b, "<item><vpcEndpointId>%s</vpcEndpointId><vpcId>%s</vpcId><state>%s</state><networkInterfaceIdSet>", e.id, e.vpc, e.state)
		for _, n := range e.interfaces {
			b.WriteString("<item>" + n + "</item>")
		}
		b.WriteString("</networkInterfaceIdSet></item>")
	}
	return 200, b.String() + "</vpcEndpointSet><nextToken>" + token + "</nextToken></R>"
}

func (w *cloud) describeInterfaces(form url.Values) (int, string) {
	s := "<R><networkInterfaceSet>"
	for _, id := range list(form, "NetworkInterfaceId") {
		if !slices.ContainsFunc(w.endpoints, func(e endpoint) bool { return slices.Contains(e.interfaces, id) }) {
			return 400, ec2Error("InvalidNetworkInterfaceID.NotFound", "The networkInterface ID '"+id+"' does not exist")
		}
		s += "<item><networkInterfaceId>" + id + "</networkInterfaceId></item>"
	}
	return 200, s + "</networkInterfaceSet></R>"
}

// asked counts requests since the last time it was called.
func (w *cloud) asked() map[string]int {
	n := map[string]int{}
	for _, r := range w.requests() {
		n[r.action]++
	}
	w.fake.mu.Lock()
	w.seen = nil
	w.fake.mu.Unlock()
	return n
}

// expect fails when other requests were made than those.
func (w *cloud) expect(t *testing.T, when string, want map[string]int) {
	t.Helper()
	if got := w.asked(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: requests %v, expected %v", when, got, want)
	}
}

// ctx is for answers that are at most a minute old.
func (w *cloud) ctx(t *testing.T) context.Context {
	return awsapi.NotOlder(t.Context(), w.clock(), time.Minute, 12*time.Minute)
}

func (w *cloud) present(t *testing.T) context.Context {
	return awsapi.NotOlder(t.Context(), w.clock(), 0, 0)
}

func (w *cloud) endpoint(ctx context.Context, id string) (types.VpcEndpoint, error) {
	out, err := w.EC2.DescribeVpcEndpoints(ctx, &ec2.DescribeVpcEndpointsInput{VpcEndpointIds: []string{id}})
	if err != nil {
		return types.VpcEndpoint{}, err
	}
	return out.VpcEndpoints[0], nil
}

func (w *cloud) interfaces(ctx context.Context, ids ...string) ([]string, error) {
	out, err := w.EC2.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: ids})
	if err != nil {
		return nil, err
	}
	var all []string
	for _, n := range out.NetworkInterfaces {
		all = append(all, aws.ToString(n.NetworkInterfaceId))
	}
	return all, nil
}

// look reads every endpoint and its interfaces, as links do.
func (w *cloud) look(t *testing.T, ctx context.Context) {
	t.Helper()
	w.mu.Lock()
	all := slices.Clone(w.endpoints)
	w.mu.Unlock()
	var wg sync.WaitGroup
	for _, e := range all {
		wg.Go(func() {
			got, err := w.endpoint(ctx, e.id)
			if err != nil || aws.ToString(got.VpcEndpointId) != e.id || string(got.State) != e.state {
				t.Errorf("%s: %v %v", e.id, got.State, err)
			}
			n, err := w.interfaces(ctx, got.NetworkInterfaceIds...)
			if err != nil || !slices.Equal(n, e.interfaces) {
				t.Errorf("interfaces of %s: %v, %v, expected %v", e.id, n, err, e.interfaces)
			}
		})
	}
	wg.Wait()
}

func TestAListIsReadInPagesAndAgainWhenItIsTooOld(t *testing.T) {
	t.Parallel()
	w := newCloud(t, 35)
	w.look(t, w.ctx(t))
	w.expect(t, "first", map[string]int{"DescribeVpcEndpoints": 4, "DescribeNetworkInterfaces": 7})
	w.look(t, w.ctx(t))
	w.expect(t, "at once", map[string]int{})
	w.later(59 * time.Second)
	w.look(t, w.ctx(t))
	w.expect(t, "before it is too old", map[string]int{})
	w.later(2 * time.Second)
	w.look(t, w.ctx(t))
	w.expect(t, "after a minute", map[string]int{"DescribeVpcEndpoints": 4})

	// One gets other interfaces, one another state: both are read again, with one request.
	w.change(func() {
		w.endpoints[3].interfaces = []string{"eni-9991", "eni-9992"}
		w.endpoints[30].state = "rejected"
	})
	w.later(61 * time.Second)
	w.look(t, w.ctx(t))
	w.expect(t, "after a change", map[string]int{"DescribeVpcEndpoints": 4, "DescribeNetworkInterfaces": 1})
}

func TestFiltersAreAnsweredFromTheList(t *testing.T) {
	t.Parallel()
	w := newCloud(t, 35)
	for _, values := range [][]string{{"vpc-1"}, {"vpc-3", "vpc-0"}, {"vpc-9"}} {
		out, err := w.EC2.DescribeVpcEndpoints(w.ctx(t), &ec2.DescribeVpcEndpointsInput{Filters: []types.Filter{{Name: aws.String("vpc-id"), Values: values}}})
		if err != nil {
			t.Fatal(err)
		}
		var want int
		for _, e := range w.endpoints {
			if slices.Contains(values, e.vpc) {
				want++
			}
		}
		if len(out.VpcEndpoints) != want {
			t.Errorf("%v: %d endpoints, expected %d", values, len(out.VpcEndpoints), want)
		}
		out.VpcEndpoints = nil // the next one gets a list of its own
	}
	w.expect(t, "three filters", map[string]int{"DescribeVpcEndpoints": 4})
	for _, f := range []types.Filter{
		{Name: aws.String("vpc-id"), Values: []string{"vpc-*"}}, {Name: aws.String("vpc-endpoint-state"), Values: []string{"available"}},
	} {
		if _, err := w.EC2.DescribeVpcEndpoints(w.ctx(t), &ec2.DescribeVpcEndpointsInput{Filters: []types.Filter{f}}); err != nil {
			t.Fatal(err)
		}
	}
	w.expect(t, "filters that AWS alone knows", map[string]int{"DescribeVpcEndpoints": 2})
}

func TestWhatIsNotInTheListIsAWSsToSay(t *testing.T) {
	t.Parallel()
	w := newCloud(t, 5)
	for range 3 {
		if _, err := w.endpoint(w.ctx(t), "vpce-gone"); !awsapi.IsCode(err, "InvalidVpcEndpointId.NotFound") || !strings.Contains(awsapi.Message(err), "vpce-gone") {
			t.Errorf("got %v", err)
		}
		if _, err := w.interfaces(w.ctx(t), "eni-gone"); !awsapi.IsCode(err, "InvalidNetworkInterfaceID.NotFound") {
			t.Errorf("got %v", err)
		}
	}
	w.expect(t, "three times", map[string]int{"DescribeVpcEndpoints": 2, "DescribeNetworkInterfaces": 1})
}

func TestInterfacesThatAreGoneDoNotHideOthers(t *testing.T) {
	t.Parallel()
	w := newCloud(t, 4)
	if _, err := w.endpoint(w.ctx(t), "vpce-001"); err != nil {
		t.Fatal(err)
	}
	w.change(func() { w.endpoints[2].interfaces = []string{"eni-0021"} }) // after the list was read
	if n, err := w.interfaces(w.ctx(t), "eni-0011", "eni-0012"); err != nil || len(n) != 2 {
		t.Errorf("got %v, %v", n, err)
	}
	w.expect(t, "with one that is gone", map[string]int{"DescribeVpcEndpoints": 1, "DescribeNetworkInterfaces": 2})
	if _, err := w.interfaces(w.ctx(t), "eni-0021", "eni-0022"); !awsapi.IsCode(err, "InvalidNetworkInterfaceID.NotFound") {
		t.Errorf("of the one that is gone: %v", err)
	}
}

func TestFailuresReachEverybodyAndAreNotKept(t *testing.T) {
	t.Parallel()
	w := newCloud(t, 35)
	w.refuse["DescribeVpcEndpoints"] = "RequestLimitExceeded"
	w.hold = make(chan struct{})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			ctx, trace := awsapi.WithTrace(w.ctx(t))
			_, err := w.endpoint(ctx, "vpce-001")
			if class, code, _ := awsapi.Classify(err); class != awsapi.ClassThrottled || code != "RequestLimitExceeded" || trace.Attempts() != 2 {
				t.Errorf("%s %s after %d attempts", class, code, trace.Attempts())
			}
		})
	}
	close(w.hold)
	wg.Wait()
	if n := w.asked()["DescribeVpcEndpoints"]; n < 2 || n > 10 || n%2 != 0 {
		t.Errorf("%d requests for twenty that ask the same", n)
	}
	w.change(func() { delete(w.refuse, "DescribeVpcEndpoints") })
	if _, err := w.endpoint(w.ctx(t), "vpce-001"); err != nil {
		t.Errorf("after the failure: %v", err)
	}
	if w.Throttled() == 0 {
		t.Error("nothing was throttled")
	}
}

func TestWhoMayNotAskIsToldSoOnce(t *testing.T) {
	t.Parallel()
	w := newCloud(t, 35)
	w.refuse["DescribeVpcEndpoints"] = "UnauthorizedOperation"
	for i := range 5 {
		if _, err := w.endpoint(w.ctx(t), fmt.Sprintf("vpce-%03d", i)); !awsapi.IsCode(err, "UnauthorizedOperation") {
			t.Errorf("got %v", err)
		}
	}
	w.expect(t, "five times", map[string]int{"DescribeVpcEndpoints": 1})
	w.later(time.Hour)
	if _, err := w.endpoint(w.ctx(t), "vpce-001"); err == nil {
		t.Error("it may not be asked, and was answered")
	}
	w.expect(t, "an hour later", map[string]int{"DescribeVpcEndpoints": 1})
}

// A list that AWS does not give, or that is too long, fails nobody's own question.
func TestWhatCannotBeListedIsAskedForAlone(t *testing.T) {
	t.Parallel()
	w := newCloud(t, 5)
	w.refuse["pages"] = "InvalidParameterValue"
	for range 2 {
		for _, id := range []string{"vpce-001", "vpce-002"} {
			if _, err := w.endpoint(w.ctx(t), id); err != nil {
				t.Error(err)
			}
		}
	}
	w.expect(t, "not in pages", map[string]int{"DescribeVpcEndpoints": 3})
	large := newCloud(t, 1010) // 101 pages of 10
	for range 2 {
		if _, err := large.endpoint(large.ctx(t), "vpce-001"); err != nil {
			t.Error(err)
		}
	}
	large.expect(t, "too long", map[string]int{"DescribeVpcEndpoints": 101})
}

func TestTheSameQuestionIsAskedOnce(t *testing.T) {
	t.Parallel()
	w := newCloud(t, 0)
	w.hold = make(chan struct{})
	hurried, cancel := context.WithCancel(w.ctx(t))
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := w.STS.GetCallerIdentity(hurried, &sts.GetCallerIdentityInput{}); !errors.Is(err, context.Canceled) {
			t.Errorf("who gave up got %v", err)
		}
	})
	for range 50 {
		wg.Go(func() {
			out, err := w.STS.GetCallerIdentity(w.ctx(t), &sts.GetCallerIdentityInput{})
			if err != nil || aws.ToString(out.Account) != "1" {
				t.Errorf("got %v, %v", out, err)
				return
			}
			out.Account = nil // nobody else's
		})
	}
	cancel() // he may have been the first: the others get their answer all the same
	close(w.hold)
	wg.Wait()
	w.expect(t, "fifty at once", map[string]int{"GetCallerIdentity": 1})
	w.later(11 * time.Minute)
	_, _ = w.STS.GetCallerIdentity(w.ctx(t), &sts.GetCallerIdentityInput{})
	w.expect(t, "what changes rarely, after 11 minutes", map[string]int{})
	w.later(2 * time.Minute)
	_, _ = w.STS.GetCallerIdentity(w.ctx(t), &sts.GetCallerIdentityInput{})
	w.expect(t, "after 13 minutes", map[string]int{"GetCallerIdentity": 1})
}

func TestThePresentIsNotTheStores(t *testing.T) {
	t.Parallel()
	w := newCloud(t, 35)
	w.look(t, w.ctx(t))
	w.asked()
	w.later(5 * time.Second)
	w.change(func() { w.endpoints[7].state = "rejected" })
	e, err := w.endpoint(w.present(t), "vpce-007")
	if err != nil || e.State != "rejected" {
		t.Errorf("the present: %s, %v", e.State, err)
	}
	if _, err := w.interfaces(w.present(t), "eni-0071", "eni-0072"); err != nil {
		t.Error(err)
	}
	w.expect(t, "the present", map[string]int{"DescribeVpcEndpoints": 1, "DescribeNetworkInterfaces": 1})
	// What was seen last holds for others too, although the list is not too old for them.
	if e, err := w.endpoint(w.ctx(t), "vpce-007"); err != nil || e.State != "rejected" {
		t.Errorf("afterwards: %s, %v", e.State, err)
	}
	w.expect(t, "afterwards", map[string]int{})
	// Many who want the present share: requests of their own until they have cost as much as the list, then the list.
	w.later(time.Minute)
	w.look(t, w.present(t))
	got := w.asked()
	if n := got["DescribeVpcEndpoints"]; n < 4 || n > 8 {
		t.Errorf("%d requests for the present of 35 endpoints, expected at most 4 and the 4 pages", n)
	}
}

// One link that wants young answers does not make the list be read for all.
func TestOneThatIsStricterAsksForItself(t *testing.T) {
	t.Parallel()
	w := newCloud(t, 35)
	w.look(t, w.ctx(t))
	w.asked()
	for n := range 3 {
		w.later(10 * time.Second)
		strict := awsapi.NotOlder(t.Context(), w.clock(), 5*time.Second, 5*time.Second)
		if _, err := w.endpoint(strict, "vpce-003"); err != nil {
			t.Fatal(err)
		}
		w.expect(t, fmt.Sprint("stricter, ", n), map[string]int{"DescribeVpcEndpoints": 1})
	}
	w.look(t, w.ctx(t))
	w.expect(t, "the others", map[string]int{})
}

func TestFewAskForThemselves(t *testing.T) {
	t.Parallel()
	w := newCloud(t, 95) // ten pages
	for n := range 4 {
		for _, id := range []string{"vpce-001", "vpce-002"} {
			if _, err := w.endpoint(w.ctx(t), id); err != nil {
				t.Fatal(err)
			}
		}
		want := 2
		if n == 0 {
			want = 10 // nobody knew how many they are
		}
		w.expect(t, fmt.Sprint("refresh ", n), map[string]int{"DescribeVpcEndpoints": want})
		w.later(61 * time.Second)
	}
}

func TestWritesAndDryRunsLeave(t *testing.T) {
	t.Parallel()
	w := newCloud(t, 5)
	for range 2 {
		_, _ = w.EC2.DescribeVpcEndpoints(w.ctx(t), &ec2.DescribeVpcEndpointsInput{VpcEndpointIds: []string{"vpce-001"}, DryRun: aws.Bool(true)})
		_, _ = w.EC2.DescribeVpcAttribute(w.ctx(t), &ec2.DescribeVpcAttributeInput{VpcId: aws.String("vpc-1"), DryRun: aws.Bool(true), Attribute: types.VpcAttributeNameEnableDnsSupport})
		_, _ = w.EC2.CreateVpcEndpoint(w.ctx(t), &ec2.CreateVpcEndpointInput{DryRun: aws.Bool(true), VpcId: aws.String("vpc-1")})
		_, _ = w.EC2.ModifyVpcEndpoint(w.ctx(t), &ec2.ModifyVpcEndpointInput{VpcEndpointId: aws.String("vpce-001")})
		_, _ = w.EC2.DescribeVpcEndpoints(w.ctx(t), &ec2.DescribeVpcEndpointsInput{MaxResults: aws.Int32(5)})
		_, _ = w.EC2.DescribeTags(w.ctx(t), &ec2.DescribeTagsInput{})
	}
	w.expect(t, "twice", map[string]int{"DescribeVpcEndpoints": 4, "DescribeVpcAttribute": 2, "CreateVpcEndpoint": 2, "ModifyVpcEndpoint": 2, "DescribeTags": 2})
}

func TestAgeOfAnswersShows(t *testing.T) {
	t.Parallel()
	w := newCloud(t, 5)
	began := w.clock()
	w.look(t, w.ctx(t))
	w.later(30 * time.Second)
	ctx, look := awsapi.WithTrace(w.ctx(t))
	inner, call := awsapi.WithTrace(ctx)
	if _, err := w.endpoint(inner, "vpce-001"); err != nil {
		t.Fatal(err)
	}
	for name, trace := range map[string]*awsapi.Trace{"call": call, "look": look} {
		if got := trace.Oldest(); got.Sub(began).Abs() > time.Second {
			t.Errorf("%s: the answer is said to be of %v, it was read at %v", name, got, began)
		}
	}
	if u := w.Used(ctx); u.Requests != 0 {
		t.Errorf("%d requests for what was there", u.Requests)
	}
	w.later(time.Minute)
	ctx, look = awsapi.WithTrace(w.ctx(t))
	if _, err := w.endpoint(ctx, "vpce-001"); err != nil || w.Used(ctx).Requests != 1 || look.End(func(int64) {}) != 1 {
		t.Errorf("%+v for one page, %v", w.Used(ctx), err)
	}
}

// Each request is counted for one asker, or told when he is gone.
func TestRequestsThatOutliveTheirAskerAreTold(t *testing.T) {
	t.Parallel()
	w := newCloud(t, 35)
	w.hold = make(chan struct{})
	var late atomic.Int64
	var counted int64
	leaving, leave := context.WithCancel(w.ctx(t))
	var wg sync.WaitGroup
	traces := make([]*awsapi.Trace, 8)
	for i := range traces {
		var ctx context.Context
		ctx, traces[i] = awsapi.WithTrace(leaving)
		wg.Go(func() {
			if _, err := w.endpoint(ctx, fmt.Sprintf("vpce-%03d", i)); !errors.Is(err, context.Canceled) {
				t.Errorf("who left got %v", err)
			}
		})
	}
	<-w.held
	leave()
	wg.Wait()
	for _, trace := range traces {
		counted += trace.End(func(n int64) { late.Add(n) })
	}
	close(w.hold)
	if _, err := w.endpoint(w.ctx(t), "vpce-001"); err != nil { // it waits for what the others began
		t.Fatal(err)
	}
	if counted != 1 || late.Load() != 3 || w.Calls() != 4 {
		t.Errorf("%d requests while they were there, %d told later, %d in all; expected 1, 3 and 4", counted, late.Load(), w.Calls())
	}
}

func TestDerivedIsMadeOnce(t *testing.T) {
	t.Parallel()
	w := newCloud(t, 5)
	made := 0
	derive := func(ctx context.Context) (int, error) {
		return awsapi.Derive(ctx, w.Clients, "states", func(ctx context.Context) (int, error) {
			made++
			_, err := w.endpoint(ctx, "vpce-001")
			return made, err
		})
	}
	for range 3 {
		if n, err := derive(w.ctx(t)); n != 1 || err != nil {
			t.Errorf("got %d, %v", n, err)
		}
	}
	w.later(61 * time.Second)
	w.change(func() { w.refuse["DescribeVpcEndpoints"] = "InvalidParameterValue" })
	if _, err := derive(w.ctx(t)); err == nil {
		t.Error("made of nothing")
	}
	w.change(func() { clear(w.refuse) })
	if n, err := derive(w.ctx(t)); n != 3 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
}

func TestClosedClientsAskThemselves(t *testing.T) {
	t.Parallel()
	w := newCloud(t, 5)
	w.hold = make(chan struct{})
	done := make(chan error)
	go func() { _, err := w.endpoint(w.ctx(t), "vpce-001"); done <- err }()
	<-w.held
	w.Close()
	if err := <-done; err == nil {
		t.Error("the request was not ended")
	}
	close(w.hold)
	if _, err := w.endpoint(w.ctx(t), "vpce-001"); err != nil {
		t.Error(err)
	}
}
