package suites

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/onsi/gomega"

	"github.com/linkassay/linkassay/probes"
)

// C is what a check's body asserts with: Gomega, the facts that decide the verdict, and ways to
// say that the check does not apply or can't be told.
type C struct {
	gomega.Gomega

	facts   []Fact
	wrong   []string
	unknown []string
	of      []string // what each unknown thing was named
	side    Side
	fix     func(o *probes.Observation) Fix
}

// The sentinels that end a body. Gomega's own fail handler returns and lets the body run on, so
// each way out is a panic with a type that only the judge knows, and recovers.
type (
	failed  struct{ message string }
	skipped struct{ reason string }
	untold  struct{ reason string }
)

// asserting is the Gomega of all bodies: it has no state but how it fails.
func asserting() gomega.Gomega {
	return gomega.NewGomega(func(message string, _ ...int) { panic(failed{message}) })
}

// maxFacts bounds what one verdict keeps: with many vantages and names one cause fails many times.
const maxFacts = 64

// Fact keeps a value that the verdict rests on.
func (c *C) Fact(name, format string, args ...any) { c.keep(name, format, args) }

func (c *C) keep(name, format string, args []any) (line string) {
	f := Fact{Name: plain(name), Value: plain(sprintf(format, args))}
	if len(c.facts) < maxFacts {
		c.facts = append(c.facts, f)
	} else {
		c.facts[maxFacts-1] = Fact{Name: "and more", Value: "too many to list"}
	}
	return f.Name + ": " + f.Value
}

// Skip ends the check: it does not apply to this link.
func (c *C) Skip(format string, args ...any) { panic(skipped{plain(sprintf(format, args))}) }

// Untold ends the check: what was observed decides nothing.
func (c *C) Untold(format string, args ...any) { panic(untold{plain(sprintf(format, args))}) }

// Wrong keeps one finding against the check and goes on, so that a verdict names everything that is
// wrong and not just the first thing. Facts seen are kept too.
func (c *C) Wrong(name, format string, args ...any) {
	c.wrong = append(c.wrong, c.keep(name, format, args))
}

// Unknown keeps one thing that could not be asked and goes on. Nothing wrong but something unknown
// makes "could not tell": a question that got no answer is never a pass.
func (c *C) Unknown(name, format string, args ...any) {
	c.unknown, c.of = append(c.unknown, c.keep(name, format, args)), append(c.of, name)
}

// Blame says whose the failure is and how to mend it, where what was found decides that. The fix is
// asked of the whole Observation, as one that is declared is.
func (c *C) Blame(side Side, fix func(o *probes.Observation) Fix) { c.side, c.fix = side, fix }

// settle ends a body that returned: with a failure or "could not tell" if findings were kept.
func (c *C) settle() {
	if len(c.wrong) > 0 {
		panic(failed{andMore(c.wrong)})
	}
	if len(c.unknown) > 0 {
		panic(untold{andMore(c.unknown)})
	}
}

func andMore(findings []string) string {
	if len(findings) == 1 {
		return findings[0]
	}
	return fmt.Sprintf("%s (and %d more)", findings[0], len(findings)-1)
}

func sprintf(format string, args []any) string {
	if len(args) == 0 {
		return format
	}
	return fmt.Sprintf(format, args...)
}

// maxText bounds a fact or a reason in bytes: they hold what remote ends answered.
const maxText = 400

// plain makes one bounded line of s without control characters, because names, error texts and
// records come from remote ends. Reports sanitise for their own formats again.
func plain(s string) string { return plainTo(s, maxText) }

func plainTo(s string, most int) string {
	cut := len(s) > most
	if cut {
		end := most
		for end > 0 && !utf8.RuneStart(s[end]) {
			end--
		}
		s = s[:end]
	}
	if !cut && printable(s) {
		return s
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r):
			return '\uFFFD'
		}
		return r
	}, s)
	if cut {
		s += "…"
	}
	return s
}

// printable says whether s is printable ASCII alone, as most texts are.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
