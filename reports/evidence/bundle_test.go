package evidence

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/reports"
	"github.com/linkassay/linkassay/reports/evidence/signers"
	"github.com/linkassay/linkassay/suites"
)

// recording is an Observation that is recorded for package suites, with certificates and DNS messages.
func recording(t testing.TB, name string) *probes.Observation {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "suites", "testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	o := new(probes.Observation)
	if err := json.Unmarshal(b, o); err != nil {
		t.Fatal(err)
	}
	for i := range o.Reach.TLS.Value {
		for k := range o.Reach.TLS.Value[i].Chain {
			o.Reach.TLS.Value[i].Chain[k].DER = []byte{byte(k)}
		}
	}
	for _, lookups := range []*probes.Item[[]probes.Lookup]{o.DNS.Private, o.DNS.Regional} {
		for i := range lookups.Value {
			lookups.Value[i].Wire = []byte{byte(i), 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0}
		}
	}
	return o
}

// runOf is a run over these recordings, judged as verify judges.
func runOf(t testing.TB, selection string, names ...string) *reports.Report {
	t.Helper()
	r := &reports.Report{
		Tool: "linkassay", Version: "0.1.0", Build: reports.Build{Go: "go1.26", OS: "linux", Arch: "amd64"}, Selection: selection,
		Started: time.Date(2026, 9, 1, 8, 30, 0, 0, time.UTC), Finished: time.Date(2026, 9, 1, 8, 30, 1, 250e6, time.UTC),
		Catalogue: suites.Digest(suites.Catalogue()),
	}
	for i, name := range names {
		kept, raw, err := reports.Keep(recording(t, name))
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			kept.Link.Name += "-" + name
		}
		r.Links = append(r.Links, reports.LinkReport{Observation: kept, Raw: raw})
	}
	return judge(t, r)
}

// judge fills in the verdicts and the exit code.
func judge(t testing.TB, r *reports.Report) *reports.Report {
	t.Helper()
	selected, err := suites.Select(r.Selection)
	if err != nil {
		t.Fatal(err)
	}
	for i := range r.Links {
		r.Links[i].Verdicts = suites.Judge(r.Links[i].Observation, suites.Catalogue(), selected)
	}
	switch s := r.Summary(); {
	case s.RequiredFailed > 0:
		r.ExitCode, r.ExitReasons = 1, []string{"a required check failed"}
	case s.RequiredUntold > 0:
		r.ExitCode, r.ExitReasons = 3, []string{"could not tell"}
	}
	return r
}

// bundleOf seals a run in a new directory.
func bundleOf(t testing.TB, r *reports.Report, o SealOptions) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "evidence")
	b, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Observe(r); err != nil {
		t.Fatal(err)
	}
	if err := b.Seal(t.Context(), judge(t, r), o); err != nil {
		t.Fatal(err)
	}
	return dir
}

// signed makes a key, and options to sign with it and to allow it.
func signed(t testing.TB) (SealOptions, Options) {
	t.Helper()
	k, err := signers.Throwaway()
	if err != nil {
		t.Fatal(err)
	}
	return SealOptions{Key: k}, Options{RequireSignature: true, AllowedSigners: []byte(AllowedSignersLine("ops@example.com", k.PublicKey()))}
}

// load reads a bundle into memory.
func load(t testing.TB, dir string) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	for _, name := range namesIn(t, dir) {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: b, Mode: 0o644}
	}
	return files
}

// resummed makes the digests right again.
func resummed(files fstest.MapFS) fstest.MapFS {
	var sums []sum
	for name, f := range files {
		if name != SumsFile && name != SignatureFile && name != StampFile {
			sums = append(sums, sum{name, sha256.Sum256(f.Data)})
		}
	}
	files[SumsFile] = &fstest.MapFile{Data: encodeSums(sums), Mode: 0o644}
	return files
}

// refused wants a bundle to be refused for a reason that has the text in it.
func refused(t *testing.T, files fs.FS, o Options, want string) {
	t.Helper()
	r, err := Verify(files, o)
	switch {
	case err != nil:
		t.Errorf("not refused, but unreadable: %v", err)
	case r.Verified || !errors.Is(r.Err(), ErrRefused):
		t.Errorf("verified, want it refused for %q", want)
	case !strings.Contains(r.Err().Error(), want):
		t.Errorf("refused for %q, want %q", r.Err(), want)
	}
}

func namesIn(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func verified(t testing.TB, dir string, o Options) *Result {
	t.Helper()
	r, err := VerifyDir(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestBundle(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"healthy", "security-group-closed", "provider-only", "consumer-only", "txt-missing", "one-zone-down"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runOf(t, "", name)
			dir := bundleOf(t, r, SealOptions{})
			want := []string{SumsFile, StatementFile, InstructionsFile}
			for _, f := range reports.Files(r) {
				want = append(want, f.Name)
			}
			slices.Sort(want)
			if got := namesIn(t, dir); !slices.Equal(got, want) {
				t.Errorf("%v, want %v", got, want)
			}
			result := verified(t, dir, Options{})
			if result.Replay.Checks != len(r.Links[0].Verdicts) || result.Files != len(want) || len(result.Replay.Revised)+len(result.Replay.New) > 0 {
				t.Errorf("%+v", result)
			}
		})
	}
}
