package reports

import (
	"fmt"
	"strings"

	"github.com/linkassay/linkassay/suites"
)

// How much of a link's causes stands on the first screen.
const (
	screenLines = 24 // a terminal's, as long as there have been terminals
	rootsInFull = 2  // causes with their fix; more are named, and told below
	rootsNamed  = 4
	factsShown  = 8 // facts of a cause; run.json has them all
)

func blockedBy(verdicts []suites.Verdict, id string) int {
	n := 0
	for _, v := range verdicts {
		if v.BlockedBy == id {
			n++
		}
	}
	return n
}

// share is how much of a cause is shown.
type share struct {
	facts    int
	linkFile bool // what to change in the link file
	command  bool // the fix as a command
}

// shares go from all to the least, which still says what is wrong, whose it is and what to do.
func shares() []share {
	return []share{
		{factsShown, true, true},
		{5, true, true},
		{3, true, true},
		{2, true, true},
		{1, true, true},
		{0, true, true},
		{0, false, true},
		{0, false, false},
	}
}

// roots writes the causes, so that with the lines above them they fit on one screen: as much of each as there is
// room for. What is left out of them follows below.
func (p *page) roots(verdicts []suites.Verdict, above int) {
	all := suites.Roots(verdicts)
	full := all
	for i, v := range all {
		if i == rootsInFull || i > 0 && v.Stands() {
			full = all[:i]
			break
		}
	}
	named := p.named(all[len(full):])
	room := screenLines - above - strings.Count(named, "\n")
	var shown []string
	var cut []suites.Verdict
	for _, s := range shares() {
		shown, cut = nil, nil
		lines := 0
		for _, v := range full {
			text, whole := p.root(v, blockedBy(verdicts, v.Check), s)
			shown = append(shown, text)
			lines += strings.Count(text, "\n")
			if !whole {
				cut = append(cut, v)
			}
		}
		if lines <= room {
			break
		}
	}
	for _, text := range shown {
		p.out.WriteString(text)
	}
	p.out.WriteString(named)
	for _, v := range append(cut, all[len(full):]...) {
		text, _ := p.root(v, blockedBy(verdicts, v.Check), shares()[0])
		p.out.WriteString("IN FULL\n" + text)
	}
}

// apart lets write fill a page of its own and returns its text.
func (p *page) apart(write func(q *page)) string {
	q := &page{width: p.width, colour: p.colour}
	write(q)
	return q.out.String()
}

// named names causes that there is no room for, a line or two each.
func (p *page) named(roots []suites.Verdict) string {
	if len(roots) == 0 {
		return ""
	}
	return p.apart(func(q *page) {
		for i, v := range roots {
			if i == rootsNamed && len(roots) > rootsNamed+1 {
				q.line(fmt.Sprintf("       and %d more, below", len(roots)-i))
				break
			}
			label := "CAUSE  "
			if v.Stands() {
				label = "KNOWN  "
			}
			q.line(label + wrap(clean(v.Check)+" ("+string(v.Severity)+", "+sideName(v.Side)+"), in full below", q.width-len(label))[0])
		}
		q.line("")
	})
}

// root writes one cause: what fails, why, whose it is, and what to do. It says whether that is all.
func (p *page) root(v suites.Verdict, blocked int, s share) (text string, whole bool) {
	whole = true
	text = p.apart(func(q *page) {
		label := "CAUSE  "
		if v.Stands() {
			label = "KNOWN  "
		}
		q.text(label, "       ", v.Check+" ("+string(v.Severity)+", "+sideName(v.Side)+")")
		q.text("       ", "       ", "does not hold: "+v.Title)
		if a := acceptance(v); a != "" {
			q.text("       ", "       ", a)
		}
		if reasonTells(v) {
			q.text("       ", "       ", v.Reason)
		}
		if blocked > 0 {
			q.text("       ", "       ", plural(blocked, "other check is", "other checks are")+" blocked by it")
		}
		for i, f := range v.Facts {
			if i == s.facts && (s.facts < factsShown || len(v.Facts) > s.facts+1) {
				if whole = s.facts == factsShown; whole {
					q.text("    .  ", "       ", fmt.Sprintf("%d more in run.json", len(v.Facts)-s.facts))
				}
				break
			}
			q.text("    -  ", "       ", f.Name+": "+f.Value)
		}
		if !q.fix(v.Fix, s) {
			whole = false
		}
		q.line("")
	})
	return text, whole
}

// fix writes what to do, and says whether that is all.
func (p *page) fix(f *suites.Fix, s share) (whole bool) {
	if f == nil {
		return true
	}
	whole = true
	if f.Apply != "" {
		p.text("  FIX  ", "         ", f.Apply)
		p.text("   or  ", "       ", f.Text)
	} else {
		p.text("  FIX  ", "       ", f.Text)
	}
	if s.command {
		for _, line := range wrapCommand(clean(f.Command), p.width-9) {
			if line != "" {
				p.line("         " + line)
			}
		}
	} else if f.Command != "" {
		whole = false
		p.line("         the command is below")
	}
	switch {
	case f.LinkFile == "":
	case s.linkFile:
		p.text("       ", "         ", "in the link file, "+f.LinkFile)
	default:
		whole = false
	}
	return whole
}
