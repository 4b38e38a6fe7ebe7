package suites

import (
	"encoding/json"
	"hash/maphash"
	"reflect"
	"testing"
	"time"

	"github.com/linkassay/linkassay/probes"
)

// The canary does not judge again what it measured alike: on every fixture, what probes' Likeness leaves out changes no
// verdict.
func TestAlikeIsJudgedAlike(t *testing.T) {
	t.Parallel()
	compiled, seed, compared := Compile(Catalogue()), maphash.MakeSeed(), 0
	for name, o := range fixtures() {
		o.Reach.Idle = &probes.Item[[]probes.Silence]{Absent: probes.OnlySlow} // as in all rounds of the canary
		var other probes.Observation
		if err := json.Unmarshal([]byte(mustJSON(t, o)), &other); err != nil {
			t.Fatal(err)
		}
		later(&other)
		x, comparable := o.Likeness(seed)
		if y, ok := other.Likeness(seed); x != y || ok != comparable {
			t.Errorf("%s: not alike", name)
		} else if ok {
			compared++
		}
		all := compiled.Choose(o.Link.Name, nil)
		before, after := compiled.Judge(o, all), compiled.Judge(&other, all)
		for i := range before {
			before[i].Duration, after[i].Duration = 0, 0
			if !reflect.DeepEqual(before[i], after[i]) {
				t.Errorf("%s: %s: %+v, and later %+v", name, before[i].Check, before[i], after[i])
			}
		}
	}
	if compared < len(fixtures())*3/4 {
		t.Errorf("%d of %d fixtures could be compared", compared, len(fixtures()))
	}
}

// later makes o what might have been measured a moment later.
func later(o *probes.Observation) {
	const moment = 1234567 * time.Nanosecond
	move := func(t *probes.Try) { t.Started, t.Duration = t.Started.Add(moment), t.Duration+moment }
	for _, it := range []*probes.Item[[]probes.Lookup]{o.DNS.Private, o.DNS.Regional, o.DNS.Zonal} {
		for i := range valuesOf(it) {
			l := &it.Value[i]
			l.Started, l.Duration, l.Attempts, l.TTL, l.Wire = l.Started.Add(moment), l.Duration+moment, l.Attempts+1, l.TTL+7, []byte("other")
		}
	}
	for i := range valuesOf(o.Reach.TCP) {
		for k := range o.Reach.TCP.Value[i].Tries {
			move(&o.Reach.TCP.Value[i].Tries[k])
		}
	}
	for i := range valuesOf(o.Reach.TLS) {
		move(&o.Reach.TLS.Value[i].Try)
	}
	for _, it := range []*probes.Item[[]probes.Exchange]{o.Reach.HTTP, o.Reach.Large} {
		for i := range valuesOf(it) {
			x := &it.Value[i]
			move(&x.Try)
			x.Headers, x.BodySHA256 = map[string]string{"Date": "another"}, "other"
			if x.BodyMatched == nil || *x.BodyMatched {
				x.BodyBytes += 7
			}
		}
	}
}

func valuesOf[T any](it *probes.Item[[]T]) []T {
	if it == nil {
		return nil
	}
	return it.Value
}
