package live

import (
	"fmt"
	"io"

	"github.com/linkassay/linkassay/reports"
	"github.com/linkassay/linkassay/suites/canary"
)

// EMF writes each round as a line in CloudWatch's embedded metric format, which CloudWatch Logs makes metrics of
// (CloudWatch User Guide, "Specification: Embedded metric format").
type EMF struct{ w io.Writer }

// NewEMF writes to w.
func NewEMF(w io.Writer) *EMF { return &EMF{w} }

type emfMetric struct {
	Name string
	Unit string `json:",omitempty"`
}

type emfDirective struct {
	Namespace  string
	Dimensions [][]string
	Metrics    []emfMetric
}

type emfMeta struct {
	Timestamp         int64 // milliseconds since 1970
	CloudWatchMetrics []emfDirective
}

// Round writes a round. What it could not tell is no value: an alarm on Success sees missing data, not a failure.
func (e *EMF) Round(r canary.Round) error {
	metrics := []emfMetric{{"Untold", "Count"}, {"Interrupted", "Count"}}
	line := map[string]any{
		"Link": r.Link, "Untold": number(r.Outcome == canary.Untold), "Interrupted": number(r.Outcome == canary.Interrupted),
	}
	if r.Outcome == canary.Good || r.Outcome == canary.Bad {
		metrics = append(metrics, emfMetric{"Success", "Count"}, emfMetric{"RoundTime", "Milliseconds"}, emfMetric{"ControlAge", "Seconds"})
		line["Success"], line["RoundTime"], line["ControlAge"] = number(r.Outcome == canary.Good), float64(r.Took.Microseconds())/1000, r.ControlAge.Seconds()
	}
	if r.Calls > 0 {
		metrics = append(metrics, emfMetric{"APICalls", "Count"})
		line["APICalls"] = r.Calls
	}
	line["_aws"] = emfMeta{Timestamp: r.Finished.UnixMilli(), CloudWatchMetrics: []emfDirective{{"linkassay", [][]string{{"Link"}}, metrics}}}
	return e.print(line)
}

// Change writes how many links an incident has, by its check and side: none when it has ended.
func (e *EMF) Change(c canary.Change) error {
	if c.Kind == canary.Recovered {
		return nil
	}
	links := 0
	if c.Incident.Open() {
		links = len(c.Incident.Links)
	}
	return e.print(map[string]any{
		"_aws": emfMeta{Timestamp: c.At.UnixMilli(), CloudWatchMetrics: []emfDirective{{
			"linkassay", [][]string{{"Check", "Side"}}, []emfMetric{{"IncidentLinks", "Count"}},
		}}},
		"Check": c.Incident.Cause.Check, "Side": c.Incident.Cause.Side, "IncidentLinks": links,
	})
}

func (e *EMF) print(line map[string]any) error {
	if err := reports.PrintJSON(e.w, line); err != nil {
		return fmt.Errorf("print an EMF line: %w", err)
	}
	return nil
}
