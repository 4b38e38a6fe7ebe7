package evidence

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
)

// go test ./reports/evidence -run Golden -update-golden writes the bundle of the present format, if there is none
// yet: one that was released is never written again.
var updateGolden = flag.Bool("update-golden", false, "write the golden bundle of this format, where there is none")

// Bundles of every format that there ever was stay verifiable. When this fails because a field was added to an
// Observation, a Link or a Verdict, that field needs omitempty or omitzero: what is recorded does not have it.
func TestGoldenBundles(t *testing.T) {
	t.Parallel()
	current := filepath.Join("testdata", "run-v1")
	if _, err := os.Stat(current); err != nil && *updateGolden {
		writeGolden(t, current)
	}
	bundles, err := filepath.Glob(filepath.Join("testdata", "run-*"))
	if err != nil || len(bundles) == 0 {
		t.Fatalf("no golden bundles: %v", err)
	}
	for _, dir := range bundles {
		if filepath.Ext(dir) != "" {
			continue // who may sign one
		}
		allowed, err := os.ReadFile(dir + ".signers")
		if err != nil {
			t.Fatal(err)
		}
		r := verified(t, dir, Options{RequireSignature: true, AllowedSigners: allowed})
		if r.Replay.Checks == 0 || r.Run.Summary.Failed == 0 {
			t.Errorf("%s: %+v", dir, r.Replay)
		}
		for _, n := range r.Notes {
			t.Logf("%s: %s", dir, n)
		}
	}
}

func writeGolden(t *testing.T, dir string) {
	t.Helper()
	seal, options := signed(t)
	r := runOf(t, "", "security-group-closed", "one-zone-down")
	b, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Observe(r); err != nil {
		t.Fatal(err)
	}
	if err := b.Seal(t.Context(), judge(t, r), seal); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+".signers", options.AllowedSigners, 0o644); err != nil {
		t.Fatal(err)
	}
}
