package reports

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/suites"
)

// RecordKind says what a Record is of.
type RecordKind string

// The kinds of records.
const (
	KindRun   RecordKind = "run"   // one verify or demo
	KindRound RecordKind = "round" // one round of the canary
)

// State is what a run says of a link, or of one check of it.
type State string

// The states. Untold is neither of the others: it is counted apart, and never as up.
const (
	Up     State = "up"             // no required check failed, and all of them could be told
	Down   State = "down"           // a required check failed
	Untold State = "could not tell" // a required check could not be told, or nothing was verified
)

// Record is a run cut down to what is kept of it for years: no observation, no secrets, a bounded size. A
// ledger's entries hold it, and reports over a period are made from it.
type Record struct {
	Kind     RecordKind `json:"kind"`
	Tool     string     `json:"tool"`
	Version  string     `json:"version"`
	Started  time.Time  `json:"started"`
	Finished time.Time  `json:"finished"`
	// Every is the schedule that the run was declared to be part of: the next one is due so long after it.
	Every provision.Duration `json:"every,omitempty"`
	// FailOn is the least severity that was required; empty means critical.
	FailOn      suites.Severity `json:"failOn,omitempty"`
	Profile     suites.Profile  `json:"profile,omitempty"`
	ExitCode    int             `json:"exitCode"`
	ExitReasons []string        `json:"exitReasons,omitempty"`
	Links       []LinkRecord    `json:"links"`
	// Bundle is the evidence that the run left, nil when it left none.
	Bundle *BundleRecord `json:"bundle,omitempty"`
}

// BundleRecord is where the evidence of a run is, and how it is known again.
type BundleRecord struct {
	Place  string `json:"place,omitempty"` // as it was given to --out
	Digest string `json:"digest"`          // SHA-256 of its SHA256SUMS, in hex
}

// LinkRecord is one link of a Record.
type LinkRecord struct {
	Name     string    `json:"name"`
	State    State     `json:"state"`
	Observed time.Time `json:"observed"` // when observing it ended: the moment that the state is of
	// Config is what the link was believed to be.
	Config   ConfigRecord           `json:"config"`
	Checks   map[string]CheckRecord `json:"checks"` // by check id
	Roots    []RootRecord           `json:"roots,omitempty"`
	Vantages []VantageRecord        `json:"vantages,omitempty"`
}

// ConfigRecord is a link's configuration: a digest of all of it, and the values that a reader wants to see
// when the digest changes.
type ConfigRecord struct {
	// Digest is the SHA-256, in hex, of the link as JSON without its file's path, what was found out about
	// it (service and endpoint ids), secrets, and values that may be secret.
	Digest string            `json:"digest"`
	Values map[string]string `json:"values"`
}

// CheckRecord is one verdict without its words.
type CheckRecord struct {
	Status      suites.Status   `json:"status"`
	Severity    suites.Severity `json:"severity"`
	Revision    int             `json:"revision"`
	BlockedBy   string          `json:"blockedBy,omitempty"`
	Accepted    bool            `json:"accepted,omitempty"`
	CouldNotAsk bool            `json:"couldNotAsk,omitempty"`
}

// State is what the verdict says of its check. A failure that is accepted is a failure all the same.
func (c CheckRecord) State() State {
	switch {
	case c.Status == suites.Passed:
		return Up
	case c.Status == suites.Failed && !c.CouldNotAsk:
		return Down
	}
	return Untold
}

// RootRecord is a cause: what failed of its own.
type RootRecord struct {
	Check    string          `json:"check"`
	Title    string          `json:"title"`
	Severity suites.Severity `json:"severity"`
	Side     suites.Side     `json:"side,omitempty"`
	Required bool            `json:"required,omitempty"` // it decided the exit code
	Reason   string          `json:"reason,omitempty"`
	Facts    []suites.Fact   `json:"facts,omitempty"`
	Fix      string          `json:"fix,omitempty"`
}

// VantageRecord is how far one vantage got.
type VantageRecord struct {
	Name   string           `json:"name"`
	From   string           `json:"from"`
	Zone   string           `json:"zone,omitempty"`
	Expect provision.Expect `json:"expect,omitempty"`
	// Connected of Tried TCP connects came through.
	Connected int `json:"connected"`
	Tried     int `json:"tried"`
}

// What a Record keeps at most.
const (
	recordRoots    = 64
	recordFacts    = 16
	recordText     = 500 // bytes of one text
	recordVantages = 256
	recordReasons  = 16
)

// NewRecord cuts a report down to its record.
func NewRecord(r *Report) Record {
	rec := Record{
		Kind: KindRun, Tool: brief(r.Tool), Version: brief(r.Version), Started: moment(r.Started), Finished: moment(r.Finished),
		FailOn: r.FailOn, Profile: r.Profile, ExitCode: r.ExitCode, Links: []LinkRecord{},
	}
	for _, reason := range r.ExitReasons[:min(len(r.ExitReasons), recordReasons)] {
		rec.ExitReasons = append(rec.ExitReasons, brief(reason))
	}
	for _, l := range r.Links {
		if l.Observation != nil {
			rec.Links = append(rec.Links, linkRecord(l, r.FailOn))
		}
	}
	return rec
}

func linkRecord(l LinkReport, failOn suites.Severity) LinkRecord {
	o := l.Observation
	rec := LinkRecord{
		Name: brief(o.Link.Name), State: stateOf(l.summary(failOn)), Observed: moment(o.Finished),
		Config: configRecord(o.Link), Checks: make(map[string]CheckRecord, len(l.Verdicts)),
	}
	for _, v := range l.Verdicts {
		rec.Checks[brief(v.Check)] = CheckRecord{
			Status: v.Status, Severity: v.Severity, Revision: v.Revision, BlockedBy: brief(v.BlockedBy),
			Accepted: v.Stands(), CouldNotAsk: v.CouldNotAsk,
		}
	}
	roots := suites.Roots(l.Verdicts)
	for _, v := range roots[:min(len(roots), recordRoots)] {
		root := RootRecord{
			Check: brief(v.Check), Title: brief(v.Title), Severity: v.Severity, Side: v.Side,
			Required: suites.Required(v, failOn), Reason: brief(v.Reason),
		}
		for _, f := range v.Facts[:min(len(v.Facts), recordFacts)] {
			root.Facts = append(root.Facts, suites.Fact{Name: brief(f.Name), Value: brief(f.Value)})
		}
		if v.Fix != nil {
			root.Fix = brief(v.Fix.Text)
		}
		rec.Roots = append(rec.Roots, root)
	}
	for _, v := range o.Link.Vantages[:min(len(o.Link.Vantages), recordVantages)] {
		rec.Vantages = append(rec.Vantages, vantageRecord(o, v))
	}
	return rec
}

// stateOf is what a link's verdicts say of it. Where nothing was verified nothing is known.
func stateOf(s suites.Summary) State {
	switch {
	case s.RequiredFailed > 0:
		return Down
	case s.RequiredUntold > 0, s.Passed == 0:
		return Untold
	}
	return Up
}

func vantageRecord(o *probes.Observation, v provision.Vantage) VantageRecord {
	rec := VantageRecord{Name: brief(v.Name), From: brief(withoutUser(v.From)), Zone: brief(v.Zone), Expect: v.Expect}
	if o.Reach.TCP != nil {
		for _, a := range o.Reach.TCP.Value {
			if a.Vantage == v.Name {
				rec.Tried++
				if n := len(a.Tries); n > 0 && a.Tries[n-1].Outcome == probes.OK {
					rec.Connected++
				}
			}
		}
	}
	return rec
}

// configRecord takes the configuration from the link as it was observed. Ids that were found are among the values
// but not in the digest: a run that couldn't ask for them has not another configuration.
func configRecord(l provision.Link) ConfigRecord {
	values := map[string]string{
		"region": l.Region, "provider region": l.Provider.Region, "private DNS name": l.PrivateDNSName,
		"provider account": l.Provider.Account, "consumer account": l.Consumer.Account,
		"service": cmp.Or(l.Provider.ServiceName, l.Provider.ServiceID), "endpoint": l.Consumer.EndpointID,
		"IP address type": l.Consumer.IPAddressType,
	}
	for _, p := range l.Ports {
		values["port "+strconv.Itoa(int(p.Port))] = portValue(p)
	}
	for _, v := range l.Vantages {
		values["vantage "+v.Name] = strings.TrimSpace(withoutUser(v.From) + " " + v.Zone + " " + string(cmp.Or(v.Expect, provision.ExpectReach)))
	}
	for _, a := range l.Accept {
		values["accepted "+a.Check] = "until " + a.Expires
	}
	kept := make(map[string]string, len(values))
	for k, v := range values {
		if v != "" && len(kept) < 2*recordVantages {
			kept[brief(k)] = brief(v)
		}
	}
	return ConfigRecord{Digest: configDigest(l), Values: kept}
}

func portValue(p provision.Port) string {
	parts := []string{"tcp"}
	if p.TargetPort != 0 {
		parts = append(parts, "to target port "+strconv.Itoa(int(p.TargetPort)))
	}
	if p.TLS != nil {
		parts = append(parts, strings.TrimSpace("tls "+p.TLS.ServerName))
	}
	if p.HTTP != nil {
		parts = append(parts, "http "+cmp.Or(p.HTTP.Method, "GET")+" "+withoutQuery(cmp.Or(p.HTTP.Path, "/")))
	}
	return strings.Join(parts, ", ")
}

// configDigest leaves out whatever may be secret, as run.json does: even the digest of a short secret tells it to
// whoever tries them all. External ids are never in the JSON.
func configDigest(l provision.Link) string {
	var shown provision.Link
	b, err := json.Marshal(l)
	if err == nil {
		err = json.Unmarshal(b, &shown)
	}
	if err == nil {
		hideLink(&shown)
		shown.File, shown.Provider.ServiceID, shown.Provider.ServiceName, shown.Consumer.EndpointID = "", "", "", ""
		shown.Canary = provision.Canary{} // how often it is looked at is not what it is
		b, err = json.Marshal(shown)
	}
	if err != nil { // plain data: it can always be encoded and read
		b = fmt.Appendf(nil, "cannot be encoded: %v", err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// PrintJSON prints v as one line of JSON, with what a terminal would act on as escapes.
func PrintJSON(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err == nil {
		_, err = w.Write(append(escapeInvisible(b), '\n'))
	}
	return err
}

// brief is a clean text of at most recordText bytes, and a mark where it was longer.
func brief(s string) string {
	s = clean(s)
	if len(s) <= recordText {
		return s
	}
	return strings.ToValidUTF8(s[:recordText], "") + "…"
}

// moment is a time as records keep it: UTC, to the millisecond, so that it reads back as it was written.
func moment(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
