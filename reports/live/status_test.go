package live

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/reports/live/history"
	"github.com/linkassay/linkassay/suites"
	"github.com/linkassay/linkassay/suites/canary"
)

// fetch asks a page for a path.
func fetch(t *testing.T, s *Status, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	if csp := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("%s: policy %q", path, csp)
	}
	return w.Code, w.Body.String()
}

func status() *Status { return NewStatus(func() time.Time { return noon.Add(time.Minute) }) }

// watched are links of two services and two accounts.
func watched(names ...string) (links []provision.Link) {
	for i, name := range names {
		l := provision.Link{Name: name}
		l.Provider.ServiceName = fmt.Sprintf("com.amazonaws.vpce.us-east-1.vpce-svc-%d", i%2)
		l.Consumer.Account = fmt.Sprintf("22222222222%d", i%2)
		links = append(links, l)
	}
	return links
}

func wantIn(t *testing.T, page string, texts ...string) {
	t.Helper()
	for _, want := range texts {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
	if t.Failed() {
		t.Log(page)
	}
}

func TestStatusShowsWhatFailsFirst(t *testing.T) {
	t.Parallel()
	s := status()
	s.Watch(watched("a-good", "b-untold", "c-new", "orders", "d-stale"))
	r, err := ParseRunbooks([]string{"https://wiki.example.com/{check}"}, suites.Catalogue())
	if err != nil {
		t.Fatal(err)
	}
	s.Explain(r)
	good, untold, stale := round(canary.Good), round(canary.Untold), round(canary.Good)
	good.Link, untold.Link, untold.Reason, stale.Link = "a-good", "b-untold", "the API is throttled", "d-stale"
	stale.Finished = noon.Add(-4 * time.Minute)
	bad := round(canary.Bad)
	bad.Roots[0].Facts = []suites.Fact{{Name: "port 443", Value: "no healthy target"}}
	bad.Roots[0].Fix = &suites.Fix{Text: "mend the targets", Command: "aws elbv2 describe-target-health"}
	tell(t, s, good, untold, stale, bad, canary.Change{Kind: canary.Opened, At: noon, Incident: incident("billing", "orders")})
	code, page := fetch(t, s, "/")
	rows := page[strings.Index(page, "<tbody>"):]
	last := -1
	for _, name := range []string{"orders", "b-untold", "d-stale", "c-new", "a-good"} {
		at := strings.Index(rows, ">"+name+"</a>")
		if at <= last {
			t.Errorf("%s is at %d, expected after %d", name, at, last)
		}
		last = at
	}
	wantIn(t, page, "1 link of 5 fails", "<b>1</b> failing", "<b>1</b> could not tell", "<b>1</b> stale", "the API is throttled", "connection.healthy-target", "2 links", "59 s ago",
		`<noscript><meta http-equiv="refresh"`, `href="https://wiki.example.com/connection.healthy-target"`)
	if code != http.StatusOK {
		t.Errorf("%d", code)
	}
	_, only := fetch(t, s, "/?q=or&state=failing")
	if strings.Contains(only, ">a-good</a>") || !strings.Contains(only, ">orders</a>") || !strings.Contains(only, `value="or"`) {
		t.Error("the filter does not filter")
	}
	if _, only = fetch(t, s, "/?cause=k"); strings.Contains(only, ">a-good</a>") || !strings.Contains(only, ">orders</a>") {
		t.Error("links are not found by their cause")
	}
	behind := incident("c-new")
	behind.Key = "behind"
	tell(t, s, canary.Change{Kind: canary.Opened, At: noon, Incident: behind})
	if _, only = fetch(t, s, "/?cause=behind"); strings.Contains(only[strings.Index(only, "<tbody>"):], ">orders</a>") || !strings.Contains(only, ">c-new</a>") {
		t.Error("links of an incident are not found")
	}
	if _, only = fetch(t, s, "/?by=service"); strings.Count(only, `scope="rowgroup"`) != 2 || !strings.Contains(only, "vpce-svc-1</b>") {
		t.Error("links are not grouped by service")
	}
	if _, only = fetch(t, s, "/?by=account"); !strings.Contains(only, "222222222221</b>") {
		t.Error("links are not grouped by account")
	}
	code, page = fetch(t, s, "/links/orders")
	wantIn(t, page, "<h1>orders: ", "no healthy target", "mend the targets", "aws elbv2 describe-target-health", "Open incidents of this link", "any zone", "20 ms", "90 ms",
		"2026-11-27 12:00:01 UTC", "vpce-svc-1", "222222222221", "failing in ", "0 % good", "https://wiki.example.com/")
	if code != http.StatusOK {
		t.Errorf("%d", code)
	}
	s.Watch(watched("a-good"))
	tell(t, s, bad) // late
	if code, _ := fetch(t, s, "/links/orders"); code != http.StatusNotFound {
		t.Errorf("a link that is not watched any more: %d", code)
	}
}

const evil = "<script>alert(1)</script>\x1b[31m\u202e\"'><img src=x onerror=alert(1)>{{.}}"

// hostile has texts that are anything but texts everywhere.
func hostile(t *testing.T) (s *Status, paths []string) {
	t.Helper()
	s = status()
	link := provision.Link{Name: evil}
	link.Provider.ServiceName, link.Consumer.Account = evil, evil
	s.Watch([]provision.Link{link, {Name: "../../x"}})
	r := round(canary.Bad)
	r.Link, r.Maintenance, r.Reason = evil, evil, evil
	r.Roots[0].Reason, r.Roots[0].Facts, r.Roots[0].Fix = evil, []suites.Fact{{Name: evil, Value: evil}}, &suites.Fix{Text: evil, Command: evil, Apply: evil}
	r.Roots[0].Cause, r.Roots[0].Title, r.Roots[0].Key = canary.Cause{Check: evil, Side: evil, Kind: evil, ID: evil}, evil, evil
	r.Observation.Reach.TCP.Value[0].Target.ZoneID = evil
	i := incident(evil)
	i.Key, i.Reason, i.Why, i.Title, i.Cause, i.Bundle, i.Facts, i.Fix = evil, evil, evil, evil, r.Roots[0].Cause, evil, r.Roots[0].Facts, r.Roots[0].Fix
	s.Remember(fakePast{runs: []history.Run{{
		Link: evil, Began: noon, Until: noon.Add(time.Second), Rounds: 1, Outcome: canary.Outcome(evil), Reason: evil, Maintenance: evil, Bundle: evil,
		Causes:  []history.Cause{{Key: evil, Required: true}},
		Latency: []history.Spread{{Zone: evil, Phase: history.PhaseTCP, Median: time.Millisecond, Max: time.Second}},
	}}, incidents: []history.Past{{Incident: i, Most: 3}}}, nil)
	s.Show(&fakeEvidence{names: []string{strings.ReplaceAll(evil, "/", "")}})
	tell(t, s, r, canary.Change{Kind: canary.Opened, At: noon, Incident: i})
	q := url.QueryEscape(evil)
	return s, []string{"/", "/links/" + url.PathEscape(evil), "/?q=" + q + "&state=" + q + "&by=" + q + "&cause=" + q + "&page=" + q, "/incidents?since=" + q, "/links/" + url.PathEscape(evil) + "?span=" + q, "/bundles/" + url.PathEscape(strings.ReplaceAll(evil, "/", "")) + "/"}
}

func TestStatusIsNoScriptOfOthers(t *testing.T) {
	t.Parallel()
	s, paths := hostile(t)
	for _, path := range paths {
		code, page := fetch(t, s, path)
		if code != http.StatusOK || strings.ContainsAny(page, "\x1b\u202e") {
			t.Errorf("%s: %d", path, code)
		}
		root, err := html.Parse(strings.NewReader(page))
		if err != nil {
			t.Fatal(err)
		}
		for n := range root.Descendants() {
			if n.Data == "img" || n.Data == "script" && n.FirstChild != nil || n.Data == "iframe" {
				t.Errorf("%s: an element %s", path, n.Data)
			}
			for _, a := range n.Attr {
				if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "src" && a.Val != "/live.js" || a.Key == "href" && !strings.HasPrefix(a.Val, "/") && !strings.HasPrefix(a.Val, "#") {
					t.Errorf("%s: %s has %s=%q", path, n.Data, a.Key, a.Val)
				}
			}
		}
	}
}

// fakePast is a history.
type fakePast struct {
	runs      []history.Run
	incidents []history.Past
	err       error
}

func (f fakePast) Runs(_ context.Context, link string, since time.Time, most int) ([]history.Run, error) {
	var runs []history.Run
	for _, r := range f.runs {
		if r.Link == link && !r.Until.Before(since) && len(runs) < most {
			runs = append(runs, r)
		}
	}
	return runs, f.err
}

func (f fakePast) Incidents(_ context.Context, _ string, _ time.Time, most int) ([]history.Past, error) {
	return f.incidents[:min(len(f.incidents), most)], f.err
}

// fakeEvidence has bundles of these names.
type fakeEvidence struct{ names []string }

func (f *fakeEvidence) Has(name string) bool { return slices.Contains(f.names, name) }

func (f *fakeEvidence) Files(name string) []string {
	if !f.Has(name) {
		return nil
	}
	return []string{"report.html", "run.json"}
}

func (f *fakeEvidence) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = w.Write([]byte("file " + r.URL.Path))
}

func TestStatusOfAFleetIsBounded(t *testing.T) {
	t.Parallel()
	s := status()
	var names []string
	for i := range 5000 {
		names = append(names, fmt.Sprintf("link-%04d", i))
	}
	s.Watch(watched(names...))
	r := round(canary.Good)
	for _, n := range names {
		r.Link = n
		tell(t, s, r)
	}
	r.Link = names[4999]
	r.Outcome = canary.Bad
	for range 3 * historyRounds {
		tell(t, s, r)
	}
	tell(t, s, canary.Change{Kind: canary.Opened, At: noon, Incident: incident(names[:300]...)})
	for _, n := range names[:120] {
		i := incident(n)
		i.Key = n
		tell(t, s, canary.Change{Kind: canary.Opened, At: noon, Incident: i})
	}
	links := regexp.MustCompile(`<th scope="row"><a href="/links/(link-\d+)"`)
	_, page := fetch(t, s, "/")
	if n := len(links.FindAllString(page, -1)); n != shownLinks || len(page) > 256<<10 {
		t.Errorf("%d links, %d bytes", n, len(page))
	}
	wantIn(t, page, "The first 200 of 5,000 links", "and 280 more", "And 71 more", ">link-4999</a>", "4,999")
	// All are on some page, once.
	seen := map[string]int{}
	for path := "/"; path != ""; {
		_, page := fetch(t, s, path)
		for _, m := range links.FindAllStringSubmatch(page, -1) {
			seen[m[1]]++
		}
		next := regexp.MustCompile(`rel="next" href="([^"]+)"`).FindStringSubmatch(page)
		path = ""
		if next != nil {
			path = strings.ReplaceAll(next[1], "&amp;", "&")
		}
	}
	if len(seen) != 5000 {
		t.Errorf("%d links on all pages", len(seen))
	}
	for name, n := range seen {
		if n != 1 {
			t.Errorf("%s is on %d pages", name, n)
		}
	}
	if _, page = fetch(t, s, "/links/link-4999"); strings.Count(page, "<tr><td class") != historyRounds+1 {
		t.Errorf("%d rounds, expected %d and one row of what was not good", strings.Count(page, "<tr><td class"), historyRounds)
	}
	if _, page = fetch(t, s, "/?q=4321"); !strings.Contains(page, ">link-4321</a>") || len(links.FindAllString(page, -1)) != 1 {
		t.Error("the filter does not find a link that is on another page")
	}
	if _, page = fetch(t, s, "/?page=99999&q=link-12"); !strings.Contains(page, "1 to 100 of 100 links") && !strings.Contains(page, "100 links") {
		t.Error("a page that is not there is not the last one")
	}
}

// What was before this process is shown, from the history.
func TestStatusRemembers(t *testing.T) {
	t.Parallel()
	s := status()
	s.Watch(watched("orders"))
	bad := round(canary.Bad)
	run := func(ago time.Duration, outcome canary.Outcome, n int) history.Run {
		return history.Run{
			Link: "orders", Began: noon.Add(-ago), Until: noon.Add(4*time.Minute - ago), Rounds: n, Outcome: outcome,
			Latency: []history.Spread{
				{Phase: history.PhaseRound, Min: time.Second, Median: time.Second, Max: time.Second},
				{Zone: "use1-az1", Phase: history.PhaseTCP, Min: time.Millisecond, Median: 3 * time.Millisecond, Max: 9 * time.Millisecond},
				{Zone: "use1-az2", Phase: history.PhaseTCP, Min: time.Millisecond, Median: 4 * time.Millisecond, Max: 200 * time.Millisecond},
			},
		}
	}
	last := run(5*time.Minute, canary.Bad, 1)
	last.Roots, last.Causes, last.Bundle = bad.Roots, []history.Cause{{Key: "connection.healthy-target/load-balancer/x", Required: true}}, "kept"
	gone := run(2*time.Hour, canary.Untold, 1)
	gone.Bundle, gone.Reason = "gone", "the API was throttled"
	i := incident("orders")
	i.Ended, i.Why = noon, "3 good rounds in a row"
	past := fakePast{runs: []history.Run{last, run(10*time.Minute, canary.Good, 30), gone, run(50*time.Hour, canary.Bad, 7)}, incidents: []history.Past{{Incident: i, Most: 12}}}
	s.Show(&fakeEvidence{names: []string{"kept"}})
	s.Remember(past, map[string]history.Run{"orders": last, "other": last})
	_, page := fetch(t, s, "/")
	wantIn(t, page, "1 link of 1 fails", "connection.healthy-target")
	_, page = fetch(t, s, "/links/orders")
	wantIn(t, page, `href="/bundles/kept/report.html"`, `href="/bundles/kept/"`, "96.77 % good", "30 good, 1 failing; 1 could not tell", "use1-az2", "median 4.0 ms, at most 200 ms",
		"3 good rounds in a row", "the API was throttled", "<svg class=\"strip\"", "failing in ", `<a class="chip" href="/links/orders?span=1d" aria-current="true">1 day</a>`)
	if strings.Contains(page, "/bundles/gone/") {
		t.Error("a bundle that is gone is linked")
	}
	if _, page = fetch(t, s, "/links/orders?span=7d"); !strings.Contains(page, "30 good, 8 failing") {
		t.Error("seven days are not shown")
	}
	_, page = fetch(t, s, "/incidents")
	wantIn(t, page, "connection.healthy-target", "12", "3 good rounds in a row")
	_, page = fetch(t, s, "/bundles/kept/")
	wantIn(t, page, `href="/bundles/kept/run.json"`)
	for path, want := range map[string]int{"/bundles/kept/run.json": 200, "/bundles/none/": 404, "/bundles/": 404, "/bundles": 404, "/incidents/x": 404} {
		if code, _ := fetchAny(s, path); code != want {
			t.Errorf("%s: %d", path, code)
		}
	}
	past.err = errors.New("the disk <burns>")
	s.Remember(past, nil)
	if code, page := fetch(t, s, "/links/orders"); code != http.StatusOK || !strings.Contains(page, "the disk &lt;burns&gt;") {
		t.Errorf("%d: what can't be read is not told", code)
	}
}

func fetchAny(s *Status, path string) (int, string) {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}
