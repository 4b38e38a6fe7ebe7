package reports

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/linkassay/linkassay/suites"
)

// The limits of the AWS Security Finding Format (Security Hub user guide, ASFF, and API reference, AwsSecurityFinding):
// characters, or items in a list. Bytes are counted here, which is never more than is allowed.
const (
	maxFindingID    = 512
	maxFindingTitle = 256
	maxDescription  = 1024
	maxRemediation  = 512
	maxRequirement  = 64
	maxField        = 2048
	maxResources    = 32
	maxRequirements = 32
)

// Finding is a verdict in the AWS Security Finding Format, as BatchImportFindings takes it.
type Finding struct {
	SchemaVersion string
	ID            string `json:"Id"` // the same for the same link and check in every run
	ProductArn    string
	ProductName   string
	GeneratorID   string `json:"GeneratorId"`
	AwsAccountID  string `json:"AwsAccountId"` // of the side whose the fix is; only it may import the finding
	Region        string // of that side
	Types         []string
	CreatedAt     string
	UpdatedAt     string
	Severity      FindingSeverity
	Title         string
	Description   string
	Remediation   *FindingRemediation `json:",omitempty"`
	ProductFields map[string]string
	Resources     []FindingResource
	Compliance    FindingCompliance
	Workflow      FindingWorkflow
	RecordState   string
}

// FindingSeverity is the Severity of a Finding.
type FindingSeverity struct {
	Label    string // INFORMATIONAL, LOW, MEDIUM, HIGH
	Original string // linkassay's word
}

// FindingRemediation is the Remediation of a Finding.
type FindingRemediation struct {
	Recommendation struct{ Text string }
}

// FindingResource is one of the Resources of a Finding.
type FindingResource struct {
	Type      string
	ID        string `json:"Id"` // ARN where there is one
	Partition string
	Region    string
}

// FindingCompliance is the Compliance of a Finding.
type FindingCompliance struct {
	Status              string   // PASSED, FAILED, WARNING, NOT_AVAILABLE
	RelatedRequirements []string `json:",omitempty"`
}

// FindingWorkflow is the Workflow of a Finding. Security Hub heeds it only when a finding is new to it.
type FindingWorkflow struct{ Status string }

// Findings are the verdicts of all links as Security Hub takes them, in their order. Those that passed, that another
// check blocks and that do not apply are archived, so that a failure goes away when it is mended.
func Findings(r *Report) ([]Finding, error) {
	m, err := suites.Controls()
	if err != nil {
		return nil, err
	}
	catalogue := suites.Catalogue()
	all := []Finding{}
	for _, l := range r.Links {
		if l.Observation == nil {
			continue
		}
		resources := resourcesOf(l)
		for _, v := range l.Verdicts {
			check, _ := suites.Find(catalogue, v.Check)
			all = append(all, findingOf(r, l, v, check, m.Of(check), resources))
		}
	}
	return all, nil
}

func findingOf(r *Report, l LinkReport, v suites.Verdict, check suites.Check, controls []suites.Control, resources []FindingResource) Finding {
	link := l.Observation.Link
	account, region := link.Consumer.Account, link.Region
	if cmp.Or(v.Side, check.Side) == suites.ProviderSide {
		account, region = link.Provider.Account, link.ProviderRegion()
	}
	at := l.Observation.Finished
	if at.IsZero() {
		at = l.Observation.Started
	}
	f := Finding{
		SchemaVersion: "2018-10-08",
		ID:            cut("linkassay/"+link.Region+"/"+link.Consumer.Account+"/"+link.Name+"/"+v.Check, maxFindingID),
		ProductArn:    "arn:" + partitionOf(region) + ":securityhub:" + region + ":" + account + ":product/" + account + "/default",
		ProductName:   "linkassay",
		GeneratorID:   cut("linkassay/"+v.Check, maxFindingID),
		AwsAccountID:  account, Region: region,
		Types:         []string{"Software and Configuration Checks/AWS Security Best Practices/Network Reachability"},
		CreatedAt:     l.Observation.Started.UTC().Format(time.RFC3339),
		UpdatedAt:     at.UTC().Format(time.RFC3339),
		Title:         cut(link.Name+": "+v.Title, maxFindingTitle),
		Description:   cut(describe(v), maxDescription),
		Resources:     resources,
		ProductFields: productFields(r, v),
	}
	f.Severity, f.Compliance.Status, f.Workflow.Status, f.RecordState = weigh(v)
	for _, c := range controls {
		if len(f.Compliance.RelatedRequirements) < maxRequirements {
			f.Compliance.RelatedRequirements = append(f.Compliance.RelatedRequirements, cut(requirement(c), maxRequirement))
		}
	}
	if v.Fix != nil {
		if text := cut(v.Fix.Text, maxRemediation); text != "" {
			f.Remediation = &FindingRemediation{}
			f.Remediation.Recommendation.Text = text
		}
	}
	return f
}

// weigh says how much a verdict weighs, whether it was met, and whether there is something to do.
func weigh(v suites.Verdict) (severity FindingSeverity, status, workflow, state string) {
	severity = FindingSeverity{Label: "INFORMATIONAL", Original: string(v.Severity)}
	switch {
	case v.Status == suites.Passed:
		return severity, "PASSED", "RESOLVED", "ARCHIVED"
	case v.Status == suites.Untold, v.Status == suites.Failed && v.CouldNotAsk:
		severity.Label = "LOW"
		return severity, "WARNING", "NEW", "ACTIVE"
	case v.Status != suites.Failed:
		return severity, "NOT_AVAILABLE", "RESOLVED", "ARCHIVED"
	}
	switch v.Severity {
	case suites.Critical:
		severity.Label = "HIGH"
	case suites.Warning:
		severity.Label = "MEDIUM"
	default:
		severity.Label = "LOW"
	}
	if v.Stands() {
		return severity, "FAILED", "SUPPRESSED", "ACTIVE"
	}
	return severity, "FAILED", "NEW", "ACTIVE"
}

// describe says in a few lines what was found.
func describe(v suites.Verdict) string {
	if v.Status == suites.Passed {
		return "Holds: " + v.Title + ". " + factsLine(v)
	}
	s := strings.ToUpper(string(v.Status[:1])) + string(v.Status[1:]) + ": " + v.Title + "."
	if v.Reason != "" {
		s += " " + strings.TrimSuffix(v.Reason, ".") + "."
	}
	if a := acceptance(v); a != "" {
		s += " It is " + a + "."
	}
	return s + " " + factsLine(v)
}

func factsLine(v suites.Verdict) string {
	var facts []string
	for _, f := range v.Facts {
		facts = append(facts, f.Name+": "+f.Value)
	}
	return strings.Join(facts, "; ")
}

// productFields are what Security Hub has no field for.
func productFields(r *Report, v suites.Verdict) map[string]string {
	fields := map[string]string{}
	for name, value := range map[string]string{
		"linkassay/Link": v.Link, "linkassay/Check": v.Check, "linkassay/CheckRevision": fmt.Sprint(v.Revision), "linkassay/Status": string(v.Status),
		"linkassay/BlockedBy": v.BlockedBy, "linkassay/Side": string(v.Side), "linkassay/Version": r.Version,
	} {
		if value = cut(value, maxField); value != "" {
			fields[name] = value
		}
	}
	if v.Fix != nil && v.Fix.Command != "" {
		fields["linkassay/FixCommand"] = cut(v.Fix.Command, maxField)
	}
	return fields
}

// requirement names a control as Security Hub does where it has a way.
func requirement(c suites.Control) string {
	switch c.Framework {
	case "nist":
		return "NIST.800-53.r5 " + c.ID
	case "pci":
		return "PCI DSS v4.0.1/" + c.ID
	}
	return c.Name + "/" + c.ID
}

// resourcesOf are the parts of the link that have ids: the endpoint, the service, its load balancers.
func resourcesOf(l LinkReport) []FindingResource {
	o := l.Observation
	link := o.Link
	var all []FindingResource
	add := func(kind, region, id string) {
		if len(all) < maxResources {
			all = append(all, FindingResource{Type: kind, ID: cut(id, maxFindingID), Partition: partitionOf(region), Region: region})
		}
	}
	arn := func(region, account, rest string) string {
		return "arn:" + partitionOf(region) + ":ec2:" + region + ":" + account + ":" + rest
	}
	if id := cmp.Or(itemValue(o.Consumer.Endpoint).ID, link.Consumer.EndpointID); id != "" {
		add("Other", link.Region, arn(link.Region, link.Consumer.Account, "vpc-endpoint/"+id)) // ASFF has no type for it
	}
	service := itemValue(o.Provider.Service)
	if id := cmp.Or(service.ID, link.Provider.ServiceID); id != "" {
		add("AwsEc2VpcEndpointService", link.ProviderRegion(), arn(link.ProviderRegion(), link.Provider.Account, "vpc-endpoint-service/"+id))
	}
	for _, lb := range service.LoadBalancerARNs {
		kind := "Other"
		if strings.Contains(lb, ":loadbalancer/net/") {
			kind = "AwsElbv2LoadBalancer"
		}
		add(kind, link.ProviderRegion(), lb)
	}
	if len(all) == 0 { // at least one is required
		add("Other", link.Region, "linkassay/link/"+link.Name)
	}
	return all
}

// partitionOf is the partition of a Region (AWS General Reference, ARNs).
func partitionOf(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// cut makes a text harmless and no longer than most bytes.
func cut(s string, most int) string {
	s = strings.TrimSpace(clean(s))
	if len(s) <= most {
		return s
	}
	end := most - len("…")
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return strings.TrimSpace(s[:end]) + "…"
}

func writeASFF(w io.Writer, r *Report) error {
	all, err := Findings(r)
	if err != nil {
		return err
	}
	b, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		return fmt.Errorf("encode the findings: %w", err)
	}
	_, err = w.Write(append(escapeInvisible(b), '\n'))
	return err
}
