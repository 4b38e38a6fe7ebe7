package evidence

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/linkassay/linkassay/reports"
	"github.com/linkassay/linkassay/suites"
)

// Whoever edits the page that people read, and makes its digest right again, is found out by the build that wrote it, and
// told of by others.
func TestEditedPages(t *testing.T) {
	t.Parallel()
	r := runOf(t, "", "security-group-closed")
	good := load(t, bundleOf(t, r, SealOptions{}))
	writer := Options{Version: r.Version, Build: r.Build}
	result, err := Verify(good, writer)
	if err != nil || result.Err() != nil {
		t.Fatal(err, result.Err())
	}
	made := slices.DeleteFunc(slices.Sorted(maps.Keys(good)), func(name string) bool {
		return name == reports.RunFile || name == StatementFile || name == InstructionsFile || name == SumsFile
	})
	if slices.Sort(result.Pages); !slices.Equal(result.Pages, made) || len(made) < 6 {
		t.Errorf("compared %q, want %q", result.Pages, made)
	}
	for name, edit := range map[string][2]string{
		"report.html":        {"BROKEN", "WORKS"},
		"report.md":          {"connection.endpoint-security-group", "connection.another"},
		"junit.xml":          {"<failure", "<skipped"},
		reports.ControlsFile: {"provides evidence against", "provides evidence for"},
		"dns.txt":            {";; The DNS answers", ";; DNS answers"},
		"certificates.pem":   {"The certificates that", "Certificates that"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			other := maps.Clone(good)
			text := bytes.Replace(good[name].Data, []byte(edit[0]), []byte(edit[1]), 1)
			if bytes.Equal(text, good[name].Data) {
				t.Fatalf("%q is not in %s", edit[0], name)
			}
			other[name] = &fstest.MapFile{Data: text, Mode: 0o644}
			other = resummed(other)
			refused(t, other, writer, name+" does not say what run.json does")
			result, err := Verify(other, Options{Version: "0.2.0"})
			if err != nil || result.Err() != nil || slices.Contains(result.Pages, name) {
				t.Fatalf("%+v, %v", result, err)
			}
			if !slices.ContainsFunc(result.Notes, func(n string) bool {
				return strings.HasPrefix(n, "not what this build makes of run.json, which was written by linkassay 0.1.0: "+name)
			}) {
				t.Errorf("no note: %q", result.Notes)
			}
		})
	}
}

// A file that is listed must be one that a bundle has, and none may be left out.
func TestListedFiles(t *testing.T) {
	t.Parallel()
	r := runOf(t, "identity", "provider-only")
	good := load(t, bundleOf(t, r, SealOptions{}))
	writer := Options{Version: r.Version, Build: r.Build}
	other := maps.Clone(good)
	other["audit-opinion.html"] = &fstest.MapFile{Data: []byte("all is well"), Mode: 0o644}
	other = resummed(other)
	refused(t, other, writer, `"audit-opinion.html" is no file that linkassay 0.1.0 writes`)
	result, err := Verify(other, Options{})
	if err != nil || result.Err() != nil || !slices.Contains(result.Notes, "not checked but for their digests: audit-opinion.html") {
		t.Errorf("%+v, %v", result, err)
	}
	other = maps.Clone(good)
	delete(other, reports.ControlsFile)
	refused(t, resummed(other), writer, "SHA256SUMS does not list controls.csv")
}

// No catalogue had a revision below 1: an edited verdict does not pass as one of an older catalogue by that.
func TestRevisionsBeginWithOne(t *testing.T) {
	t.Parallel()
	r := older(t, func(v []suites.Verdict) []suites.Verdict {
		at(t, v, "identity.clock-right").Revision = 0
		return v
	})
	refused(t, forge(t, r), Options{}, "identity.clock-right is recorded in revision 0")
}
