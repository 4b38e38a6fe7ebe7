package reports

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image/png"
	"strings"
	"testing"
	"time"

	"github.com/linkassay/linkassay/reports/internal/chromium"
)

// seen are the reports that a person would look at; many has so many links of each of six kinds.
func seen(t *testing.T, each int) map[string]*Report {
	t.Helper()
	many := report(t)
	for i, name := range strings.Fields("healthy security-group-closed consumer-only one-zone-down txt-missing provider-only") {
		l := report(t, name).Links[0]
		for k := range each {
			o := *l.Observation
			o.Link.Name = fmt.Sprintf("orders-%d-%d", i, k)
			many.Links = append(many.Links, LinkReport{Observation: &o, Verdicts: l.Verdicts})
		}
	}
	all := pages(t)
	return map[string]*Report{
		"healthy": all["healthy"], "broken": all["listener-missing"], "consumer-only": all["consumer-only"], "settled": all["settled"],
		"nothing seen": all["nothing seen"], "no link": all["no link"], "many": many,
	}
}

// axe-core finds nothing, light and wide or dark and narrow, with all that is folded unfolded.
func TestBrowserFindsThePageAccessible(t *testing.T) {
	source := chromium.Axe(t)
	p := chromium.Start(t).Open(t)
	for name, r := range seen(t, 1) {
		p.Visit(pageOf(t, r))
		p.Evaluate(source+"; true", nil)
		p.Evaluate("document.querySelectorAll('details').forEach(d => d.open = true); true", nil)
		for scheme, width := range map[string]int{"light": 1280, "dark": 375} {
			p.Looks(width, scheme, "screen")
			var found []struct {
				ID, Help string
				Nodes    []struct{ HTML, FailureSummary string }
			}
			p.Evaluate("axe.run().then(r => r.violations)", &found)
			for _, v := range found {
				t.Errorf("%s, %s, %d px: %s: %s, at %d places, the first: %.200s\n%s", name, scheme, width, v.ID, v.Help, len(v.Nodes), v.Nodes[0].HTML, v.Nodes[0].FailureSummary)
			}
		}
	}
}

// The page is as wide as the screen, down to 320 pixels, folded and unfolded; only tables and the drawing scroll.
func TestBrowserNeedsNoSidewaysScrolling(t *testing.T) {
	p := chromium.Start(t).Open(t)
	for name, r := range map[string]*Report{"broken": seen(t, 5)["broken"], "many": seen(t, 5)["many"], "hostile": hostile()} {
		p.Visit(pageOf(t, r))
		for _, open := range []bool{false, true} {
			p.Evaluate(fmt.Sprintf("document.querySelectorAll('details').forEach(d => d.open = %t); true", open), nil)
			for _, width := range []int{1280, 768, 375, 320} {
				p.Looks(width, "light", "screen")
				var wide int
				p.Evaluate("document.documentElement.scrollWidth", &wide)
				if wide > width {
					t.Errorf("%s at %d px (unfolded: %t): it is %d px wide", name, width, open, wide)
				}
			}
		}
	}
}

// Everything that can be reached by keys shows that it is, and what scrolls can be reached.
func TestBrowserFollowsKeys(t *testing.T) {
	p := chromium.Start(t).Open(t)
	p.Visit(pageOf(t, seen(t, 5)["broken"]))
	p.Looks(1280, "light", "screen")
	press := func(key string) {
		for _, kind := range []string{"keyDown", "keyUp"} {
			p.Must("Input.dispatchKeyEvent", map[string]any{"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": map[string]int{"Tab": 9, "Enter": 13}[key], "text": map[string]string{"Enter": "\r"}[key]}, nil)
		}
	}
	press("Tab")
	var first string
	p.Evaluate("document.activeElement.textContent", &first)
	if first != "Skip to the results" {
		t.Errorf("the first stop is %q", first)
	}
	press("Enter")
	var at string
	p.Evaluate("document.activeElement.id", &at)
	if at != "results" {
		t.Errorf("skipping leads to %q", at)
	}
	for range 12 {
		press("Tab")
		var stop struct {
			What    string
			Outline string
		}
		p.Evaluate("({What: document.activeElement.outerHTML.slice(0, 80), Outline: getComputedStyle(document.activeElement).outlineStyle})", &stop)
		if stop.Outline == "none" {
			t.Errorf("the focus is not to be seen on %s", stop.What)
		}
	}
}

// In print everything folded is there.
func TestBrowserPrintsWhatIsFolded(t *testing.T) {
	p := chromium.Start(t).Open(t)
	p.Visit(pageOf(t, seen(t, 5)["broken"]))
	p.Looks(1000, "dark", "print")
	var hidden []string
	p.Evaluate("[...document.querySelectorAll('details li, details td, details span')].filter(e => e.textContent.trim() && !e.checkVisibility({contentVisibilityAuto: true}) || e.getBoundingClientRect().height === 0).map(e => e.textContent.slice(0, 60))", &hidden)
	if len(hidden) > 0 {
		t.Errorf("%d folded things are not printed, the first: %s", len(hidden), hidden[0])
	}
	var background string
	p.Evaluate("getComputedStyle(document.body).backgroundColor", &background)
	if background != "rgb(255, 255, 255)" {
		t.Errorf("the paper is %s", background)
	}
	var pdf struct{ Data string }
	p.Must("Page.printToPDF", map[string]any{"printBackground": false}, &pdf)
	b, err := base64.StdEncoding.DecodeString(pdf.Data)
	if err != nil || !bytes.HasPrefix(b, []byte("%PDF")) || len(b) < 20_000 {
		t.Errorf("a PDF of %d bytes: %v", len(b), err)
	}
	chromium.Keep(t, "broken.pdf", b)
}

// Pictures of the pages; with PICTURES=DIR they are kept there to be looked at.
func TestBrowserShowsThePage(t *testing.T) {
	p := chromium.Start(t).Open(t)
	for name, r := range seen(t, 5) {
		p.Visit(pageOf(t, r))
		for _, look := range []struct {
			name          string
			width, height int
			scheme, media string
		}{
			{"light", 1280, 2600, "light", "screen"}, {"dark", 1280, 2600, "dark", "screen"}, {"narrow", 375, 3600, "light", "screen"}, {"paper", 794, 3000, "light", "print"},
		} {
			p.Looks(look.width, look.scheme, look.media)
			picture := p.Picture(look.width, look.height)
			chromium.Keep(t, strings.ReplaceAll(name, " ", "-")+"-"+look.name+".png", picture)
			img, err := png.Decode(bytes.NewReader(picture))
			if err != nil {
				t.Fatal(err)
			}
			colours := map[string]bool{}
			for y := 0; y < min(img.Bounds().Dy(), 900); y += 7 {
				for x := 0; x < img.Bounds().Dx(); x += 7 {
					colours[fmt.Sprint(img.At(x, y))] = true
				}
			}
			if len(colours) < 20 {
				t.Errorf("%s, %s: %d colours: nothing is on it", name, look.name, len(colours))
			}
		}
	}
}

// A thousand links open in less time than somebody waits for them.
func TestBrowserOpensAFleetInTime(t *testing.T) {
	bound := timeFor(2 * time.Second)
	p := chromium.Start(t).Open(t)
	page := pageOf(t, fleet(t, 1000))
	best := time.Hour
	for range 3 {
		before := p.Browser().ProcessorTime(t)
		_, took := p.Visit(page)
		// Others use the machine too: on one of its own it takes no longer than the work of all its processes together.
		if best = min(best, took, p.Browser().ProcessorTime(t)-before); best < bound {
			break
		}
	}
	t.Logf("a page of %d MB: %s until it was painted", len(page)>>20, best.Round(time.Millisecond))
	if best > bound {
		t.Errorf("it takes %s, the bound is %s", best, bound)
	}
}
