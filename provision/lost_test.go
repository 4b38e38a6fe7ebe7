package provision_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/awsapi"
)

// losing is an HTTP client whose nth write reaches AWS, but whose answer never comes back: the
// process was killed at that moment.
type losing struct {
	mu     sync.Mutex
	left   int
	cancel context.CancelFunc
	lost   string
}

func (l *losing) Do(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	out, err := http.DefaultTransport.RoundTrip(r)
	action := strings.TrimPrefix(strings.SplitN(string(body), "&", 2)[0], "Action=")
	reads := strings.HasPrefix(action, "Describe") || strings.HasPrefix(action, "Get") || r.Method == http.MethodGet
	if err != nil || reads {
		return out, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left--; l.left != 0 {
		return out, nil
	}
	if l.lost = action; strings.HasPrefix(action, "<") {
		l.lost = r.URL.Path // Route 53
	}
	l.cancel()
	return nil, errors.Join(context.Canceled, out.Body.Close())
}

func (w *world) openWith(t *testing.T, client aws.HTTPClient) provision.Sides {
	t.Helper()
	s, err := provision.Open(t.Context(), &w.link, func(ctx context.Context, p provision.Party, region string) (*awsapi.Clients, error) {
		id, secret, _ := w.Credentials(p.Profile)
		return awsapi.Open(ctx, awsapi.Access{Region: region}, awsapi.WithStatic(w.URL(), id, secret), awsapi.WithHTTPClient(client))
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// throttling is an HTTP client to whom AWS says no on every twentieth EC2 call.
type throttling struct{ n, said atomic.Int64 }

func (h *throttling) Do(r *http.Request) (*http.Response, error) {
	if strings.Contains(r.Header.Get("Authorization"), "/ec2/aws4_request") && h.n.Add(1)%20 == 0 {
		h.said.Add(1)
		const no = "<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>Request limit exceeded.</Message></Error></Errors></Response>"
		return &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(no)), Request: r}, nil
	}
	return http.DefaultTransport.RoundTrip(r)
}

func TestApplyRidesOutThrottling(t *testing.T) {
	t.Parallel()
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	w := newWorld(t, quick())
	var client throttling
	built, err := provision.Apply(t.Context(), &w.link, w.openWith(t, &client), options(t))
	if err != nil {
		t.Fatal(err)
	}
	w.verified(t, built)
	if client.said.Load() == 0 {
		t.Error("nothing was throttled")
	}
}

// Whichever write's answer is lost, the next run finds what that write did: nothing is built twice, and nothing
// is forgotten.
func TestNothingIsBuiltTwiceWhenAnswersAreLost(t *testing.T) {
	t.Parallel()
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	w := newWorld(t, quick())
	before := w.inventory(t)
	var lost []string
	run := func(f func(context.Context, provision.Sides) error) {
		for n := 1; ; n++ {
			ctx, cancel := context.WithCancel(t.Context())
			client := &losing{left: 1, cancel: cancel}
			err := f(ctx, w.openWith(t, client))
			cancel()
			if err == nil {
				return
			}
			if !errors.Is(err, context.Canceled) || n > 100 {
				t.Fatalf("after losing the answer of %s: %v", client.lost, err)
			}
			lost = append(lost, client.lost)
		}
	}
	var built provision.Link
	run(func(ctx context.Context, s provision.Sides) (err error) {
		built, err = provision.Apply(ctx, &w.link, s, provision.Options{Timeout: time.Minute})
		return err
	})
	w.verified(t, built)
	if len(lost) < 25 {
		t.Errorf("only %d answers were lost: %v", len(lost), lost)
	}
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
	run(func(ctx context.Context, s provision.Sides) error {
		left, err := provision.Destroy(ctx, &w.link, s, provision.Options{Timeout: time.Minute})
		if err == nil && len(left) > 0 {
			t.Errorf("left over:\n%s", left)
		}
		return err
	})
	same(t, "after destroy", w.inventory(t), before)
}
