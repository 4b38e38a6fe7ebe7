package bundles

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/linkassay/linkassay/reports"
	"github.com/linkassay/linkassay/reports/evidence"
	"github.com/linkassay/linkassay/suites"
)

// write writes a bundle under another name, and renames it when it is sealed: what has its name is whole.
func (b *Bundles) write(ctx context.Context, j job) (err error) {
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("panic: %v", x)
		}
		if err != nil {
			err = errors.Join(err, b.root.RemoveAll(halfMade+j.name))
		}
	}()
	kept, raw, err := reports.Keep(j.round.Observation)
	if err != nil {
		return err
	}
	report := b.o.Report
	report.Started, report.Finished = j.round.Started, j.round.Finished
	report.Links = []reports.LinkReport{{Observation: kept, Raw: raw}}
	report.Notes = append(report.Notes[:len(report.Notes):len(report.Notes)], "a round of the canary, kept when it was made")
	if m := j.round.Maintenance; m != "" {
		report.Notes = append(report.Notes, "in maintenance: "+m)
	}
	bundle, err := evidence.Create(filepath.Join(b.dir, halfMade+j.name))
	if err != nil {
		return err
	}
	if err := bundle.Observe(&report); err != nil {
		return err
	}
	l := &report.Links[0]
	l.Verdicts = suites.Judge(l.Observation, suites.Catalogue(), b.o.Selection) // what is kept, as verify does
	switch s := report.Summary(); {
	case s.RequiredFailed > 0:
		report.ExitCode, report.ExitReasons = 1, []string{"a required check failed"}
	case s.RequiredUntold > 0 || s.Passed == 0:
		report.ExitCode, report.ExitReasons = 3, []string{"a required check could not be told"}
	}
	if err := bundle.Seal(ctx, &report, b.o.Seal); err != nil {
		return err
	}
	if err := b.root.Rename(halfMade+j.name, j.name); err != nil {
		return err
	}
	k, _ := parseName(j.name)
	k.bytes = b.sizeOf(j.name)
	b.tidying.Lock()
	b.kept[j.name] = k
	b.tidying.Unlock()
	return nil
}

// sizeOf is how many bytes the files of a bundle have.
func (b *Bundles) sizeOf(name string) (n int64) {
	_ = fs.WalkDir(b.root.FS(), name, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			if info, err := e.Info(); err == nil {
				n += info.Size()
			}
		}
		return nil
	})
	return n
}
