package canary

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/awsapi"
)

// sharingWorld is a world in which links take what others have read of the control plane, if it is young enough for them.
type sharingWorld struct {
	*world

	mu           sync.Mutex
	at           time.Time // when the control plane was read last, …
	kept         string    // … and what it was
	oldest       time.Duration
	reads, looks int
}

func (w *sharingWorld) look(ctx context.Context, link provision.Link, known *probes.Observation) (*probes.Observation, int64) {
	o, calls := w.world.look(ctx, link, known)
	if known != nil {
		return o, calls
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.world.mu.Lock()
	defer w.world.mu.Unlock()
	w.looks++
	if !awsapi.YoungEnough(ctx, w.at) {
		w.at, w.kept = o.Started, w.control
		w.reads++
	}
	c := w.read(w.kept)
	o.Provider, o.Consumer, o.Path, o.DNS.TXT, o.DNS.Public = c.Provider, c.Consumer, c.Path, c.DNS.TXT, c.DNS.Public
	service := *o.Provider.Service // the recording's items have times of their own
	service.Started = w.at
	o.Provider.Service = &service
	if w.at.Before(o.Started) {
		o.Known = w.at
		w.oldest = max(w.oldest, o.Started.Sub(w.at))
	}
	return o, calls
}

// count counts since the last time it was called.
func (w *sharingWorld) count() (reads, looks int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	reads, looks, w.reads, w.looks = w.reads, w.looks, 0, 0
	return reads, looks
}

// Links take what others have read as long as it is young enough: half an interval, or a tenth while a check fails.
func TestLinksShareWhatTheyRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &sharingWorld{world: newWorld(t)}
		c, stop := run(t, Options{Look: w.look}, fleet(10, every(10*time.Second, 5*time.Minute)))
		time.Sleep(time.Minute)
		w.count()
		time.Sleep(15 * time.Minute)
		if r, l := w.count(); r < 3 || r > 7 || l < 28 || w.oldest > 5*time.Minute/2 {
			t.Errorf("%d looks read the control plane %d times in 15 minutes, and took what was %s old; expected 30, 3 to 6 times and at most 2m30s", l, r, w.oldest)
		}
		w.set("no-healthy-target", "no-healthy-target", false)
		time.Sleep(time.Minute)
		synctest.Wait()
		if open := c.Incidents(); len(open) != 1 || len(open[0].Links) != 10 {
			t.Errorf("open: %+v", open)
		}
		if r, l := w.count(); r > 12 {
			t.Errorf("%d looks for the new cause read the control plane %d times in a minute", l, r)
		}
		time.Sleep(5 * time.Minute)
		if r, l := w.count(); r < 4 || r > 11 {
			t.Errorf("%d looks at failing links read the control plane %d times in five minutes, expected 5 to 10", l, r)
		}
		stop()
	})
}

// A round that finds a new cause with what another link has read looks again: what broke since would be told as another cause.
func TestACauseIsNotToldFromWhatOthersReadBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, sink := &sharingWorld{world: newWorld(t)}, &heard{}
		_, stop := run(t, Options{Look: w.look, Sinks: []Sink{sink}}, fleet(10, every(10*time.Second, 20*time.Second)))
		time.Sleep(time.Minute)
		for w.count(); ; time.Sleep(time.Second) {
			if reads, _ := w.count(); reads > 0 { // all others may take this one now
				break
			}
		}
		time.Sleep(awsapi.Floor) // what is younger counts as the present
		w.set("no-healthy-target", "no-healthy-target", false)
		broke := time.Now()
		time.Sleep(time.Minute)
		synctest.Wait()
		stop()
		bad := 0
		for _, r := range sink.rounds { // nobody adds to them any more
			if r.Outcome != Bad {
				continue
			}
			if bad++; r.Roots[0].Cause.Check != "connection.healthy-target" {
				t.Errorf("%s after %s tells %s, which is what was known before", r.Link, r.Started.Sub(broke), r.Roots[0].Key)
			}
		}
		if bad == 0 {
			t.Error("no round was bad")
		}
	})
}
