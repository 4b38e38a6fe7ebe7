package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/reports"
	"github.com/linkassay/linkassay/suites"
)

// Each side's findings go to its own account with its own credentials, and to no account that may not be asked.
func TestImportGoesToTheOwners(t *testing.T) {
	var mu sync.Mutex
	took := map[string][]string{} // ids by account, Region and access key
	refuse := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Findings []struct{ ID, AwsAccountID string }
		}
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(body, &in)
		}
		if err != nil {
			t.Error(err)
		}
		if refuse != "" {
			w.Header().Set("X-Amzn-ErrorType", refuse)
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"Message":"no"}`)
			return
		}
		scope, _, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential="), "/aws4_request")
		mu.Lock()
		defer mu.Unlock()
		for _, f := range in.Findings {
			parts := strings.Split(scope, "/") // key, date, Region, service
			k := f.AwsAccountID + " " + parts[2] + " " + parts[0]
			took[k] = append(took[k], f.ID[strings.LastIndex(f.ID, "/")+1:])
		}
		fmt.Fprintf(w, `{"SuccessCount":%d,"FailedCount":0,"FailedFindings":[]}`, len(in.Findings))
	}))
	t.Cleanup(server.Close)
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", "KEY")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "SECRET")
	t.Setenv("AWS_CONFIG_FILE", "/nonexistent")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")

	link := provision.Link{Name: "orders", Region: "eu-west-1"}
	link.Provider.Account, link.Provider.Region = "111111111111", "us-east-1"
	link.Consumer.Account = "222222222222"
	verdicts := []suites.Verdict{
		{Link: "orders", Check: "connection.service-exists", Title: "there", Severity: suites.Critical, Status: suites.Passed},
		{Link: "orders", Check: "connection.endpoint-exists", Title: "there", Severity: suites.Critical, Status: suites.Failed, Side: suites.ConsumerSide},
	}
	run := func() (*assay, string) {
		clear(took)
		var stderr bytes.Buffer
		s := &assay{app: &app{streams: streams{err: &stderr}}}
		s.report.Links = []reports.LinkReport{{Observation: &probes.Observation{Link: link, Started: time.Now(), Finished: time.Now()}, Verdicts: verdicts}}
		s.importFindings(t.Context(), []provision.Link{link})
		return s, stderr.String()
	}
	s, said := run()
	if got := fmt.Sprint(took); s.err != nil || got != "map[111111111111 us-east-1 KEY:[connection.service-exists] 222222222222 eu-west-1 KEY:[connection.endpoint-exists]]" {
		t.Errorf("%s, %v", got, s.err)
	}
	if !strings.Contains(said, "imported 1 of 1 findings into Security Hub of account 222222222222 in eu-west-1") {
		t.Errorf("said %q", said)
	}

	link.Provider.Access = provision.AccessNone
	s, said = run()
	if got := fmt.Sprint(took); s.err != nil || strings.Contains(got, "111111111111") || !strings.Contains(said, "not imported: 1 findings of account 111111111111") {
		t.Errorf("%s, %v, said %q", got, s.err, said)
	}

	refuse = "AccessDeniedException"
	s, _ = run()
	if code, lines := exitCode(s.err); code != exitUntold || len(lines) != 1 || !strings.Contains(lines[0], "allow securityhub:BatchImportFindings") {
		t.Errorf("%d: %q", code, lines)
	}
}
