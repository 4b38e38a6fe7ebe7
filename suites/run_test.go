package suites

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/onsi/ginkgo/v2/types"

	"github.com/linkassay/linkassay/probes"
)

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	links := []*probes.Observation{healthy()}
	var r Runner
	if _, err := r.Run(t.Context(), links, RunOptions{LabelFilter: "no-such-label"}); !errors.Is(err, ErrNothingSelected) {
		t.Errorf("nothing selected: %v", err)
	}
	if _, err := r.Run(t.Context(), nil, RunOptions{}); !errors.Is(err, ErrNothingSelected) {
		t.Errorf("no link: %v", err)
	}
	if _, err := r.Run(t.Context(), links, RunOptions{LabelFilter: "dns &&"}); err == nil || !strings.Contains(err.Error(), "expected labels") {
		t.Errorf("bad filter: %v", err)
	}
	used := Runner{}
	used.used.Store(true)
	if _, err := used.Run(t.Context(), links, RunOptions{}); !errors.Is(err, ErrUsedTwice) {
		t.Errorf("used twice: %v", err)
	}
}

func TestInterruptedRunStillJudges(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var r Runner
	result, err := r.Run(ctx, []*probes.Observation{healthy()}, RunOptions{})
	if err != nil || !reflect.DeepEqual(result.All(), Judge(healthy(), Catalogue(), nil)) {
		t.Errorf("%v, %d verdicts", err, len(result.All()))
	}
}

// childEnv makes TestRunChild run, in a process of its own: Ginkgo runs once in a process.
const childEnv = "LINKASSAY_TEST_RUN_CHILD"

// childLinks are two links that differ, one with a name that Ginkgo would not take for a label.
func childLinks() []*probes.Observation {
	broken := healthy()
	broken.Link.Name = "pay, (and) & bill"
	broken.Consumer.SecurityGroups.Value[0].Ingress = nil
	allTCP(broken, probes.TimedOut)
	return []*probes.Observation{healthy(), broken}
}

func TestRunChild(t *testing.T) {
	path := os.Getenv(childEnv)
	if path == "" {
		t.Skip("runs in a child process of TestRun")
	}
	var r Runner
	var out bytes.Buffer
	result, err := r.Run(t.Context(), childLinks(), RunOptions{LabelFilter: "!verification", Output: &out})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Run(t.Context(), childLinks(), RunOptions{}); !errors.Is(err, ErrUsedTwice) {
		t.Errorf("the second run: %v", err)
	}
	if !strings.Contains(out.String(), "connection.endpoint-security-group") {
		t.Errorf("Ginkgo's output lacks the failed check:\n%s", out.String())
	}
	b, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "result.json")
	stdout := child(t, []string{childEnv + "=" + path}, "-test.run=^TestRunChild$")
	var result Result
	read(t, path, &result)
	selection, err := Select("!verification")
	if err != nil {
		t.Fatal(err)
	}
	selected := 0
	for i, o := range childLinks() {
		want := Judge(o, Catalogue(), selection)
		selected += len(want)
		if !reflect.DeepEqual(result.Verdicts[i], want) {
			t.Errorf("%s: Run and Judge differ", o.Link.Name)
		}
	}
	if result.Selected != selected {
		t.Errorf("selected %d, want %d", result.Selected, selected)
	}
	// Only the testing package's own words: stdout is for results.
	if got := strings.TrimSpace(stdout); got != "PASS" {
		t.Errorf("stdout: %q", got)
	}
}

// The same verdicts in whatever order and share the specs run, and the exit code tells of failures. It is the
// ginkgo command that runs them, as it comes: the package's other tests must not run in its processes.
func TestSameVerdictsHoweverGinkgoRuns(t *testing.T) {
	t.Parallel()
	path, err := filepath.Abs(filepath.Join("testdata", "security-group-closed.json"))
	if err != nil {
		t.Fatal(err)
	}
	var o probes.Observation
	read(t, path, &o)
	want := map[string]bool{}
	for _, v := range Judge(&o, Catalogue(), nil) {
		want[entry(v)] = true
	}
	ginkgo := ginkgoCLI(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"in order":                {},
		"randomised":              {"--randomize-all", "--seed=42"},
		"focused":                 {"--focus=reachability"},
		"labelled":                {"--label-filter=dns"},
		"in parallel":             {"-p", "--procs=2"},
		"in parallel, randomised": {"--procs=3", "--randomize-all"},
		"in parallel, focused":    {"--procs=2", "--focus=reachability"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			// The CLI takes a compiled suite by the name that go test -c gives it.
			if err := os.Symlink(exe, filepath.Join(dir, "suites.test")); err != nil {
				t.Skip(err)
			}
			// What follows -- goes to the binary: it names each test that it begins.
			args := append(args, "--no-color", "--json-report=report.json", "--output-dir="+dir, "suites.test", "--", "-test.v")
			cmd := exec.CommandContext(t.Context(), ginkgo, args...)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "LINKASSAY_OBSERVATION="+path)
			out, err := cmd.CombinedOutput()
			failing := !strings.Contains(name, "focused") && name != "labelled"
			if (err != nil) != failing {
				t.Errorf("exit: %v, want a failure: %t", err, failing)
			}
			sameEntries(t, filepath.Join(dir, "report.json"), want, failing)
			for _, line := range strings.Split(string(out), "\n") {
				if begun, ok := strings.CutPrefix(strings.TrimSpace(line), "=== RUN"); ok && strings.TrimSpace(begun) != "TestSuites" {
					t.Errorf("another test ran: %s", line)
				}
			}
			if t.Failed() {
				t.Logf("%s", out)
			}
		})
	}
}

// sameEntries compares the verdicts in Ginkgo's JSON report with the wanted ones; a part of them will
// do when not all were selected.
func sameEntries(t *testing.T, report string, want map[string]bool, all bool) {
	t.Helper()
	b, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	var reports []types.Report
	if err := json.Unmarshal(b, &reports); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, r := range reports {
		for _, s := range r.SpecReports {
			for _, e := range s.ReportEntries {
				if e.Name == "verdict" {
					got[e.StringRepresentation()] = true
				}
			}
		}
	}
	if all && !maps.Equal(got, want) {
		t.Errorf("%d verdicts, want %d", len(got), len(want))
	}
	for e := range got {
		if !want[e] {
			t.Errorf("%s is not a verdict of Judge", e)
		}
	}
	if len(got) == 0 {
		t.Error("no verdict")
	}
}

func child(t *testing.T, env []string, args ...string) string {
	t.Helper()
	cmd := again(t, env, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, out.String(), errs.String())
	}
	return out.String()
}

// again runs this test binary again.
func again(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, args...)
	cmd.Env = append(os.Environ(), env...)
	return cmd
}

// ginkgoCLI builds the ginkgo command of the module's own version.
func ginkgoCLI(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the ginkgo command: not with -short")
	}
	path := filepath.Join(t.TempDir(), "ginkgo")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "github.com/onsi/ginkgo/v2/ginkgo").CombinedOutput()
	if err != nil {
		t.Fatalf("build ginkgo: %v\n%s", err, out)
	}
	return path
}
