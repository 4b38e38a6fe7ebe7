package evidence

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/linkassay/linkassay/reports"
	"github.com/linkassay/linkassay/suites"
)

// reread is the report as run.json has it. The pages are made of that and of nothing else, so that whoever reads run.json
// can make them again.
func reread(r *reports.Report) (*reports.Report, error) {
	plain, err := reports.Encode(r)
	if err != nil {
		return nil, err
	}
	again, err := reports.Decode(plain)
	if err != nil {
		return nil, err
	}
	for i := range again.Links {
		again.Links[i].Raw.Add(r.Links[i].Raw)
	}
	return again, nil
}

// pages makes all that is made of run.json once more and compares it: people read report.html, and CI reads junit.xml. What
// this same build wrote must be the same to the byte. Another build may have written it otherwise: that is noted.
func (v *verification) pages(r *reports.Report, raw *reports.Raw) error {
	if len(r.Links) > 0 {
		r.Links[0].Raw.Add(raw)
	}
	same := v.o.Version != "" && r.Version == v.o.Version && r.Build.Revision == v.o.Build.Revision &&
		r.Catalogue == suites.Digest(suites.Catalogue())
	known := []string{StatementFile, InstructionsFile}
	var differ []string
	for _, f := range reports.Files(r) {
		known = append(known, f.Name)
		i := slices.IndexFunc(v.sums, func(s sum) bool { return s.name == f.Name })
		switch {
		case f.Name == reports.RunFile:
			continue
		case i < 0 && same:
			return refuse("%s does not list %s, which linkassay %s writes", SumsFile, f.Name, r.Version)
		case i < 0:
			continue
		}
		h := sha256.New()
		if err := guarded(func() error { return f.Write(h) }); err != nil {
			return refuse("%s can't be made of %s: %v", f.Name, reports.RunFile, err)
		}
		if [sha256.Size]byte(h.Sum(nil)) != v.sums[i].digest {
			differ = append(differ, f.Name)
			continue
		}
		v.result.Pages = append(v.result.Pages, f.Name)
	}
	var strange []string
	for _, s := range v.sums {
		if !slices.Contains(known, s.name) {
			strange = append(strange, s.name)
		}
	}
	if same {
		var wrong refusal
		for _, name := range differ {
			wrong = append(wrong, fmt.Sprintf("%s does not say what %s does: linkassay %s makes another file of it", name, reports.RunFile, r.Version))
		}
		for _, name := range strange {
			wrong = append(wrong, fmt.Sprintf("%q is no file that linkassay %s writes", name, r.Version))
		}
		if len(wrong) > 0 {
			return wrong
		}
		return nil
	}
	if len(differ) > 0 {
		v.result.Notes = append(v.result.Notes, fmt.Sprintf("not what this build makes of %s, which was written by linkassay %s: %s", reports.RunFile, r.Version, strings.Join(differ, ", ")))
	}
	if len(strange) > 0 {
		v.result.Notes = append(v.result.Notes, fmt.Sprintf("not checked but for their digests: %s", strings.Join(strange, ", ")))
	}
	return nil
}
