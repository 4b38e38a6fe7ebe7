package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// figure is one measured quantity.
type figure struct {
	Measurement string `json:"measurement"`
	Name        string `json:"name"`
	// Value is the median of the runs; Min and Max are the outermost ones.
	Value float64 `json:"value"`
	Min   float64 `json:"min"`
	Max   float64 `json:"max"`
	Runs  int     `json:"runs"`
	Unit  string  `json:"unit"`
	Goal  string  `json:"goal,omitempty"` // such as "<= 0.4"; empty where nothing is promised
	Met   *bool   `json:"met,omitempty"`
	Note  string  `json:"note,omitempty"` // versions of peers, sizes
}

// goal is what is promised of a figure; the zero value promises nothing.
type goal struct {
	text  string
	holds func(float64) bool
}

func atMost(v float64) goal {
	return goal{"<= " + number(tidy(v)), func(x float64) bool { return x <= v }}
}

func atLeast(v float64) goal {
	return goal{">= " + number(tidy(v)), func(x float64) bool { return x >= v }}
}

func exactly(v float64) goal {
	return goal{"= " + number(tidy(v)), func(x float64) bool { return x == v }}
}

// skipped is a measurement that this machine can't make.
type skipped struct {
	Measurement string `json:"measurement"`
	Why         string `json:"why"`
}

// results are what the file holds.
type results struct {
	Go         string    `json:"go"`
	Platform   string    `json:"platform"`
	Processors int       `json:"processors"`
	Model      string    `json:"model,omitempty"`
	Figures    []figure  `json:"figures"`
	Skipped    []skipped `json:"skipped,omitempty"`
}

// book keeps figures and prints them as they come.
type book struct {
	out io.Writer
	now string // the measurement in the making
	results
}

func newBook(out io.Writer) *book {
	return &book{out: out, results: results{
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Processors: runtime.GOMAXPROCS(0), Model: processorModel(),
	}}
}

// begin starts a measurement; what was known of it is forgotten.
func (b *book) begin(m measurement) {
	b.now = m.name
	b.Figures = slices.DeleteFunc(b.Figures, func(f figure) bool { return f.Measurement == m.name })
	b.Skipped = slices.DeleteFunc(b.Skipped, func(s skipped) bool { return s.Measurement == m.name })
	fmt.Fprintf(b.out, "\n%s: %s\n", m.name, m.what)
}

// add keeps the median of the values.
func (b *book) add(name, unit string, g goal, values ...float64) {
	b.note("", name, unit, g, values...)
}

// note is add with a remark.
func (b *book) note(note, name, unit string, g goal, values ...float64) {
	s := slices.Clone(values)
	slices.Sort(s)
	f := figure{
		Measurement: b.now, Name: name, Value: tidy(s[len(s)/2]), Min: tidy(s[0]), Max: tidy(s[len(s)-1]), Runs: len(s), Unit: unit, Goal: g.text, Note: note,
	}
	line := fmt.Sprintf("  %-44s %10s %-10s", name, number(f.Value), unit)
	if g.holds != nil {
		met := g.holds(f.Value)
		f.Met = &met
		line += fmt.Sprintf(" goal %s: %s", g.text, map[bool]string{true: "met", false: "MISSED"}[met])
	}
	if note != "" {
		line += "  (" + note + ")"
	}
	fmt.Fprintln(b.out, strings.TrimRight(line, " "))
	b.Figures = append(b.Figures, f)
}

// skip says that the measurement, or a part of it, can't be made here.
func (b *book) skip(format string, args ...any) {
	s := skipped{b.now, fmt.Sprintf(format, args...)}
	fmt.Fprintf(b.out, "  skipped: %s\n", s.Why)
	b.Skipped = append(b.Skipped, s)
}

// missed names the figures that do not reach their goal.
func (b *book) missed() []string {
	var names []string
	for _, f := range b.Figures {
		if f.Met != nil && !*f.Met {
			names = append(names, f.Measurement+" "+f.Name)
		}
	}
	return names
}

func (b *book) read(path string) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the figures of before: %w", err)
	}
	var before results
	if err := json.Unmarshal(text, &before); err != nil {
		return fmt.Errorf("read the figures of before from %s: %w", path, err)
	}
	b.results = before
	return nil
}

func (b *book) write(path string) error {
	order := map[string]int{}
	for i, m := range measurements(settings{}) {
		order[m.name] = i
	}
	slices.SortStableFunc(b.Figures, func(x, y figure) int { return order[x.Measurement] - order[y.Measurement] })
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(b.results); err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	if err := os.WriteFile(path, text.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	return nil
}

// tidy keeps four significant digits: more of them only differ.
func tidy(v float64) float64 {
	if v == 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return v
	}
	r, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'e', 3, 64), 64)
	return r
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// seconds turns durations into figures.
func seconds(ds []time.Duration) []float64 {
	out := make([]float64, len(ds))
	for i, d := range ds {
		out[i] = d.Seconds()
	}
	return out
}

// milliseconds turns durations into figures.
func milliseconds(ds []time.Duration) []float64 {
	out := seconds(ds)
	for i := range out {
		out[i] *= 1000
	}
	return out
}

// processorModel is what the kernel calls the processor, or nothing.
func processorModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
