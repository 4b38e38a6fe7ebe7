package canary

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/suites"
)

func TestBoard(t *testing.T) {
	t.Parallel()
	const good, bad, other, untold = "healthy", "no-healthy-target", "listener-missing", "untold"
	tests := []struct {
		name   string
		rounds []string
		want   []ChangeKind
		open   int
	}{
		{"all is well", []string{good, good, good}, nil, 0},
		{"too few failures", []string{bad, bad}, nil, 0},
		{"X in a row", []string{bad, bad, bad}, []ChangeKind{Opened}, 1},
		{"X of Y", []string{bad, good, bad, good, bad}, []ChangeKind{Opened}, 1},
		{"X, but not of Y", []string{bad, good, good, bad, good, good, bad}, nil, 0},
		{"told once", []string{bad, bad, bad, bad, bad, bad, bad}, []ChangeKind{Opened}, 1},
		{"too few good ones", []string{bad, bad, bad, good}, []ChangeKind{Opened}, 1},
		{"enough good ones", []string{bad, bad, bad, good, good}, []ChangeKind{Opened, Cleared}, 0},
		{"good ones that are not in a row", []string{bad, bad, bad, good, bad, good}, []ChangeKind{Opened}, 1},
		{"a blip", []string{bad, good, good, good, good, good}, []ChangeKind{Recovered}, 0},
		{"what could not be told is no failure", []string{bad, bad, untold, untold, untold}, nil, 0},
		{"nor a success", []string{bad, bad, untold, bad, untold, good, untold, untold}, []ChangeKind{Opened}, 1},
		{"it comes back", []string{bad, bad, bad, good, good, bad, bad, bad}, []ChangeKind{Opened, Cleared, Opened}, 1},
		{
			"it flaps, and takes longer to end",
			slices.Concat(slices.Repeat([]string{bad, bad, bad, good, good}, 3), []string{good, good, good, good}),
			[]ChangeKind{Opened, Cleared, Opened, Cleared, WentFlaps, Cleared},
			0,
		},
		{"what explains it takes its place", []string{bad, bad, bad, other, other, other, other}, []ChangeKind{Opened, Opened, Cleared}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStory(t)
			var got []ChangeKind
			for _, name := range tt.rounds {
				if name == untold {
					got = append(got, s.untold()...)
					continue
				}
				got = append(got, s.see("orders", name)...)
			}
			if !slices.Equal(got, tt.want) || len(s.board.Incidents()) != tt.open {
				t.Errorf("changes %q, expected %q; open: %+v", got, tt.want, s.board.Incidents())
			}
		})
	}
}

// untold applies a round in which the API of both sides is throttled.
func (s *story) untold() (kinds []ChangeKind) {
	o := recorded(s.t, "healthy", "orders")
	broken := &probes.Failure{Class: probes.FailAPI, Operation: "ec2:DescribeVpcEndpoints", Message: "internal error"}
	o.Provider.TargetHealth.Error, o.Provider.Service.Error, o.Consumer.Endpoint.Error = broken, broken, broken
	r := judged(o)
	if r.Outcome != Untold || r.Reason == "" {
		s.t.Errorf("an API that does not answer: %s %q %+v", r.Outcome, r.Reason, r.Roots)
	}
	r.Started, r.Finished = s.at, s.at
	s.at = s.at.Add(time.Minute)
	for _, c := range s.apply(r) {
		kinds = append(kinds, c.Kind)
	}
	return kinds
}

func TestOneCauseForAFleetIsOneIncident(t *testing.T) {
	t.Parallel()
	s, other := newStory(t), newStory(t)
	const fleet = 300
	bad, good := s.round("no-healthy-target", "orders"), s.round("healthy", "orders")
	for range 3 {
		for i := range fleet {
			r := bad
			r.Link = fmt.Sprintf("link-%03d", i)
			s.apply(r)
			r.Link = fmt.Sprintf("named-otherwise-%d", i)
			other.apply(r)
		}
	}
	open := s.board.Incidents()
	if len(open) != 1 || len(open[0].Links) != fleet || open[0].Links[299].Link != "link-299" {
		t.Fatalf("%d incidents, expected one of %d links: %+v", len(open), fleet, open)
	}
	i := open[0]
	if i.Cause.Kind != LoadBalancer || !strings.Contains(i.Cause.ID, "loadbalancer/net/orders") || i.Cause.Side != suites.ProviderSide || i.Fix == nil || len(i.Facts) == 0 {
		t.Errorf("the incident: %+v", i)
	}
	if two := other.board.Incidents(); len(two) != 1 || two[0].Key != i.Key {
		t.Errorf("another canary's key is %+v, expected %s", two, i.Key)
	}
	// All at one moment: its beginning is told, and how far it spread when that is known. See telling_test.go.
	if len(s.changes) != 1 || s.changes[0].Kind != Opened {
		t.Errorf("%d changes", len(s.changes))
	}
	for range 2 {
		for i := range fleet {
			r := good
			r.Link = fmt.Sprintf("link-%03d", i)
			s.apply(r)
		}
	}
	if last := s.changes[len(s.changes)-1]; last.Kind != Cleared || len(s.changes) != 2 || len(last.Incident.Links) != fleet || len(s.board.Incidents()) != 0 {
		t.Errorf("the end: %s, %d changes, open %+v", last.Kind, len(s.changes), s.board.Incidents())
	}
}

func TestCausesAreTheThingThatIsBroken(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]Kind{
		"no-healthy-target": LoadBalancer, "listener-missing": LoadBalancer, "txt-missing": Service, "security-group-closed": Group,
		"never-accepted": Endpoint, "not-allowed": Account, "dns-support-off": VPC, "private-zone-shadows": VPC,
	} {
		s := newStory(t)
		r := s.round(name, "orders")
		if r.Outcome != Bad || !slices.ContainsFunc(r.Roots, func(r Root) bool { return r.Required && r.Cause.Kind == kind && r.Key == r.Cause.Key() }) {
			t.Errorf("%s: %s, roots %+v, expected a %s", name, r.Outcome, r.Roots, kind)
		}
	}
	long := Cause{Check: "a.b", Kind: Name, ID: strings.Repeat("ä", 300)}
	if k := long.Key(); len(k) > maxKey || !strings.Contains(k, "~") || k == (Cause{Check: "a.b", Kind: Name, ID: strings.Repeat("ä", 301)}).Key() {
		t.Errorf("a long key: %d bytes, %s", len(k), k)
	}
}

func TestMaintenanceIsNotHeldAgainstALink(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	apply := func(name, maintenance string) []Change {
		r := s.round(name, "orders")
		r.Maintenance = maintenance
		return s.apply(r)
	}
	for range 10 {
		if c := apply("no-healthy-target", "patching"); len(c) > 0 {
			t.Fatalf("alarmed in a window: %+v", c)
		}
	}
	var kinds []ChangeKind
	for range 3 { // it is still broken when the window ends
		for _, c := range apply("no-healthy-target", "") {
			kinds = append(kinds, c.Kind)
		}
	}
	for range 10 { // the next window neither ends nor repeats it
		apply("no-healthy-target", "patching")
	}
	if !slices.Equal(kinds, []ChangeKind{Opened}) || len(s.changes) != 1 || len(s.board.Incidents()) != 1 {
		t.Errorf("changes %+v", s.changes)
	}
	apply("healthy", "patching")
	apply("healthy", "patching")
	if len(s.board.Incidents()) != 0 {
		t.Error("good rounds count in a window too")
	}
}

func TestInterruptedRoundsSayNothing(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	for range 20 {
		o := recorded(t, "no-healthy-target", "orders")
		o.Interrupted = true
		r := judged(o)
		if r.Outcome != Interrupted {
			t.Fatalf("outcome %s", r.Outcome)
		}
		s.apply(r)
	}
	if len(s.changes) != 0 {
		t.Errorf("%+v", s.changes)
	}
}

func TestAStateIsAllThatABoardKnows(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.see("orders", "no-healthy-target", "no-healthy-target", "no-healthy-target")
	s.see("billing", "txt-missing", "txt-missing", "healthy")
	text, err := json.Marshal(s.board.State(s.at))
	if err != nil {
		t.Fatal(err)
	}
	var state State
	if err := json.Unmarshal(text, &state); err != nil {
		t.Fatal(err)
	}
	again := newStory(t)
	again.at = s.at
	if err := again.board.Restore(&state); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(again.board.Incidents(), s.board.Incidents()) {
		t.Errorf("incidents %+v, expected %+v", again.board.Incidents(), s.board.Incidents())
	}
	// Both go on alike: one more failure of billing opens, two good rounds of orders clear.
	for _, s := range []*story{s, again} {
		if got := append(s.see("billing", "txt-missing"), s.see("orders", "healthy", "healthy")...); !slices.Equal(got, []ChangeKind{Opened, Cleared}) {
			t.Errorf("went on with %q", got)
		}
	}
	for name, broken := range map[string]State{
		"format":             {Format: "other/v1"},
		"alarm of no one":    {Format: StateFormat, Links: map[string]LinkState{"a": {Causes: map[string]CauseState{"k": {Alarmed: true}}}}},
		"incident of no one": {Format: StateFormat, Incidents: []Incident{{Key: "k"}}},
	} {
		if err := NewBoard().Restore(&broken); err == nil {
			t.Errorf("%s: expected an error", name)
		}
	}
}

func TestALinkThatIsNotWatchedAnyMoreHasNoIncident(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.see("orders", "no-healthy-target", "no-healthy-target", "no-healthy-target")
	if c := s.board.Keep([]string{"orders"}, s.at); len(c) != 0 {
		t.Errorf("still watched: %+v", c)
	}
	if c := s.board.Keep([]string{"billing"}, s.at); len(c) != 1 || c[0].Kind != Cleared || !strings.Contains(c[0].Incident.Why, "not watched") {
		t.Errorf("not watched: %+v", c)
	}
}

func TestAcceptedFindingsMakeNoIncident(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	o := recorded(t, "no-healthy-target", "orders")
	for _, v := range suites.Roots(suites.Judge(o, suites.Catalogue(), nil)) {
		o.Link.Accept = append(o.Link.Accept, provision.Acceptance{Check: v.Check, Reason: "known", Expires: "2099-01-01"})
	}
	r := judged(o)
	for range 5 {
		s.apply(r)
	}
	if len(s.changes) != 0 || r.Outcome == Bad {
		t.Errorf("%s: %+v", r.Outcome, s.changes)
	}
}

// A state in which an incident is open that no link has any more, which it could never end of.
func TestAnIncidentOfNobodyEnds(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.see("orders", "no-healthy-target", "no-healthy-target", "no-healthy-target")
	state := s.board.State(s.at)
	l := state.Links["orders"]
	l.Causes = nil
	state.Links["orders"] = l
	if err := s.board.Restore(state); err != nil {
		t.Fatal(err)
	}
	if c := s.board.Keep([]string{"orders"}, s.at); len(c) != 1 || c[0].Kind != Cleared || len(c[0].Incident.Links) != 1 || len(s.board.Incidents()) != 0 {
		t.Errorf("%+v", c)
	}
}

// A round that comes to its end when its link was taken out of the files changes nothing any more.
func TestALateRoundOfALinkThatIsNotWatched(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.board.Keep([]string{"orders"}, s.at)
	s.see("orders", "no-healthy-target", "no-healthy-target")
	s.board.Keep([]string{"billing"}, s.at)
	if kinds := s.see("orders", "no-healthy-target"); len(kinds) != 0 || len(s.board.Incidents()) != 0 || len(s.board.State(s.at).Links) != 0 {
		t.Errorf("%q, %+v", kinds, s.board.State(s.at).Links)
	}
}

func TestTheLastGoodRoundIsRemembered(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.see("orders", "healthy", "no-healthy-target")
	state := s.board.State(s.at)
	again := NewBoard()
	if err := again.Restore(state); err != nil {
		t.Fatal(err)
	}
	links := again.State(s.at).Links
	if got := links["orders"]; !got.LastGood.Equal(start.Add(time.Second)) || !got.LastRound.Equal(start.Add(61*time.Second)) || len(links) != 1 {
		t.Errorf("%+v", links)
	}
}
