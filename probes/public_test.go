package probes

import (
	"context"
	"encoding/json"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/awsapi"
)

// Links with the same private DNS name walk to it once, as long as the answers are young enough.
func TestPublicDNSIsSharedByLinks(t *testing.T) {
	t.Parallel()
	v := internet(t, []string{testLabel + `.api.example.com. 60 IN TXT "` + testValue + `"`, "api.example.com. 60 IN A 1.2.3.4"}, nil)
	questions := func() (n int) {
		v.mu.Lock()
		defer v.mu.Unlock()
		for dialed := range maps.Values(v.dialed) {
			n += dialed
		}
		v.dialed = nil
		return n
	}
	public := NewPublic()
	var later time.Duration
	look := func(ctx context.Context, name string) (string, time.Time) {
		t.Helper()
		ctx, trace := awsapi.WithTrace(ctx)
		r := newRun(ctx, &provision.Link{PrivateDNSName: name, Timeouts: patient()}, Sources{PublicDNS: v},
			Options{Public: public, Now: func() time.Time { return time.Now().Add(later) }})
		walk := r.walkPublic()
		txt := r.askTXT(side{}, given(Service{Found: true, PrivateDNSName: name, Verification: &Verification{Name: testLabel, Value: testValue}}, nil), walk)
		found := r.askPublic(walk)
		r.wg.Wait()
		if txt.err != nil || found.err != nil || len(r.panics) > 0 {
			t.Fatal(txt.err, found.err, r.panics)
		}
		text, err := json.Marshal([]any{txt.item.Value, found.item.Value})
		if err != nil {
			t.Fatal(err)
		}
		return string(text), trace.Oldest()
	}
	began := time.Now()
	at := func(age time.Duration) context.Context {
		return awsapi.NotOlder(t.Context(), began.Add(later), age, age)
	}
	first, known := look(at(time.Minute), "api.example.com")
	asked := questions()
	if asked == 0 || !known.IsZero() {
		t.Errorf("%d questions at first; answers of %v", asked, known)
	}
	later = 30 * time.Second
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			again, known := look(at(time.Minute), "api.example.com")
			if again != first || known.Sub(began).Abs() > 5*time.Second {
				t.Errorf("again, of %v, it says\n%.500s\nbefore, at %v,\n%.500s", known, again, began, first)
			}
		})
	}
	wg.Wait()
	if n := questions(); n != 0 {
		t.Errorf("%d questions to what had been answered", n)
	}
	if look(at(time.Minute), "www.example.com"); questions() == 0 {
		t.Error("another name was answered with this one's answers")
	}
	for _, ctx := range []context.Context{at(0), t.Context()} {
		later += 20 * time.Second
		if look(ctx, "api.example.com"); questions() == 0 {
			t.Error("the present was answered from what was known")
		}
	}
}
