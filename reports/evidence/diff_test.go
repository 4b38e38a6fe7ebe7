package evidence

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/reports"
)

func TestDiff(t *testing.T) {
	t.Parallel()
	healthy := bundleOf(t, runOf(t, "", "healthy"), SealOptions{})
	d, err := DiffDirs(healthy, healthy)
	if err != nil || !d.Same || len(d.Changes) > 0 {
		t.Fatalf("%+v, %v", d, err)
	}
	// The same link, broken, configured, asked and judged otherwise, and another link beside it.
	r := runOf(t, "!advice", "security-group-closed", "provider-only")
	o := r.Links[0].Observation
	o.Link.Vantages = append(o.Link.Vantages, provision.Vantage{Name: "new", From: "local"})
	o.Consumer.Identity = &probes.Item[probes.Identity]{Value: probes.Identity{Account: "222222222222", ARN: "arn:aws:sts::222222222222:assumed-role/new/x"}}
	r.Version = "0.2.0"
	d, err = DiffDirs(healthy, bundleOf(t, r, SealOptions{}))
	if err != nil || d.Same {
		t.Fatalf("%+v, %v", d, err)
	}
	for _, want := range []Change{
		{"", ToolChange, "version", "0.1.0", "0.2.0"},
		{"", SelectionChange, "label filter", "", "!advice"},
		{"orders", VerdictChange, "connection.endpoint-security-group", "passed", "failed"},
		{"orders", VerdictChange, "reachability.tcp-interfaces", "passed", "blocked by connection.endpoint-security-group"},
		{"orders", ConfigurationChange, "vantages[4].from", "", "local"},
		{"orders-provider-only", LinkChange, "link", "", "there"},
	} {
		if !slices.Contains(d.Changes, want) && !(want.Kind == ConfigurationChange && slices.ContainsFunc(d.Changes, func(c Change) bool {
			return c.Kind == want.Kind && strings.HasSuffix(c.What, "].from") && c.Is == "local" && c.Was == ""
		})) {
			t.Errorf("no %+v", want)
		}
	}
	for _, kind := range []ChangeKind{FactChange, IdentityChange} {
		if !slices.ContainsFunc(d.Changes, func(c Change) bool { return c.Kind == kind && c.Link == "orders" }) {
			t.Errorf("no change of kind %s", kind)
		}
	}
	var table, encoded bytes.Buffer
	if err := errors.Join(PrintDiff(&table, d, reports.TableFormat), PrintDiff(&encoded, d, reports.JSONFormat)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"- linkassay 0.1.0, 2026-09-01 08:30:00 UTC, exit code 0\n", "\norders\n", "  verdict        connection.endpoint-security-group\n               - passed\n               + failed\n"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("no %q in\n%s", want, table.String())
		}
	}
	var again Diff
	if err := json.Unmarshal(encoded.Bytes(), &again); err != nil || again.Format != DiffFormat || !slices.Equal(again.Changes, d.Changes) {
		t.Errorf("%v\n%s", err, encoded.String())
	}
	// What is refused is not compared.
	if err := os.WriteFile(filepath.Join(healthy, "junit.xml"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := DiffDirs(healthy, healthy); !errors.Is(err, ErrRefused) {
		t.Error(err)
	}
}

// What a bundle says is printed as harmless text.
func TestPrintResult(t *testing.T) {
	t.Parallel()
	r := &Result{Dir: "evidence", Problems: []string{"\x1b[31mred\u202e"}, Notes: []string{"a\nb"}, Run: &Run{Tool: "x\x07", Links: []string{"a"}}}
	var b bytes.Buffer
	if err := PrintResult(&b, r, reports.TableFormat); err != nil {
		t.Fatal(err)
	}
	if s := b.String(); strings.ContainsAny(s, "\x1b\x07\u202e") || !strings.Contains(s, "a b") || !strings.HasPrefix(s, "REFUSED    evidence\n  because  ") {
		t.Errorf("%q", s)
	}
}
