package reports

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/suites"
)

func noon(minutes float64) time.Time {
	return time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(minutes * float64(time.Minute)))
}

// sawAt is a run that found the link in a state, so many minutes after noon.
func sawAt(minutes float64, s State) Record {
	r := Record{Kind: KindRun, Tool: "linkassay", Version: "0.1.0", Finished: noon(minutes), Every: provision.Duration(5 * time.Minute), Links: []LinkRecord{{
		Name: "a", State: s, Observed: noon(minutes), Config: ConfigRecord{Digest: "d", Values: map[string]string{"region": "eu-west-1"}},
		Checks: map[string]CheckRecord{},
	}}}
	status := map[State]suites.Status{Up: suites.Passed, Down: suites.Failed, Untold: suites.Untold}[s]
	l := &r.Links[0]
	l.Checks["dns.private-name-resolves"] = CheckRecord{Status: status, Severity: suites.Critical, Revision: 1}
	if s == Down {
		l.Roots = []RootRecord{{Check: "dns.private-name-resolves", Title: "it resolves", Severity: suites.Critical, Side: suites.ConsumerSide, Required: true}}
	}
	return r
}

func periodOf(t *testing.T, o PeriodOptions, records ...Record) *PeriodReport {
	t.Helper()
	b := NewPeriod(o)
	for _, r := range records {
		b.Add(r)
	}
	p, err := b.Report()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Numbers worked out by hand. The period is the hour after noon, and runs are due every 5 minutes.
func TestAvailability(t *testing.T) {
	t.Parallel()
	hour := PeriodOptions{From: noon(0), To: noon(60)}
	each := func(s State, minutes ...float64) (all []Record) {
		for _, m := range minutes {
			all = append(all, sawAt(m, s))
		}
		return all
	}
	join := func(parts ...[]Record) (all []Record) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	every5 := func(from, to float64) (m []float64) {
		for ; from <= to; from += 5 {
			m = append(m, from)
		}
		return m
	}
	undeclared := func(records []Record) []Record {
		for i := range records {
			records[i].Every = 0
		}
		return records
	}
	for _, tt := range []struct {
		name                      string
		o                         PeriodOptions
		records                   []Record
		up, down, untold, unknown float64 // minutes
		availability              float64 // -1 is none
		runsUp, runsDown, runsNot int
		share                     float64
	}{
		{"always up", hour, each(Up, every5(0, 55)...), 60, 0, 0, 0, 1, 12, 0, 0, 1},
		{"nothing at all before the period's end", hour, each(Up, 61), 0, 0, 0, 0, -1, 0, 0, 0, -1},
		{"down for the 10 minutes between the first failed and the first good run", hour, join(each(Up, every5(0, 10)...), each(Down, 15, 20), each(Up, every5(25, 55)...)), 50, 10, 0, 0, 5.0 / 6, 10, 2, 0, 10.0 / 12},
		{"what could not be told is in neither", hour, join(each(Up, every5(0, 25)...), each(Untold, every5(30, 55)...)), 30, 0, 30, 0, 1, 6, 0, 6, 1},
		{"a gap: the run before it speaks for one interval", hour, each(Up, 0, 5, 10, 40, 45, 50, 55), 15 + 20, 0, 0, 25, 1, 7, 0, 0, 1},
		{"twice the interval is no gap", hour, each(Up, 0, 10, 20, 30, 40, 50), 60, 0, 0, 0, 1, 6, 0, 0, 1},
		{"a gap while down is not down", hour, join(each(Down, 0), each(Up, 30, 35, 40, 45, 50, 55)), 30, 5, 0, 25, 30.0 / 35, 6, 1, 0, 6.0 / 7},
		{"before the first run nothing is known", hour, each(Up, every5(45, 55)...), 15, 0, 0, 45, 1, 3, 0, 0, 1},
		{"after the last run nothing is known", hour, each(Up, 0, 5), 10, 0, 0, 50, 1, 2, 0, 0, 1},
		{"a run before the period speaks into it", hour, join(each(Down, -2), each(Up, every5(3, 58)...)), 57, 3, 0, 0, 57.0 / 60, 12, 0, 0, 1},
		{"a run long before it does not", hour, join(each(Down, -30), each(Up, every5(0, 55)...)), 60, 0, 0, 0, 1, 12, 0, 0, 1},
		{"a run at its end is not in it", hour, join(each(Up, every5(0, 55)...), each(Down, 60)), 60, 0, 0, 0, 1, 12, 0, 0, 1},
		{"no schedule: a run speaks for a quarter of an hour", hour, undeclared(each(Up, 0)), 15, 0, 0, 45, 1, 1, 0, 0, 1},
		{"or for as long as was said", PeriodOptions{From: noon(0), To: noon(60), Hold: 20 * time.Minute}, undeclared(each(Down, 0)), 0, 20, 0, 40, 0, 0, 1, 0, 0},
		{"another schedule than declared", PeriodOptions{From: noon(0), To: noon(60), Every: time.Minute}, each(Up, 0, 30), 2, 0, 0, 58, 1, 2, 0, 0, 1},
		{"overlapping runs: the older one counts as a run alone", hour, join(each(Up, 0, 5), each(Down, 4), each(Up, every5(10, 55)...)), 60, 0, 0, 0, 1, 12, 1, 0, 12.0 / 13},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := periodOf(t, tt.o, tt.records...)
			if len(p.Links) == 0 {
				if tt.runsUp+tt.runsDown+tt.runsNot > 0 {
					t.Fatal("no link")
				}
				return
			}
			l := p.Links[0]
			tallies := map[string]Tally{"link": l.Tally}
			if len(l.Checks) != 1 {
				t.Fatalf("checks %+v", l.Checks)
			}
			tallies["check"] = l.Checks[0].Tally
			for what, got := range tallies {
				minutes := []float64{got.Time.Up.Minutes(), got.Time.Down.Minutes(), got.Time.Untold.Minutes(), got.Time.Unknown.Minutes()}
				if want := []float64{tt.up, tt.down, tt.untold, tt.unknown}; !reflect.DeepEqual(minutes, want) {
					t.Errorf("%s: up, down, untold, unknown %v minutes; want %v", what, minutes, want)
				}
				if runs := []int{got.Runs.Up, got.Runs.Down, got.Runs.Untold}; !reflect.DeepEqual(runs, []int{tt.runsUp, tt.runsDown, tt.runsNot}) {
					t.Errorf("%s: runs %v", what, runs)
				}
				for _, x := range []struct {
					of   string
					f    func() (float64, bool)
					want float64
				}{{"availability", got.Availability, tt.availability}, {"share", got.Share, tt.share}} {
					v, ok := x.f()
					if !ok {
						v = -1
					}
					if math.Abs(v-x.want) > 1e-9 {
						t.Errorf("%s: %s %v, want %v", what, x.of, v, x.want)
					}
				}
			}
		})
	}
}

func TestIncidentsFlapsAndGaps(t *testing.T) {
	t.Parallel()
	states := map[float64]State{-10: Up, -5: Down, 0: Down, 5: Up, 10: Up, 15: Down, 20: Up, 25: Down, 30: Untold, 35: Down, 40: Up, 55: Down}
	b := NewPeriod(PeriodOptions{From: noon(0), To: noon(60)})
	for m := -10.0; m < 60; m += 5 {
		if s, ok := states[m]; ok {
			b.Add(sawAt(m, s))
		}
	}
	p, err := b.Report()
	if err != nil {
		t.Fatal(err)
	}
	type want struct {
		before, start, last, end float64
		runs                     int
		flap, ongoing            bool
	}
	wants := []want{
		{-10, -5, 0, 5, 2, false, false},
		{10, 15, 15, 20, 1, true, false},
		{20, 25, 35, 40, 2, false, false},
		{40, 55, 55, 0, 1, false, true},
	}
	if len(p.Incidents) != len(wants) {
		t.Fatalf("%d incidents: %+v", len(p.Incidents), p.Incidents)
	}
	for k, w := range wants {
		i := p.Incidents[k]
		if !i.Before.Equal(noon(w.before)) || !i.Start.Equal(noon(w.start)) || !i.LastDown.Equal(noon(w.last)) || i.Runs != w.runs || i.Flap() != w.flap || i.End.IsZero() != w.ongoing {
			t.Errorf("incident %d: %+v", k, i)
		}
		if len(i.Roots) != 1 || i.Roots[0].Check != "dns.private-name-resolves" {
			t.Errorf("incident %d: roots %+v", k, i.Roots)
		}
		if least, most, known := i.Bounds(); !w.ongoing && (!known || least.Minutes() != w.last-w.start || most.Minutes() != w.end-w.before || i.Duration(noon(60)).Minutes() != w.end-w.start) {
			t.Errorf("incident %d lasted from %s to %s, %s", k, least, most, i.Duration(noon(60)))
		}
	}
	if last := p.Incidents[3]; last.Duration(noon(60)) != 5*time.Minute {
		t.Errorf("the last one lasts: %s", last.Duration(noon(60)))
	}
	if l := p.Links[0]; l.Incidents != 4 || l.Flaps != 1 || l.Last != Down {
		t.Errorf("%+v", l)
	}
	if len(p.Gaps) != 1 || !p.Gaps[0].From.Equal(noon(40)) || !p.Gaps[0].To.Equal(noon(55)) || p.Gaps[0].Missed != 2 {
		t.Errorf("gaps %+v", p.Gaps)
	}
}

func TestChangesOfConfigurationAndChecks(t *testing.T) {
	t.Parallel()
	run := func(minute float64, version, digest string, revision int, values ...string) Record {
		r := sawAt(minute, Up)
		r.Version = version
		r.Links[0].Config = ConfigRecord{Digest: digest, Values: map[string]string{}}
		for k := 0; k < len(values); k += 2 {
			r.Links[0].Config.Values[values[k]] = values[k+1]
		}
		r.Links[0].Checks["dns.private-name-resolves"] = CheckRecord{Status: suites.Passed, Severity: suites.Critical, Revision: revision}
		return r
	}
	p := periodOf(t, PeriodOptions{From: noon(0), To: noon(60)},
		run(-5, "1", "x", 1, "endpoint", "vpce-1"), // before it
		run(0, "1", "x", 1),                        // it could not be asked for
		run(5, "1", "x", 1, "endpoint", "vpce-1"),
		run(10, "1", "x", 1, "endpoint", "vpce-2"),
		run(15, "1", "y", 1, "endpoint", "vpce-2", "port 443", "tcp"),
		run(20, "1", "z", 1, "endpoint", "vpce-2", "port 443", "tcp"),
		run(25, "2", "z", 2, "endpoint", "vpce-2", "port 443", "tcp"),
	)
	want := []Change{
		{At: noon(10), Link: "a", What: "endpoint", From: "vpce-1", To: "vpce-2"},
		{At: noon(15), Link: "a", What: "port 443", To: "tcp"},
		{At: noon(20), Link: "a", What: "something that is not shown here (digest of the configuration)", From: "y", To: "z"},
		{At: noon(25), What: "version of linkassay", From: "1", To: "2"},
		{At: noon(25), What: "revision of dns.private-name-resolves", From: "1", To: "2"},
	}
	if !reflect.DeepEqual(p.Changes, want) {
		t.Errorf("changes\n%+v, want\n%+v", p.Changes, want)
	}
}

func TestControlsOfAPeriod(t *testing.T) {
	t.Parallel()
	p := periodOf(t, PeriodOptions{From: noon(0), To: noon(60)}, sawAt(0, Up), sawAt(5, Down), sawAt(10, Untold))
	m, err := suites.Controls()
	if err != nil {
		t.Fatal(err)
	}
	check, ok := suites.Find(suites.Catalogue(), "dns.private-name-resolves")
	if !ok {
		t.Fatal("the check is gone")
	}
	of := map[suites.Control]bool{}
	for _, c := range m.Of(check) {
		of[c] = true
	}
	assessed := 0
	for _, c := range p.Controls {
		if c.Assessed == 0 {
			continue
		}
		assessed++
		if !of[c.Control] || c.Assessed != 1 || c.Passed != 1 || c.Failed != 1 || c.Untold != 1 || c.Checks < 1 {
			t.Errorf("%+v", c)
		}
	}
	if assessed != len(of) || len(p.Controls) <= assessed {
		t.Errorf("%d of %d controls assessed, want %d and some that are not", assessed, len(p.Controls), len(of))
	}
}

func TestRecordsOfReports(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		want State
	}{{"healthy", Up}, {"security-group-closed", Down}} {
		r := report(t, tt.name)
		link := &r.Links[0].Observation.Link
		link.Provider.Role = &provision.Role{ARN: "arn:aws:iam::111111111111:role/r", ExternalID: "canary-external-id"}
		link.Provider.Build = &provision.ProviderBuild{Instances: &provision.InstanceBuild{UserData: "canary-user-data"}}
		link.Ports = append(link.Ports, provision.Port{Port: 8443, HTTP: &provision.HTTP{Path: "/?token=canary-query", Headers: map[string]string{"Authorization": "canary-header"}}})
		link.Vantages = append(link.Vantages, provision.Vantage{Name: "v", From: "socks5://user:canary-password@127.0.0.1:1080"})
		rec := NewRecord(r)
		if len(rec.Links) != 1 || rec.Links[0].State != tt.want || len(rec.Links[0].Checks) != len(r.Links[0].Verdicts) {
			t.Fatalf("%s: %+v", tt.name, rec)
		}
		if (len(rec.Links[0].Roots) > 0) != (tt.want == Down) {
			t.Errorf("%s: roots %+v", tt.name, rec.Links[0].Roots)
		}
		b, err := json.Marshal(rec)
		if err != nil || strings.Contains(string(b), "canary") {
			t.Errorf("%s: %v, a secret is in %s", tt.name, err, b)
		}
		other := *r
		other.Links = slices.Clone(r.Links)
		o := *r.Links[0].Observation
		o.Link.Ports = slices.Clone(o.Link.Ports)
		o.Link.Ports[0].TargetPort = 9999
		o.Link.Consumer.EndpointID = "vpce-0123456789abcdef0"
		other.Links[0].Observation = &o
		if NewRecord(&other).Links[0].Config.Digest == rec.Links[0].Config.Digest {
			t.Errorf("%s: another port is not another configuration", tt.name)
		}
	}
}

func TestAnIncidentThatNobodyLookedAtForAWhileSaysSo(t *testing.T) {
	t.Parallel()
	hour := PeriodOptions{From: noon(0), To: noon(60)}
	for _, tt := range []struct {
		name    string
		records []Record
		gap     bool
	}{
		{"looked at all the time", []Record{sawAt(45, Up), sawAt(50, Down), sawAt(55, Up)}, false},
		{"a gap in it", []Record{sawAt(0, Up), sawAt(5, Down), sawAt(50, Down), sawAt(55, Up)}, true},
		{"a gap at its end", []Record{sawAt(0, Up), sawAt(5, Down), sawAt(55, Up)}, true},
		{"a gap before it", []Record{sawAt(0, Up), sawAt(45, Up), sawAt(50, Down), sawAt(55, Up)}, false},
		{"nobody looked since", []Record{sawAt(0, Up), sawAt(5, Down)}, true},
	} {
		p := periodOf(t, hour, tt.records...)
		if len(p.Incidents) != 1 || p.Incidents[0].Gap != tt.gap {
			t.Errorf("%s: %+v", tt.name, p.Incidents)
		}
	}
}
