package suites

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/onsi/gomega"

	"github.com/linkassay/linkassay/probes"
)

func TestUndeclaredItemsCannotBeRead(t *testing.T) {
	t.Parallel()
	wrong := check("dns.reads-too-much", "reads an item that it does not declare",
		revision(1), severity(Critical), side(Network), needs("dns.private"), asserts("a"), why("b"), source("c"),
		fix(func(*probes.Observation) Fix { return Fix{Text: "d"} }),
		body(func(c *C, o *probes.Observation) {
			_, ok := value(o.Consumer.Endpoint)
			c.Fact("endpoint", "%t", ok)
		}))
	v := Judge(healthy(), []Check{wrong}, nil)[0]
	if v.Status != Untold || !strings.HasPrefix(v.Reason, "the check is wrong: ") {
		t.Errorf("%+v", v)
	}
}

func TestGomegaFailureEndsTheBody(t *testing.T) {
	t.Parallel()
	ran := false
	v := Judge(healthy(), []Check{tiny("dns.a", func(c *C, _ *probes.Observation) {
		c.Fact("seen", "1")
		c.Expect(1).To(gomega.Equal(2), "one is %d", 1)
		ran = true
	})}, nil)[0]
	if ran || v.Status != Failed || v.Reason != "one is 1" || len(v.Facts) != 1 {
		t.Errorf("ran on: %t, %+v", ran, v)
	}
}

func TestValidateRefuses(t *testing.T) {
	t.Parallel()
	nothing := func(*C, *probes.Observation) {}
	with := func(c Check, o ...option) Check {
		for _, o := range o {
			o(&c)
		}
		return c
	}
	a := tiny("dns.a", nothing)
	tests := []struct {
		name, want string
		catalogue  []Check
	}{
		{"a bad id", "kebab case", []Check{tiny("dns.NotKebab", nothing)}},
		{"an id without area", "kebab case", []Check{tiny("dns", nothing)}},
		{"twice the same id", "declared twice", []Check{a, a}},
		{"an unknown edge", "not a check", []Check{with(a, after("dns.gone"))}},
		{"an unknown item", "unknown item", []Check{with(a, needs("dns.nothing"))}},
		{"no item", "needs no item", []Check{with(a, needs())}},
		{"a circle", "round in a circle: dns.a after dns.b after dns.a", []Check{with(a, after("dns.b")), with(tiny("dns.b", nothing), because("dns.a"))}},
		{"critical after warning", "can't come after", []Check{with(a, after("dns.b")), with(tiny("dns.b", nothing), severity(Warning))}},
		{"no revision", "starts at 1", []Check{with(a, revision(0))}},
		{"no source", "must be given", []Check{with(a, source(""))}},
	}
	for _, x := range tests {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			err := Validate(x.catalogue)
			if err == nil || !strings.Contains(err.Error(), x.want) {
				t.Errorf("%v, want %q", err, x.want)
			}
			Judge(healthy(), x.catalogue, nil) // an invalid catalogue must not hang or panic
		})
	}
	if err := Validate(Catalogue()); err != nil {
		t.Error(err)
	}
	for _, c := range Catalogue() {
		if len(c.Title) > 46 { // a line of the terminal's table
			t.Errorf("the title of %s has %d characters", c.ID, len(c.Title))
		}
	}
}

func tiny(id string, f func(*C, *probes.Observation)) Check {
	return check(id, "t", revision(1), severity(Critical), side(Network), needs("dns.private"), asserts("a"), why("b"), source("c"),
		fix(func(*probes.Observation) Fix { return Fix{Text: "d"} }), body(f))
}

func TestExplain(t *testing.T) {
	t.Parallel()
	for _, c := range Catalogue() {
		text := c.Explain()
		for _, want := range []string{c.ID + ": " + c.Title, "Asserts", "Why it matters", "Source", "Fix"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s is explained without %q", c.ID, want)
			}
		}
		if strings.Contains(text, "could not be written") || strings.Contains(text, "%!") {
			t.Errorf("%s:\n%s", c.ID, text)
		}
	}
}

// Checks assert through C alone: a package-level Expect or a waiting assertion would reach outside
// the judge.
func TestNoPackageLevelGomega(t *testing.T) {
	t.Parallel()
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, _ := s.X.(*ast.Ident)
			if x != nil && x.Name == "gomega" && slices.Contains([]string{"Expect", "Ω", "Eventually", "Consistently", "RegisterFailHandler", "Default"}, s.Sel.Name) ||
				s.Sel.Name == "Eventually" || s.Sel.Name == "Consistently" {
				t.Errorf("%s uses %s", f.Name(), s.Sel.Name)
			}
			return true
		})
	}
}
