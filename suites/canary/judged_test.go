package canary

import (
	"reflect"
	"testing"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/suites"
)

// What measured the same with the same control plane is not judged again, for a control interval; all else is.
func TestTheSameIsNotJudgedAgain(t *testing.T) {
	t.Parallel()
	const mark = "taken over"
	// next makes the round after one of a recording, which is changed first, and says whether it was taken over.
	next := func(t *testing.T, recording string, change func(o, known *probes.Observation) *probes.Observation) bool {
		t.Helper()
		known := recorded(t, recording, "orders")
		known.Reach.Idle = nil
		c := New(Options{Catalogue: suites.Catalogue()})
		w := newWatcher(c, &known.Link)
		measured := func() *probes.Observation {
			o := *known
			o.Known, o.Started, o.Finished = known.Started, o.Started.Add(time.Minute), o.Finished.Add(time.Minute)
			return &o
		}
		first := w.judge(measured(), known)
		w.judged.round.Reason = mark
		o := measured()
		known = change(o, known)
		r := w.judge(o, known)
		if r.Observation != o || !r.Started.Equal(o.Started) || r.ControlAge != o.ControlAge() {
			t.Errorf("%+v", r)
		}
		if r.Reason != mark {
			return false
		}
		if !reflect.DeepEqual(r.Judged(), first.Judged()) || r.Summary != first.Summary || r.Outcome != first.Outcome {
			t.Errorf("%s was taken over, but comes to something else", recording)
		}
		return true
	}
	same := func(_, known *probes.Observation) *probes.Observation { return known }
	for name, x := range map[string]struct {
		recording string
		change    func(o, known *probes.Observation) *probes.Observation
		taken     bool
	}{
		"the same":       {"healthy", same, true},
		"the same fault": {"security-group-closed", same, true},
		"a later one": {"healthy", func(o, known *probes.Observation) *probes.Observation {
			o.Started = o.Started.Add(4 * time.Minute)
			return known
		}, true},
		"a much later one": {"healthy", func(o, known *probes.Observation) *probes.Observation {
			o.Started = o.Started.Add(6 * time.Minute)
			return known
		}, false},
		"another control": {"healthy", func(_, known *probes.Observation) *probes.Observation { k := *known; return &k }, false},
		"no control":      {"healthy", func(_, _ *probes.Observation) *probes.Observation { return nil }, false},
		"interrupted":     {"healthy", func(o, known *probes.Observation) *probes.Observation { o.Interrupted = true; return known }, false},
		"an address is gone": {"healthy", func(o, known *probes.Observation) *probes.Observation {
			private := *o.DNS.Private
			private.Value = private.Value[1:]
			o.DNS.Private = &private
			return known
		}, false},
	} {
		if taken := next(t, x.recording, x.change); taken != x.taken {
			t.Errorf("%s: taken over %v", name, taken)
		}
	}
}
