package reports

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/linkassay/linkassay/suites"
)

// findings are what --format asff prints, decoded as a reader does that knows the format from the API reference.
func findings(t *testing.T, r *Report) []map[string]any {
	t.Helper()
	var all []map[string]any
	if err := json.Unmarshal([]byte(printed(t, r, ASFFFormat, PrintOptions{})), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// checkFinding holds a finding against the limits and enumerations of AwsSecurityFinding (Security Hub API reference).
func checkFinding(t *testing.T, f map[string]any) {
	t.Helper()
	text := func(path ...string) string {
		var at any = f
		for _, p := range path {
			m, _ := at.(map[string]any)
			at = m[p]
		}
		s, _ := at.(string)
		return s
	}
	for path, most := range map[string]int{
		"SchemaVersion": 10, "Id": 512, "ProductArn": 2048, "GeneratorId": 512, "AwsAccountId": 12, "Title": 256, "Description": 1024,
		"CreatedAt": 30, "UpdatedAt": 30, "ProductName": 128, "Region": 64, "RecordState": 8,
	} {
		if s := text(path); strings.TrimSpace(s) == "" || len(s) > most || strings.ContainsFunc(s, unicode.IsControl) {
			t.Errorf("%s: %q", path, s)
		}
	}
	account, region := text("AwsAccountId"), text("Region")
	if text("SchemaVersion") != "2018-10-08" || !regexp.MustCompile(`^[0-9]{12}$`).MatchString(account) {
		t.Errorf("version %s, account %s", text("SchemaVersion"), account)
	}
	if want := "arn:aws:securityhub:" + region + ":" + account + ":product/" + account + "/default"; text("ProductArn") != want {
		t.Errorf("ProductArn %s, want %s", text("ProductArn"), want)
	}
	for _, at := range []string{"CreatedAt", "UpdatedAt"} {
		if _, err := time.Parse("2006-01-02T15:04:05Z", text(at)); err != nil {
			t.Error(err)
		}
	}
	for value, of := range map[string][]string{
		text("Severity", "Label"):    {"INFORMATIONAL", "LOW", "MEDIUM", "HIGH", "CRITICAL"},
		text("Compliance", "Status"): {"PASSED", "FAILED", "WARNING", "NOT_AVAILABLE"},
		text("Workflow", "Status"):   {"NEW", "NOTIFIED", "RESOLVED", "SUPPRESSED"},
		text("RecordState"):          {"ACTIVE", "ARCHIVED"},
	} {
		if !slices.Contains(of, value) {
			t.Errorf("%q is none of %q", value, of)
		}
	}
	types, _ := f["Types"].([]any)
	if len(types) == 0 || len(types) > 50 || strings.Count(types[0].(string), "/") != 2 {
		t.Errorf("types %v", types)
	}
	resources, _ := f["Resources"].([]any)
	if len(resources) == 0 || len(resources) > 32 {
		t.Errorf("%d resources", len(resources))
	}
	for _, r := range resources {
		m := r.(map[string]any)
		if id, _ := m["Id"].(string); id == "" || len(id) > 512 || m["Type"] == "" || m["Region"] == "" || m["Partition"] != "aws" {
			t.Errorf("resource %v", m)
		}
	}
	requirements, _ := f["Compliance"].(map[string]any)["RelatedRequirements"].([]any)
	if len(requirements) > 32 {
		t.Errorf("%d requirements", len(requirements))
	}
	for _, r := range requirements {
		if s := r.(string); s == "" || len(s) > 64 {
			t.Errorf("requirement %q", s)
		}
	}
	if f["Remediation"] != nil {
		s, _ := f["Remediation"].(map[string]any)["Recommendation"].(map[string]any)["Text"].(string)
		if s == "" || len(s) > 512 {
			t.Errorf("remediation %q", s)
		}
	}
	fields := f["ProductFields"].(map[string]any)
	if len(fields) > 50 {
		t.Errorf("%d fields", len(fields))
	}
	for k, v := range fields {
		if s := v.(string); len(k) > 128 || s == "" || len(s) > 2048 {
			t.Errorf("field %s: %q", k, s)
		}
	}
	b, err := json.Marshal(f)
	if err != nil || len(b) > 240<<10 {
		t.Errorf("%d bytes: %v", len(b), err)
	}
}

func TestFindingsAreInTheFormat(t *testing.T) {
	t.Parallel()
	r := report(t, "healthy", "security-group-closed", "one-zone-down", "consumer-only", "txt-of-an-older-service")
	for i := range r.Links {
		r.Links[i].Observation.Link.Name = strings.Repeat("x", i+1)
	}
	all := findings(t, r)
	ids := map[string]bool{}
	n := 0
	for _, l := range r.Links {
		n += len(l.Verdicts)
	}
	if len(all) != n {
		t.Errorf("%d findings of %d verdicts", len(all), n)
	}
	for _, f := range all {
		checkFinding(t, f)
		if id := f["Id"].(string); ids[id] {
			t.Errorf("%s stands twice", id)
		} else {
			ids[id] = true
		}
	}
	later := *r
	later.Links = slices.Clone(r.Links)
	for i, l := range later.Links {
		o := *l.Observation
		o.Started, o.Finished = o.Started.Add(time.Hour), o.Finished.Add(time.Hour)
		later.Links[i].Observation = &o
	}
	for _, f := range findings(t, &later) {
		if !ids[f["Id"].(string)] {
			t.Errorf("%s is another one in a later run", f["Id"])
		}
	}
}

func TestFindingsOfHostileTexts(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ü\x1b[31m\u202e\r\n<script>", 5000)
	r := report(t, "security-group-closed")
	for i := range r.Links[0].Verdicts {
		v := &r.Links[0].Verdicts[i]
		v.Title, v.Reason, v.BlockedBy = long, long, long
		v.Facts = []suites.Fact{{Name: long, Value: long}}
		v.Fix = &suites.Fix{Text: long, Command: long}
		v.Accepted = &suites.Accepted{Reason: long, Expires: long}
	}
	r.Links[0].Observation.Provider.Service.Value.LoadBalancerARNs = slices.Repeat([]string{long}, 100)
	for _, f := range findings(t, r) {
		checkFinding(t, f)
	}
	if s := printed(t, r, ASFFFormat, PrintOptions{}); strings.ContainsAny(s, "\x1b\u202e\r") {
		t.Error("what a terminal obeys is printed as it is")
	}
}

func TestFindingsSayWhatThereIsToDo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		v    suites.Verdict
		want [4]string
	}{
		"passed":     {suites.Verdict{Status: suites.Passed, Severity: suites.Critical}, [4]string{"INFORMATIONAL", "PASSED", "RESOLVED", "ARCHIVED"}},
		"failed":     {suites.Verdict{Status: suites.Failed, Severity: suites.Critical}, [4]string{"HIGH", "FAILED", "NEW", "ACTIVE"}},
		"warning":    {suites.Verdict{Status: suites.Failed, Severity: suites.Warning}, [4]string{"MEDIUM", "FAILED", "NEW", "ACTIVE"}},
		"advice":     {suites.Verdict{Status: suites.Failed, Severity: suites.Advice}, [4]string{"LOW", "FAILED", "NEW", "ACTIVE"}},
		"accepted":   {suites.Verdict{Status: suites.Failed, Severity: suites.Critical, Accepted: &suites.Accepted{}}, [4]string{"HIGH", "FAILED", "SUPPRESSED", "ACTIVE"}},
		"no longer":  {suites.Verdict{Status: suites.Failed, Severity: suites.Critical, Accepted: &suites.Accepted{Expired: true}}, [4]string{"HIGH", "FAILED", "NEW", "ACTIVE"}},
		"not asked":  {suites.Verdict{Status: suites.Failed, Severity: suites.Critical, CouldNotAsk: true}, [4]string{"LOW", "WARNING", "NEW", "ACTIVE"}},
		"untold":     {suites.Verdict{Status: suites.Untold, Severity: suites.Critical}, [4]string{"LOW", "WARNING", "NEW", "ACTIVE"}},
		"blocked":    {suites.Verdict{Status: suites.Blocked, Severity: suites.Critical}, [4]string{"INFORMATIONAL", "NOT_AVAILABLE", "RESOLVED", "ARCHIVED"}},
		"irrelevant": {suites.Verdict{Status: suites.Skipped, Severity: suites.Critical}, [4]string{"INFORMATIONAL", "NOT_AVAILABLE", "RESOLVED", "ARCHIVED"}},
	} {
		severity, status, workflow, state := weigh(c.v)
		if got := [4]string{severity.Label, status, workflow, state}; got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// A finding stands in the account and Region of the side that mends it.
func TestFindingsAreTheOwners(t *testing.T) {
	t.Parallel()
	r := report(t, "security-group-closed")
	link := &r.Links[0].Observation.Link
	link.Provider.Region = "eu-west-1"
	seen := 0
	for _, f := range findings(t, r) {
		want := []string{link.Consumer.Account, link.Region}
		switch f["ProductFields"].(map[string]any)["linkassay/Check"] {
		case "connection.endpoint-security-group", "connection.endpoint-exists":
		case "connection.service-exists":
			want = []string{link.Provider.Account, "eu-west-1"}
		default:
			continue
		}
		seen++
		if got := []string{f["AwsAccountId"].(string), f["Region"].(string)}; !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", f["Id"], got, want)
		}
	}
	if seen != 3 {
		t.Errorf("%d of 3 checks", seen)
	}
}

// The command of docs/controls.md makes batches that BatchImportFindings takes.
func TestFindingsInBatchesOfJQ(t *testing.T) {
	t.Parallel()
	jq, err := exec.LookPath("jq")
	if err != nil {
		t.Skip("jq is not on PATH")
	}
	doc, err := os.ReadFile(filepath.Join("..", "docs", "controls.md"))
	if err != nil {
		t.Fatal(err)
	}
	r := report(t, "healthy", "security-group-closed", "one-zone-down", "txt-of-an-older-service", "healthy", "one-zone-down")
	account := r.Links[0].Observation.Link.Consumer.Account
	filter := regexp.MustCompile(`jq -c '([^']*)' findings.json`).FindSubmatch(doc)
	if filter == nil {
		t.Fatal("docs/controls.md has no command of jq")
	}
	cmd := exec.Command(jq, "-c", strings.ReplaceAll(string(filter[1]), "222222222222", account))
	cmd.Stdin = strings.NewReader(printed(t, r, ASFFFormat, PrintOptions{}))
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	want := 0
	for _, f := range findings(t, r) {
		if f["AwsAccountId"] == account {
			want++
		}
	}
	got, lines := 0, strings.Split(strings.TrimSpace(string(out)), "\n")
	for _, line := range lines {
		var batch []map[string]any
		if err := json.Unmarshal([]byte(line), &batch); err != nil || len(batch) == 0 || len(batch) > 100 {
			t.Errorf("a batch of %d: %v", len(batch), err)
		}
		got += len(batch)
	}
	if got != want || len(lines) < 2 {
		t.Errorf("%d findings in %d batches, want %d", got, len(lines), want)
	}
}
