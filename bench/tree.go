package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/lab"
	"github.com/linkassay/linkassay/reports"
	"github.com/linkassay/linkassay/suites"
)

const (
	treeLinks  = 1000
	treeChecks = 60
)

// treeTook is what a tree child prints. The files are written while Ginkgo runs, as verify does it.
type treeTook struct {
	Specs                int
	Run, Write, Together time.Duration
}

// tree measures the Ginkgo tree, its run and all reports of a large fleet, from the Observation of the lab's healthy link. Ginkgo
// runs once in a process, so each run is one of its own.
func tree(ctx context.Context, b *book, s settings) error {
	dir, err := os.MkdirTemp("", "linkassay-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "observation.json")
	if err := withLink(ctx, func(l *lab.Lab, link provision.Link, src probes.Sources) error {
		link.Vantages, src.Vantages = link.Vantages[:1], src.Vantages[:1] // a fleet's link is looked at from one place
		kept, _, err := reports.Keep(probes.Observe(ctx, link, src, probes.Options{ReadFile: l.ReadFile}))
		if err != nil {
			return err
		}
		text, err := json.Marshal(kept)
		return errors.Join(err, os.WriteFile(path, text, 0o600))
	}); err != nil {
		return err
	}
	for _, checks := range []int{treeChecks, 0} {
		var run, write, all, peaks []float64
		var specs int
		for i := range min(s.runs, 3) {
			var took treeTook
			u, err := runChild(ctx, &took, "tree", path, fmt.Sprint(checks), filepath.Join(dir, fmt.Sprintf("%d-%d", checks, i)))
			if err != nil {
				return err
			}
			specs = took.Specs
			run, write, all = append(run, took.Run.Seconds()), append(write, took.Write.Seconds()), append(all, took.Together.Seconds())
			peaks = append(peaks, float64(u.Peak)/1e6)
		}
		name, g := fmt.Sprintf("%d links x %d checks", treeLinks, specs/treeLinks), goal{}
		if checks == treeChecks {
			g = atMost(5)
		}
		b.add(name+", tree, run and reports", "s", g, all...)
		b.add(name+", tree and run", "s", goal{}, run...)
		b.add(name+", all reports", "s", goal{}, write...)
		b.add(name+", memory at most", "MB", goal{}, peaks...)
	}
	return nil
}

// treeChild judges copies of a recorded Observation as verify does, and writes the reports.
func treeChild(ctx context.Context, args []string) error {
	if len(args) != 3 {
		return errors.New("expected OBSERVATION CHECKS DIR")
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	var checks int
	if _, err := fmt.Sscan(args[1], &checks); err != nil {
		return err
	}
	var observations []*probes.Observation
	for i := range treeLinks {
		var o probes.Observation
		if err := json.Unmarshal(text, &o); err != nil {
			return err
		}
		o.Link.Name = fmt.Sprintf("link-%04d", i)
		observations = append(observations, &o)
	}
	var filter string
	if checks > 0 {
		var ids []string
		for _, c := range suites.Catalogue()[:checks] {
			ids = append(ids, c.ID)
		}
		filter = strings.Join(ids, " || ")
	}
	began := time.Now()
	var runner suites.Runner
	result, wait, err := runner.Start(ctx, observations, suites.RunOptions{LabelFilter: filter})
	if err != nil {
		return err
	}
	judged, ran := time.Now(), time.Time{}
	var ginkgo sync.WaitGroup
	ginkgo.Go(func() {
		err = wait()
		ran = time.Now()
	})
	report := &reports.Report{Tool: "linkassay", Started: began, Finished: judged}
	for i, o := range observations {
		report.Links = append(report.Links, reports.LinkReport{Observation: o, Verdicts: result.Verdicts[i], Raw: &reports.Raw{}})
	}
	if err := os.Mkdir(args[2], 0o700); err != nil {
		return err
	}
	files := reports.Files(report)
	errs := make([]error, len(files))
	var side sync.WaitGroup // as bundles are written
	for i, f := range files {
		side.Go(func() {
			w, err := os.Create(filepath.Join(args[2], f.Name))
			if err == nil {
				err = errors.Join(f.Write(w), w.Close())
			}
			errs[i] = err
		})
	}
	side.Wait()
	written := time.Now()
	ginkgo.Wait()
	end := time.Now()
	if err := errors.Join(append(errs, err)...); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(treeTook{result.Selected, ran.Sub(began), written.Sub(judged), end.Sub(began)})
}
