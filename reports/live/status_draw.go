package live

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/linkassay/linkassay/reports/live/history"
	"github.com/linkassay/linkassay/suites/canary"
)

// strip is a link's history as a row of cells: each shows the worst of its time, by colour and by height.
type strip struct {
	Cells  []cell
	Begins time.Time
	Ends   time.Time
	Words  string // the same, told
}

// cell is a part of a strip. X and Width are of 1,000.
type cell struct {
	X, Y, Width, Height int
	Class               string
	Title               string
}

// rankOf orders outcomes: the worst is shown.
func rankOf(o canary.Outcome) int {
	return slices.Index([]canary.Outcome{canary.Good, canary.Interrupted, canary.Untold, canary.Bad}, o)
}

func newStrip(runs []history.Run, from, to time.Time) *strip {
	if len(runs) == 0 {
		return nil
	}
	s := &strip{Begins: from, Ends: to}
	worst := make([]canary.Outcome, stripCells)
	step := to.Sub(from) / stripCells
	for _, r := range runs {
		first := int(max(r.Began.Sub(from), 0) / step)
		last := int(min(max(r.Until.Sub(from), 0), to.Sub(from)-1) / step)
		for i := max(first, 0); i <= min(last, stripCells-1); i++ {
			if worst[i] == "" || rankOf(r.Outcome) > rankOf(worst[i]) {
				worst[i] = r.Outcome
			}
		}
	}
	const height = 40
	counts := map[canary.Outcome]int{}
	for i := 0; i < stripCells; {
		n := i + 1
		for n < stripCells && worst[n] == worst[i] {
			n++
		}
		if o := worst[i]; o != "" {
			counts[o] += n - i
			tall := height * map[canary.Outcome]int{canary.Good: 4, canary.Interrupted: 6, canary.Untold: 7, canary.Bad: 10}[o] / 10
			x, end := i*1000/stripCells, n*1000/stripCells
			s.Cells = append(s.Cells, cell{
				X: x, Width: max(end-x, 1), Y: height - tall, Height: tall, Class: class(stateOf(o)),
				Title: fmt.Sprintf("%s, %s to %s", stateOf(o), clockOf(from.Add(time.Duration(i)*step), step), clockOf(from.Add(time.Duration(n)*step), step)),
			})
		}
		i = n
	}
	var words []string
	for _, o := range []canary.Outcome{canary.Bad, canary.Untold, canary.Interrupted, canary.Good} {
		if counts[o] > 0 {
			words = append(words, fmt.Sprintf("%s in %d", stateOf(o), counts[o]))
		}
	}
	if slices.Contains(worst, "") {
		words = append(words, "no rounds in the rest")
	}
	s.Words = fmt.Sprintf("of %d parts, each of which shows its worst: %s", stripCells, strings.Join(words, ", "))
	return s
}

func stateOf(o canary.Outcome) string {
	if o == canary.Bad {
		return stateFailing
	}
	return string(o)
}

// clockOf tells a time as precisely as steps of that length need.
func clockOf(t time.Time, step time.Duration) string {
	switch t = t.UTC(); {
	case step < time.Minute:
		return t.Format("15:04:05")
	case step < 12*time.Hour:
		return t.Format("Jan 2 15:04")
	}
	return t.Format("2006-01-02")
}

// chart is the latencies of one phase over time, a line for each zone.
type chart struct {
	Phase  string
	Top    time.Duration
	Lines  []zoneLine
	Begins string
	Ends   string
	Words  string
	More   int // zones that there is no room for
}

// zoneLine is one zone's.
type zoneLine struct {
	Zone   string
	Class  string
	Paths  []string // SVG points of the medians, a line for each time without gaps
	Median time.Duration
	Max    time.Duration
}

// The drawing's box.
const (
	chartWidth  = 560
	chartHeight = 120
)

// charts draws the latencies of runs, of which the newest come first.
func charts(runs []history.Run, from, to time.Time) []chart {
	var all []chart
	for _, phase := range []string{history.PhaseDNS, history.PhaseTCP, history.PhaseTLS, history.PhaseHTTP} {
		if c, ok := newChart(phase, runs, from, to); ok {
			all = append(all, c)
		}
	}
	return all
}

// bin is what is drawn at one place.
type bin struct {
	weighted, rounds, max time.Duration
}

const chartBins = 140

func newChart(phase string, runs []history.Run, from, to time.Time) (c chart, ok bool) {
	zones := map[string][]bin{}
	for _, r := range runs {
		at := int(int64(chartBins) * int64(max(r.Until.Sub(from), 0)) / int64(to.Sub(from)))
		at = min(at, chartBins-1)
		for _, s := range r.Latency {
			if s.Phase != phase {
				continue
			}
			if zones[s.Zone] == nil {
				zones[s.Zone] = make([]bin, chartBins)
			}
			b := &zones[s.Zone][at]
			b.weighted += s.Median * time.Duration(r.Rounds)
			b.rounds += time.Duration(r.Rounds)
			b.max = max(b.max, s.Max)
		}
	}
	if len(zones) == 0 {
		return c, false
	}
	c = chart{Phase: strings.ToUpper(phase), Begins: clockOf(from, to.Sub(from)/chartBins), Ends: clockOf(to, to.Sub(from)/chartBins)}
	var names []string
	for zone, bins := range zones {
		names = append(names, zone)
		for _, b := range bins {
			if b.rounds > 0 {
				c.Top = max(c.Top, b.weighted/b.rounds)
			}
		}
	}
	slices.Sort(names)
	if n := len(names) - maxZones; n > 0 {
		names, c.More = names[:maxZones], n
	}
	c.Top = niceTop(c.Top)
	var words []string
	for i, zone := range names {
		l := lineOf(zones[zone], c.Top)
		l.Zone, l.Class = cmp.Or(zone, "any zone"), fmt.Sprintf("z%d", i)
		c.Lines = append(c.Lines, l)
		words = append(words, fmt.Sprintf("%s: median %s, at most %s", l.Zone, short(l.Median), short(l.Max)))
	}
	c.Words = strings.Join(words, "; ")
	return c, true
}

func lineOf(bins []bin, top time.Duration) (l zoneLine) {
	var path strings.Builder
	var medians []time.Duration
	missing := 0
	end := func() {
		if path.Len() > 0 {
			l.Paths = append(l.Paths, strings.TrimSpace(path.String()))
			path.Reset()
		}
	}
	for i, b := range bins {
		if b.rounds == 0 {
			if missing++; missing > 6 {
				end()
			}
			continue
		}
		missing = 0
		m := b.weighted / b.rounds
		medians = append(medians, m)
		l.Max = max(l.Max, b.max)
		fmt.Fprintf(&path, "%.1f,%.1f ", float64(i)*chartWidth/(chartBins-1), chartHeight-float64(m)/float64(top)*chartHeight)
	}
	end()
	for i, p := range l.Paths { // a line of one point would not be seen
		if !strings.Contains(p, " ") {
			var x, y float64
			if _, err := fmt.Sscanf(p, "%f,%f", &x, &y); err == nil {
				l.Paths[i] = fmt.Sprintf("%.1f,%.1f %.1f,%.1f", x-2, y, x+2, y)
			}
		}
	}
	slices.Sort(medians)
	l.Median = medians[len(medians)/2]
	return l
}

// niceTop is the end of an axis that holds d: 1, 2 or 5 of something.
func niceTop(d time.Duration) time.Duration {
	for unit := 100 * time.Microsecond; ; unit *= 10 {
		for _, n := range []time.Duration{1, 2, 5} {
			if n*unit >= d || unit > time.Hour {
				return n * unit
			}
		}
	}
}
