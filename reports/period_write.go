package reports

import (
	"bufio"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"strings"
	"sync"

	"github.com/olekukonko/tablewriter/pkg/twwidth"
)

// WritePeriod writes period.html, period.md, period.json and CSV files into dir, which must be absent or empty (see CheckDir).
func WritePeriod(dir string, p *PeriodReport) error {
	return writeFiles(dir, append([]File{
		{"period.html", func(w io.Writer) error { return writePeriodHTML(w, p) }},
		{"period.md", func(w io.Writer) error { return writePeriodMarkdown(w, p) }},
		{"period.json", func(w io.Writer) error { return writePeriodJSON(w, p) }},
	}, p.csvFiles()...))
}

// PrintPeriod prints the report in one of the formats table, markdown and json.
func PrintPeriod(w io.Writer, p *PeriodReport, format string, opts PrintOptions) error {
	var err error
	switch format {
	case TableFormat, "":
		err = writePeriodTable(w, p, opts)
	case MarkdownFormat:
		err = writePeriodMarkdown(w, p)
	case JSONFormat:
		err = writePeriodJSON(w, p)
	default:
		return fmt.Errorf("unknown format %q: expected table, markdown or json", format)
	}
	if err != nil {
		return fmt.Errorf("print the period's report: %w", err)
	}
	return nil
}

func writePeriodJSON(w io.Writer, p *PeriodReport) error {
	b, err := json.MarshalIndent(struct {
		Format string `json:"format"`
		*PeriodReport
	}{"linkassay.period/v1", p}, "", " ")
	if err == nil {
		_, err = w.Write(append(escapeInvisible(b), '\n'))
	}
	return err
}

func writePeriodTable(w io.Writer, p *PeriodReport, opts PrintOptions) error {
	page := &page{width: opts.width()}
	page.text("", "  ", fmt.Sprintf("%s to %s: %s", stamp(p.From), stamp(p.To), p.summary()))
	for _, s := range p.sourceLines() {
		page.text("", "  ", s)
	}
	for _, t := range p.tables() {
		switch t.id {
		case "controls":
			continue // for a file
		case "checks":
			t = p.failedTable()
		}
		page.line("")
		page.line(strings.ToUpper(t.title))
		if len(t.rows) == 0 {
			page.text("", "", t.empty)
		} else if rows := fitted(append([][]string{t.header}, t.rows...), page.width); len(rows) > 0 {
			if err := page.table(rows[0], rows[1:]); err != nil {
				return err
			}
		}
		if t.note != "" {
			page.text("", "  ", t.note)
		}
	}
	page.line("")
	for _, s := range p.Method {
		page.text("", "  ", s)
	}
	_, err := w.Write(page.out.Bytes())
	return err
}

// fitted cleans cells and wraps those of the widest columns, until the rows are at most so wide.
func fitted(rows [][]string, width int) [][]string {
	const least = 10
	widths := make([]int, len(rows[0]))
	total := 0
	for i := range widths {
		for _, row := range rows {
			widths[i] = max(widths[i], twwidth.Width(clean(row[i])))
		}
		total += widths[i] + 2
	}
	for ; total > width; total-- {
		widest := 0
		for i := range widths {
			if widths[i] > widths[widest] {
				widest = i
			}
		}
		if widths[widest] <= least {
			break
		}
		widths[widest]--
	}
	out := make([][]string, len(rows))
	for k, row := range rows {
		for i, s := range row {
			out[k] = append(out[k], strings.Join(wrap(clean(s), widths[i]), "\n"))
		}
	}
	return out
}

func writePeriodMarkdown(w io.Writer, p *PeriodReport) error {
	b := bufio.NewWriter(w)
	out := func(format string, args ...any) { fmt.Fprintf(b, format, args...) } // b keeps its first error
	out("# linkassay: %s to %s\n\n%s.\n", stamp(p.From), stamp(p.To), p.summary())
	for _, s := range p.sourceLines() {
		out("\n- %s", md(s))
	}
	out("\n")
	for _, t := range p.tables() {
		out("\n## %s\n\n", t.title)
		if len(t.rows) == 0 {
			out("%s\n", t.empty)
		} else {
			out("| %s |\n|%s\n", strings.Join(t.header, " | "), strings.Repeat("---|", len(t.header)))
		}
		for _, row := range t.rows {
			out("|")
			for _, s := range row {
				out(" %s |", md(s))
			}
			out("\n")
		}
		if t.id == "incidents" {
			for _, i := range p.Incidents {
				markdownIncident(out, i)
			}
		}
	}
	out("\n## Method\n\n")
	for _, s := range p.Method {
		out("- %s\n", s)
	}
	return b.Flush()
}

func markdownIncident(out func(string, ...any), i Incident) {
	for _, r := range i.Roots {
		out("\n### %s, %s: %s\n\n%s, %s. Does not hold: %s.\n\n", md(i.Link), stamp(i.Start), md(r.Check), md(string(r.Severity)), md(sideName(r.Side)), md(r.Title))
		for _, f := range r.Facts {
			out("- %s: %s\n", md(f.Name), md(f.Value))
		}
		if r.Fix != "" {
			out("\nFix: %s.\n", md(strings.TrimSuffix(r.Fix, ".")))
		}
	}
}

//go:embed period/page.html
var periodPage string

//go:embed period/style.css
var periodStyle string

var periodTemplate = sync.OnceValues(func() (*template.Template, error) {
	return template.New("period").Parse(periodPage)
})

// periodCell is a cell of the page, whose words are clean.
type periodCell struct {
	Text  string
	Class string
	Head  bool
}

type periodSection struct {
	ID, Title, Empty string
	Header           []string
	Rows             [][]periodCell
	Folded           bool
	Incidents        []periodCause
}

type periodCause struct {
	Link, From, Check, Side, Title, Fix string
	Facts                               []string
}

// writePeriodHTML writes one page that needs nothing beside it.
func writePeriodHTML(w io.Writer, p *PeriodReport) error {
	t, err := periodTemplate()
	if err != nil {
		return fmt.Errorf("read the page's template: %w", err)
	}
	sum := sha256.Sum256([]byte(periodStyle))
	data := struct {
		Style     template.CSS
		StyleHash string
		From, To  string
		Summary   string
		Broken    bool
		Source    []string
		Sections  []periodSection
		Method    []string
	}{
		Style: template.CSS(periodStyle), StyleHash: "sha256-" + base64.StdEncoding.EncodeToString(sum[:]), //nolint:gosec // our own file
		From: stamp(p.From), To: stamp(p.To), Summary: p.summary(), Broken: len(p.Source.Problems) > 0, Method: p.Method,
	}
	for _, s := range p.sourceLines() {
		data.Source = append(data.Source, clean(s))
	}
	for _, table := range p.tables() {
		s := periodSection{ID: table.id, Title: table.title, Empty: table.empty, Header: table.header, Folded: table.folded}
		for _, row := range table.rows {
			s.Rows = append(s.Rows, periodCells(table, row))
		}
		if table.id == "incidents" {
			s.Incidents = p.causes()
		}
		data.Sections = append(data.Sections, s)
	}
	b := bufio.NewWriterSize(w, 1<<16)
	if err := t.Execute(b, data); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return b.Flush()
}

func periodCells(t periodTable, row []string) []periodCell {
	cells := make([]periodCell, len(row))
	for i, s := range row {
		c := periodCell{Text: clean(s), Head: i == 0}
		switch {
		case t.header[i] == "last" || t.header[i] == "available":
			c.Class = map[string]string{string(Up): "good", "100 %": "good", string(Down): "bad", string(Untold): "unsure", "not known": "unsure"}[s]
		case t.header[i] == "checks assessed" && s == "not assessed":
			c.Class = "unsure"
		}
		cells[i] = c
	}
	return cells
}

// causes are the roots of the incidents, with their facts.
func (p *PeriodReport) causes() (all []periodCause) {
	for _, i := range p.Incidents {
		for _, r := range i.Roots {
			c := periodCause{Link: clean(i.Link), From: stamp(i.Start), Check: clean(r.Check), Side: clean(sideName(r.Side)), Title: clean(r.Title), Fix: clean(r.Fix)}
			for _, f := range r.Facts {
				c.Facts = append(c.Facts, clean(f.Name+": "+f.Value))
			}
			all = append(all, c)
		}
	}
	return all
}
