package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/reports"
	"github.com/linkassay/linkassay/suites"
)

// The types of statement.json.
const (
	statementType = "https://in-toto.io/Statement/v1"
	predicateType = "https://in-toto.io/attestation/test-result/v0.1"
)

// statement is an in-toto Statement of what the tests came to. Its subject is run.json.
type statement struct {
	Type          string       `json:"_type"`
	Subject       []descriptor `json:"subject"`
	PredicateType string       `json:"predicateType"`
	Predicate     testResult   `json:"predicate"`
}

// descriptor is an in-toto ResourceDescriptor.
type descriptor struct {
	Name        string            `json:"name"`
	Digest      map[string]string `json:"digest"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// testResult is the predicate test-result v0.1. Tests are LINK/CHECK. A blocked or skipped check is none of the
// three: it was not judged.
type testResult struct {
	Result        string       `json:"result"` // PASSED, WARNED or FAILED
	Configuration []descriptor `json:"configuration"`
	PassedTests   []string     `json:"passedTests"`
	WarnedTests   []string     `json:"warnedTests"`
	FailedTests   []string     `json:"failedTests"`
}

// makeStatement says what the report came to. runDigest is that of run.json.
func makeStatement(r *reports.Report, runDigest [sha256.Size]byte) (statement, error) {
	p := testResult{Configuration: []descriptor{}, PassedTests: []string{}, WarnedTests: []string{}, FailedTests: []string{}}
	for _, l := range r.Links {
		link := l.Observation.Link
		digest, err := linkDigest(&link)
		if err != nil {
			return statement{}, err
		}
		p.Configuration = append(p.Configuration, descriptor{
			Name: "link " + link.Name, Digest: digest,
			Annotations: map[string]string{"profile": string(r.Profile), "selection": r.Selection},
		})
		for _, v := range l.Verdicts {
			id := v.Link + "/" + v.Check
			told := v.Status == suites.Failed || v.Status == suites.Untold
			switch {
			case v.Status == suites.Passed:
				p.PassedTests = append(p.PassedTests, id)
			case told && suites.Required(v, r.FailOn):
				p.FailedTests = append(p.FailedTests, id)
			case told:
				p.WarnedTests = append(p.WarnedTests, id)
			}
		}
	}
	switch {
	case len(p.FailedTests) > 0 || r.ExitCode != 0:
		p.Result = "FAILED"
	case len(p.WarnedTests) > 0:
		p.Result = "WARNED"
	default:
		p.Result = "PASSED"
	}
	return statement{
		Type: statementType, PredicateType: predicateType, Predicate: p,
		Subject: []descriptor{{Name: reports.RunFile, Digest: map[string]string{"sha256": hex.EncodeToString(runDigest[:])}}},
	}, nil
}

// linkDigest is the digest of a link as run.json has it, in compact form.
func linkDigest(l *provision.Link) (map[string]string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // as jq -cj prints it
	if err := e.Encode(l); err != nil {
		return nil, fmt.Errorf("encode link %s: %w", l.Name, err)
	}
	sum := sha256.Sum256(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
	return map[string]string{"sha256": hex.EncodeToString(sum[:])}, nil
}

func encodeStatement(r *reports.Report, sums []sum) ([]byte, error) {
	i := slices.IndexFunc(sums, func(s sum) bool { return s.name == reports.RunFile })
	if i < 0 {
		return nil, errors.New("write the statement: there is no " + reports.RunFile)
	}
	s, err := makeStatement(r, sums[i].digest)
	if err != nil {
		return nil, err
	}
	b, err := json.MarshalIndent(s, "", " ")
	return append(b, '\n'), err
}

// checkStatement says whether statement.json says what run.json does.
func checkStatement(b []byte, r *reports.Report, runDigest [sha256.Size]byte) error {
	want, err := makeStatement(r, runDigest)
	if err != nil {
		return err
	}
	var got statement
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil {
		return fmt.Errorf("read %s: %w", StatementFile, err)
	}
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("%s does not say what %s does", StatementFile, reports.RunFile)
	}
	return nil
}
