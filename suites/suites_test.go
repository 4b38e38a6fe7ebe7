package suites_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/onsi/ginkgo/v2"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/suites"
)

// observe gets the Observations that ginkgo ./suites and go test ./suites judge.
var observe = recording

// TestSuites runs the checks as a Ginkgo suite:
//
//	go test -count=1 ./suites
//	ginkgo -p --randomize-all ./suites
func TestSuites(t *testing.T) {
	observations, err := observe()
	if err != nil {
		t.Fatal(err)
	}
	if suites.Register(func() []*probes.Observation { return observations }) == 0 {
		t.Fatal("there is nothing to judge")
	}
	ginkgo.RunSpecs(t, "linkassay")
}

// recording reads the Observation named by LINKASSAY_OBSERVATION, or the healthy one.
func recording() ([]*probes.Observation, error) {
	path := os.Getenv("LINKASSAY_OBSERVATION")
	if path == "" {
		path = filepath.Join("testdata", "healthy.json")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the recorded observation: %w", err)
	}
	var o probes.Observation
	if err := json.Unmarshal(b, &o); err != nil {
		return nil, fmt.Errorf("read the recorded observation %s: %w", path, err)
	}
	if o.Format != probes.Format {
		return nil, fmt.Errorf("%s is %q, not %q", path, o.Format, probes.Format)
	}
	return []*probes.Observation{&o}, nil
}
