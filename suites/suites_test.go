package suites_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/onsi/ginkgo/v2"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision/lab"
	"github.com/linkassay/linkassay/suites"
)

// TestSuites runs the checks as a Ginkgo suite, against a link in a lab of its own, or those of the
// link file that LINKASSAY_LINK names (an absolute path, or one from the module's root):
//
//	go test -count=1 ./suites
//	LINKASSAY_LINK=link.yaml ginkgo -p --randomize-all ./suites
//
// go test runs the package's other tests too, unless -run TestSuites is given; ginkgo runs this one. The observation is made before the specs run, once in each of Ginkgo's processes: specs only judge.
func TestSuites(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	observations, err := observe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if suites.Register(func() []*probes.Observation { return observations }) == 0 {
		t.Fatal("there is nothing to judge")
	}
	ginkgo.RunSpecs(t, "linkassay")
}

// onlyTheSuite leaves TestSuites alone to run where Ginkgo's flags are given, which its command line always does:
// the other tests are no specs, and each of its processes would run them all.
func onlyTheSuite() {
	ginkgos, chosen := false, false
	flag.Visit(func(f *flag.Flag) {
		ginkgos = ginkgos || strings.HasPrefix(f.Name, "ginkgo.")
		chosen = chosen || f.Name == "test.run"
	})
	if ginkgos && !chosen {
		if err := flag.Set("test.run", "^TestSuites$"); err != nil {
			panic(err)
		}
	}
}

// observe gets the Observations to judge: recorded (LINKASSAY_OBSERVATION), of a link file, or of
// the lab.
func observe(ctx context.Context) ([]*probes.Observation, error) {
	if path := os.Getenv("LINKASSAY_OBSERVATION"); path != "" {
		return recording(path)
	}
	if path := os.Getenv("LINKASSAY_LINK"); path != "" {
		return linksOf(ctx, path)
	}
	l, err := lab.Start(ctx, lab.Options{})
	if err != nil {
		return nil, err
	}
	if _, err = l.Provision(ctx, nil); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	o, err := observeLab(ctx, l, nil)
	return []*probes.Observation{o}, errors.Join(err, l.Close())
}

// recording reads a recorded Observation.
func recording(path string) ([]*probes.Observation, error) {
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
