package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
)

// The marks in docs/performance.md between which the figures stand.
const (
	figuresBegin = "<!-- figures: make bench -->\n"
	figuresEnd   = "<!-- end of figures -->\n"
	plotFile     = "fleet-round.svg"
)

// writeDocs puts the figures into the documentation: the tables of performance.md, and the plot beside it.
func writeDocs(dir string, r results) error {
	path := filepath.Join(dir, "performance.md")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text, err = withFigures(text, r)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return err
	}
	plot, err := plotRounds(r)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, plotFile), plot, 0o644)
}

// withFigures replaces what stands between the marks.
func withFigures(text []byte, r results) ([]byte, error) {
	before, rest, ok := bytes.Cut(text, []byte(figuresBegin))
	_, after, end := bytes.Cut(rest, []byte(figuresEnd))
	if !ok || !end {
		return nil, fmt.Errorf("the marks %q and %q are not there", strings.TrimSpace(figuresBegin), strings.TrimSpace(figuresEnd))
	}
	return bytes.Join([][]byte{before, []byte(figuresBegin), tables(r), []byte(figuresEnd), after}, nil), nil
}

// tables writes a table for each measurement.
func tables(r results) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "\n%s, %s, %d processors (%s).\n", r.Go, r.Platform, r.Processors, r.Model)
	for _, m := range measurements(settings{}) {
		started := false
		for _, f := range r.Figures {
			if f.Measurement != m.name {
				continue
			}
			if !started {
				fmt.Fprintf(&b, "\n### %s\n\n%s.\n\n| what | figure | least to most, runs | goal | remarks |\n|---|---|---|---|---|\n", m.name, capital(m.what))
				started = true
			}
			spread := ""
			if f.Runs > 1 {
				spread = fmt.Sprintf("%s to %s, %d", number(f.Min), number(f.Max), f.Runs)
			}
			promise := ""
			if f.Met != nil {
				promise = strings.NewReplacer("<=", "at most", ">=", "at least", "= ", "").Replace(f.Goal) + map[bool]string{true: "", false: " — **missed**"}[*f.Met]
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", cell(f.Name), strings.TrimSpace(number(f.Value)+" "+f.Unit), spread, promise, cell(f.Note))
		}
		for _, s := range r.Skipped {
			if s.Measurement == m.name {
				fmt.Fprintf(&b, "\n%s: not measured: %s.\n", m.name, cell(s.Why))
			}
		}
	}
	b.WriteByte('\n')
	return b.Bytes()
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

// plotRounds draws the processor time of a fast round by the number of links, both on logarithmic scales: a straight line at 45° is linear.
func plotRounds(r results) ([]byte, error) {
	type point struct{ links, seconds float64 }
	var points []point
	for _, f := range r.Figures {
		var links float64
		if f.Measurement != "fleet-round" || f.Unit != "ms" {
			continue
		}
		if _, err := fmt.Sscanf(f.Name, "%f links: CPU of a round and link", &links); err == nil {
			points = append(points, point{links, links * f.Value / 1000})
		}
	}
	const width, height, left, top, right, bottom = 640, 400, 70, 40, 30, 60
	x := func(links float64) float64 { return left + (math.Log10(links)-2)/2*(width-left-right) }
	y := func(s float64) float64 { return height - bottom - (math.Log10(s)+2)/4*(height-top-bottom) }
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-labelledby="t d" font-family="sans-serif" font-size="13">
<title id="t">Processor time of a fast round by links</title>
<desc id="d">`, width, height)
	for _, p := range points {
		fmt.Fprintf(&b, "%s links: %s s. ", number(p.links), number(tidy(p.seconds)))
	}
	b.WriteString("</desc>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n")
	for e := 2.0; e <= 4; e++ {
		links := math.Pow(10, e)
		fmt.Fprintf(&b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#ddd"/><text x="%.1f" y="%d" text-anchor="middle" fill="#333">%s</text>`+"\n",
			x(links), top, x(links), height-bottom, x(links), height-bottom+20, number(links))
	}
	for e := -2.0; e <= 2; e++ {
		s := math.Pow(10, e)
		fmt.Fprintf(&b, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end" fill="#333">%s s</text>`+"\n",
			left, y(s), width-right, y(s), left-8, y(s)+4, number(tidy(s)))
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle" fill="#333">links, three zones each</text>`+"\n", (left+width-right)/2, height-18)
	fmt.Fprintf(&b, `<text x="%d" y="22" fill="#333">Processor time of one fast round; dashes: linear from the first point</text>`+"\n", left)
	if len(points) > 0 {
		first, last := points[0], points[len(points)-1]
		fmt.Fprintf(&b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#888" stroke-dasharray="5 4"/>`+"\n",
			x(first.links), y(first.seconds), x(last.links), y(first.seconds*last.links/first.links))
		var path strings.Builder
		for _, p := range points {
			fmt.Fprintf(&path, "%.1f,%.1f ", x(p.links), y(p.seconds))
		}
		fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="#0b5cad" stroke-width="2"/>`+"\n", strings.TrimSpace(path.String()))
		for i, p := range points {
			beside := 0.0
			if i == 0 {
				beside = 56 // below the line, where it stands over neither that nor the axis
			}
			fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="4" fill="#0b5cad"/><text x="%.1f" y="%.1f" fill="#0b5cad">`, x(p.links), y(p.seconds), x(p.links)-34+beside, y(p.seconds)-10+beside/2)
			if err := xml.EscapeText(&b, []byte(number(tidy(p.seconds))+" s")); err != nil {
				return nil, err
			}
			b.WriteString("</text>\n")
		}
	}
	b.WriteString("</svg>\n")
	return b.Bytes(), nil
}
