package probes

import (
	"encoding/json"
	"testing"
	"time"
)

// What was left out is one item for all Observations, and they say what they said; what was asked stays each one's own.
func TestCompactSharesWhatWasLeftOut(t *testing.T) {
	t.Parallel()
	make := func(at time.Time) *Observation {
		o := &Observation{}
		for _, it := range itemTable() {
			it.fill(o, absent{NoConsumerAccess})
		}
		o.Provider.Zones = &Item[[]Zone]{Value: []Zone{{ID: "z"}}, Started: at}
		o.Consumer.VPC = &Item[VPC]{Absent: NoSubject, Started: at} // it was asked for
		o.Consumer.Identity = &Item[Identity]{Absent: NoConsumerAccess, Error: &Failure{}}
		return o
	}
	var shared Absences
	a, b := make(time.Unix(1, 0)), make(time.Unix(2, 0))
	before, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	a.Compact(&shared)
	b.Compact(&shared)
	after, err := json.Marshal(a)
	if err != nil || string(before) != string(after) {
		t.Errorf("%v\n%s\n%s", err, before, after)
	}
	if a.DNS.TXT != b.DNS.TXT || a.Reach.HTTP != b.Reach.HTTP {
		t.Error("what was left out is not shared")
	}
	if a.Provider.Zones == b.Provider.Zones || a.Consumer.VPC == b.Consumer.VPC || a.Consumer.Identity == b.Consumer.Identity {
		t.Error("what was asked is shared")
	}
}
