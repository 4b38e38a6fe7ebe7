package live

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/linkassay/linkassay/reports"
	"github.com/linkassay/linkassay/reports/evidence/ledger"
	"github.com/linkassay/linkassay/suites"
	"github.com/linkassay/linkassay/suites/canary"
)

func TestLines(t *testing.T) {
	t.Parallel()
	bad := round(canary.Bad)
	bad.Roots[0].Reason = "said \x1b[31m\u202e<script>\n"
	var all, quiet bytes.Buffer
	for _, l := range []*Lines{NewLines(&all, false), NewLines(&quiet, true)} {
		tell(t, l, round(canary.Good), bad, canary.Change{Kind: canary.Opened, At: noon, Incident: incident("orders")})
	}
	lines := strings.Split(strings.TrimSpace(all.String()), "\n")
	if len(lines) != 3 || strings.Count(quiet.String(), "\n") != 2 || strings.ContainsAny(all.String(), "\x1b\u202e") {
		t.Fatalf("%d lines:\n%s", len(lines), all.String())
	}
	for i, want := range []string{"round", "round", "incident"} {
		var v struct {
			Format, Type string
			Round        *canary.Round
			Incident     *canary.Change
		}
		if err := json.Unmarshal([]byte(lines[i]), &v); err != nil || v.Format != LineFormat || v.Type != want {
			t.Errorf("%v %+v", err, v)
		}
		if want == "incident" && (v.Incident.Incident.Links[0].Link != "orders" || v.Incident.Kind != canary.Opened) {
			t.Errorf("%+v", v.Incident)
		}
	}
	if err := NewLines(broken{}, false).Round(round(canary.Good)); !errors.Is(err, errBroken) {
		t.Errorf("a pipe that is closed: %v", err)
	}
}

var errBroken = errors.New("broken")

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errBroken }

func takeState(t *testing.T, path string) *StateFile {
	t.Helper()
	f, err := OpenStateFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestAStateFileIsOneCanarysAtATime(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.json")
	f := takeState(t, path)
	for range 2 { // the file is replaced meanwhile
		if _, err := OpenStateFile(path); !errors.Is(err, ErrStateTaken) || !strings.Contains(err.Error(), path) {
			t.Errorf("a second one: %v", err)
		}
		if err := f.Save(t.Context(), canary.NewBoard().State(noon)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err := takeState(t, path).Load(t.Context()); err != nil || s == nil {
		t.Errorf("the next one: %v %v", s, err)
	}
}

func TestStateFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.json")
	f := takeState(t, path)
	if s, err := f.Load(t.Context()); s != nil || err != nil {
		t.Errorf("no file: %v %v", s, err)
	}
	state := canary.NewBoard().State(noon)
	state.Incidents = []canary.Incident{incident("orders")}
	if err := f.Save(t.Context(), state); err != nil {
		t.Fatal(err)
	}
	again, err := f.Load(t.Context())
	if err != nil || again.Format != canary.StateFormat || len(again.Incidents) != 1 {
		t.Errorf("%+v %v", again, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	// What can't be written leaves the one before; what can't be read is told, never begun anew.
	if _, err := OpenStateFile(filepath.Join(path, "x")); err == nil {
		t.Error("a file is no folder: expected an error")
	}
	if err := os.WriteFile(path, []byte(`{"format":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Load(t.Context()); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("half a file: %v", err)
	}
}

// Who is killed while he saves leaves a file that nobody reads; the next one who has the state removes it.
func TestAStateFileIsSwept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "state.json")
	others := []string{".state.json.bak", ".state.json.12x", ".other.json.123", "state.json.123"}
	for _, name := range append(others, ".state.json.123", ".state.json.4567890123") {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	takeState(t, path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	want := append(others, "state.json.lock")
	slices.Sort(want)
	if !slices.Equal(left, want) {
		t.Errorf("left are %q, expected %q", left, want)
	}
}

func TestLedgerThinsWhatSaysTheSame(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "runs")
	p, err := ledger.ParsePlace(dir)
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.OpenOrCreate(t.Context(), p, ledger.Options{Tool: "test"})
	if err != nil {
		t.Fatal(err)
	}
	sink := NewLedger(l, "linkassay", "test", "", suites.Canary)
	var want []uint64
	for _, step := range []struct {
		outcome canary.Outcome
		after   time.Duration
		added   bool
	}{
		{canary.Good, 0, true},
		{canary.Good, time.Minute, false},
		{canary.Bad, time.Minute, true},
		{canary.Bad, time.Minute, true},
		{canary.Interrupted, time.Minute, false},
		{canary.Untold, time.Minute, true},
		{canary.Untold, time.Minute, false},
		{canary.Good, time.Minute, true},
		{canary.Good, 59 * time.Minute, false},
		{canary.Good, time.Hour, true},
	} {
		before, err := l.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r := round(step.outcome)
		r.Finished = sink.last["orders"].at.Add(step.after)
		if step.after == 0 {
			r.Finished = noon
		}
		tell(t, sink, r)
		head, err := l.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if (head.Seq > before.Seq) != step.added {
			t.Errorf("%s after %s: added %v", step.outcome, step.after, head.Seq > before.Seq)
		}
		want = append(want, head.Seq)
	}
	if !slices.IsSorted(want) || want[len(want)-1] != 6 {
		t.Errorf("%v", want)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "entries", "0000000002.json"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := ledger.DecodeEntry(b)
	if err != nil || e.Record.Kind != reports.KindRound || e.Record.ExitCode != 1 || time.Duration(e.Record.Every) != ThinnedTo || e.Record.Profile != suites.Canary {
		t.Errorf("%v %+v", err, e)
	}
}
