package reports

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/olekukonko/tablewriter/pkg/twwidth"

	"github.com/linkassay/linkassay/suites"
)

// DiagnosisFormat names the layout of diagnoses as JSON. It changes when a reader of the old one would misread it.
const DiagnosisFormat = "linkassay.diagnosis/v1"

// PrintDiagnoses writes where flows end to w, in the format table or json. A closed pipe is an error that is
// syscall.EPIPE.
func PrintDiagnoses(w io.Writer, all []suites.Diagnosis, format string, opts PrintOptions) error {
	var err error
	switch format {
	case TableFormat, "":
		err = tableDiagnoses(w, all, opts)
	case JSONFormat:
		err = encodeDiagnoses(w, all)
	default:
		return fmt.Errorf("unknown format %q: expected table or json", format)
	}
	if err != nil {
		return fmt.Errorf("print the diagnosis: %w", err)
	}
	return nil
}

func encodeDiagnoses(w io.Writer, all []suites.Diagnosis) error {
	b, err := json.MarshalIndent(struct {
		Format    string             `json:"format"`
		Diagnoses []suites.Diagnosis `json:"diagnoses"`
	}{DiagnosisFormat, all}, "", " ")
	if err != nil {
		return fmt.Errorf("encode it as JSON: %w", err)
	}
	_, err = w.Write(append(escapeInvisible(b), '\n'))
	return err
}

func tableDiagnoses(w io.Writer, all []suites.Diagnosis, opts PrintOptions) error {
	p := &page{width: opts.width(), colour: opts.Color}
	for i, d := range all {
		for k, walk := range d.Walks {
			if i+k > 0 {
				p.line("")
			}
			if err := p.walk(d, walk, opts.Full); err != nil {
				return err
			}
		}
	}
	_, err := w.Write(p.out.Bytes())
	return err
}

// walk writes the way of a flow from one vantage: what came of it, each hop, the cause where it ends.
func (p *page) walk(d suites.Diagnosis, w suites.Walk, full bool) error {
	began := p.out.Len()
	p.text("", "  ", fmt.Sprintf("%s  %s port %d  %s", d.Link, d.To.Host, d.To.Port, from(w)))
	p.text("", "  ", came(w))
	p.text("", "  ", "measured: "+w.Measured)
	p.line("")
	above := strings.Count(p.out.String()[began:], "\n")
	below := p.apart(func(q *page) { q.causes(w) })
	room := screenLines - above - strings.Count(below, "\n")
	if room < len(w.Hops)/2 {
		room = screenLines
	}
	var rows [][]string
	for most := 4; most >= 1; most-- { // lines of a hop that is as it should be
		if full {
			most = 100
		}
		rows = p.hopRows(w, most)
		lines := 2
		for _, r := range rows {
			lines += strings.Count(r[2], "\n") + 1
		}
		if full || lines <= room {
			break
		}
	}
	if err := p.table([]string{"STATE", "HOP", "WHAT"}, rows); err != nil {
		return fmt.Errorf("render the walk of %s: %w", clean(d.Link), err)
	}
	if below != "" {
		p.line("")
	}
	p.out.WriteString(strings.TrimRight(below, "\n"))
	if below != "" {
		p.line("")
	}
	return nil
}

// from names the vantages of a walk, the first few of many.
func from(w suites.Walk) string {
	const most = 3
	names := slices.Clone(w.Vantages)
	switch {
	case len(names) == 0:
		return "with no vantage"
	case len(names) > most:
		return fmt.Sprintf("from %s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return "from " + strings.Join(names, ", ")
}

// came says in a line what came of the flow.
func came(w suites.Walk) string {
	switch w.Outcome {
	case suites.FlowWorks:
		return "WORKS"
	case suites.FlowInPart:
		return fmt.Sprintf("WORKS IN PART: through %s; ends in %s at: %s", strings.Join(w.Works, ", "), strings.Join(w.Ends, ", "), w.EndsAt)
	case suites.FlowEnds:
		return "ENDS at: " + w.EndsAt
	}
	return "COULD NOT TELL: nothing is known at: " + w.EndsAt
}

// hopRows makes a row per hop. Hops that are not reached stand together, and such as have nothing to say are left out.
func (p *page) hopRows(w suites.Walk, most int) [][]string {
	stateWidth, nameWidth := len("STATE"), len("HOP")
	for _, h := range w.Hops {
		stateWidth, nameWidth = max(stateWidth, twwidth.Width(string(h.State))), max(nameWidth, twwidth.Width(clean(h.Name)))
	}
	nameWidth = min(nameWidth, p.width/3)
	rest := max(p.width-stateWidth-nameWidth-4, 16)
	var rows [][]string
	var behind []string
	flush := func() {
		if len(behind) > 0 {
			rows = append(rows, []string{string(suites.HopNotReached), "", strings.Join(wrap(strings.Join(behind, "; "), rest), "\n")})
			behind = nil
		}
	}
	for _, h := range w.Hops {
		if h.State == suites.HopNotReached {
			if n := clean(h.Name); !slices.Contains(behind, n) {
				behind = append(behind, n)
			}
			continue
		}
		if h.State == suites.HopNotAsked && len(h.Facts) == 0 {
			continue
		}
		flush()
		lines := max(most, 4)
		if h.State == suites.HopOK || h.State == suites.HopNotAsked {
			lines = most
		}
		what := hopText(h, lines, rest)
		rows = append(rows, []string{p.paintedHop(h.State), strings.Join(wrap(clean(h.Name), nameWidth), "\n"), what})
	}
	flush()
	return rows
}

// hopText is what is known of a hop, in so many lines: one for each fact if they do, else as much as they hold.
func hopText(h suites.Hop, most, width int) string {
	var facts, lines []string
	for i, f := range h.Facts {
		part := clean(f.Value)
		if f.Name != "" {
			part = clean(f.Name) + " " + part
		} else if i == 0 && len(h.Zones) > 0 {
			part = clean(strings.Join(h.Zones, ", ")) + ": " + part
		}
		facts, lines = append(facts, part), append(lines, wrap(part, width)...)
	}
	if len(lines) <= most {
		return strings.Join(lines, "\n")
	}
	text := strings.Join(facts, "; ")
	if most == 1 && twwidth.Width(text) > width {
		return strings.TrimRight(twwidth.Truncate(text, width-2), " ") + " …"
	}
	return strings.Join(shorten(wrap(text, width), most, width), "\n")
}

func (p *page) paintedHop(s suites.HopState) string {
	colour := map[suites.HopState]string{
		suites.HopOK: "32", suites.HopEnds: "31;1", suites.HopFollows: "33", suites.HopUntold: "35;1", suites.HopNotAsked: "2",
	}[s]
	if !p.colour || colour == "" {
		return string(s)
	}
	return "\x1b[" + colour + "m" + string(s) + "\x1b[0m"
}

// causes writes the failed checks at which the flow ends, with their fixes, and names those beside.
func (p *page) causes(w suites.Walk) {
	for _, v := range w.Roots {
		text, _ := p.root(v, 0, share{facts: 2, linkFile: true, command: true})
		p.out.WriteString(text)
	}
	const most = 3
	for i, v := range w.Beside {
		if i == most {
			p.text("", "  ", fmt.Sprintf("and %d more; linkassay verify tells them all", len(w.Beside)-most))
			break
		}
		p.text("beside ", "       ", v.Check+" ("+sideName(v.Side)+"): "+v.Reason)
	}
}
