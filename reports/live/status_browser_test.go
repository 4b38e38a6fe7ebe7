package live

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"image/png"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/reports/internal/chromium"
	"github.com/linkassay/linkassay/reports/live/history"
	"github.com/linkassay/linkassay/suites"
	"github.com/linkassay/linkassay/suites/canary"
)

// showcase is a fleet of 5,000 links of which 40 fail, for three causes, with a day of history.
func showcase(t *testing.T) *Status {
	t.Helper()
	s := NewStatus(func() time.Time { return noon })
	var links []provision.Link
	for i := range 5000 {
		l := provision.Link{Name: fmt.Sprintf("%s-%s-%04d", []string{"orders", "billing", "search", "ledger", "identity"}[i%5], []string{"eu", "us"}[i%2], i)}
		l.Provider.ServiceID = fmt.Sprintf("vpce-svc-0%016x", 0x5ca1ab1e+i%5)
		l.Consumer.Account = fmt.Sprintf("2222222222%02d", i%20)
		l.Canary.Interval = provision.Duration(10 * time.Second)
		links = append(links, l)
	}
	s.Watch(links)
	r, err := ParseRunbooks([]string{"https://wiki.example.com/linkassay/{check}"}, suites.Catalogue())
	if err != nil {
		t.Fatal(err)
	}
	s.Explain(r)
	const bundle = "20261127T113210.481Z-bad-orders-eu-0000"
	s.Show(&fakeEvidence{names: []string{bundle}})
	targets := canary.Root{
		Key: "connection.healthy-target/load-balancer/a", Required: true, Title: "the load balancer has a healthy target in each zone", Severity: suites.Critical,
		Cause: canary.Cause{
			Check: "connection.healthy-target", Side: suites.ProviderSide, Kind: canary.LoadBalancer,
			ID: "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/net/orders/50dc6c495c0c9188",
		},
		Reason: "no target of port 443 is healthy: all 3 answer health checks with nothing", Facts: []suites.Fact{{Name: "target group", Value: "orders-443"}, {Name: "unhealthy", Value: "10.0.1.17, 10.0.2.20, 10.0.3.9: Target.Timeout"}},
		Fix: &suites.Fix{Text: "start what listens on port 443 of the targets, or let the health check through", Command: "aws elbv2 describe-target-health --region eu-west-1 --target-group-arn arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/orders-443/73e2d6bc24d8a067"},
	}
	group := canary.Root{
		Key: "connection.security-group/endpoint/b", Required: true, Title: "the endpoint's security groups admit the vantage", Severity: suites.Critical,
		Cause:  canary.Cause{Check: "network.security-group-admits", Side: suites.ConsumerSide, Kind: canary.Endpoint, ID: "vpce-0a1b2c3d4e5f60718"},
		Reason: "no rule admits TCP 443 from 10.8.0.0/16", Fix: &suites.Fix{Text: "admit it", Command: "aws ec2 authorize-security-group-ingress --group-id sg-0123456789abcdef0 --protocol tcp --port 443 --cidr 10.8.0.0/16"},
	}
	resolver := canary.Root{
		Key: "dns.resolver-answers/vpc/c", Required: true, Title: "the VPC's resolver answers", Severity: suites.Critical,
		Cause:  canary.Cause{Check: "dns.resolver-answers", Side: suites.ConsumerSide, Kind: canary.VPC, ID: "vpc-0f00ba4f00ba4f00b"},
		Reason: "10.4.0.2 did not answer within 2 s", Facts: []suites.Fact{{Name: "asked", Value: "3 times"}},
	}
	open := map[string]*canary.Incident{}
	for i := range links {
		r := canary.Round{
			Link: links[i].Name, Started: noon.Add(-time.Duration(i%10) * time.Second), Finished: noon.Add(-time.Duration(i%10) * time.Second), Took: time.Duration(40+i%30) * time.Millisecond,
			Outcome: canary.Good, Observation: observed(), ControlAge: 90 * time.Second,
		}
		switch {
		case i%5 == 0 && i < 160: // 32
			r.Roots = []canary.Root{targets}
		case i > 0 && i%700 == 0: // 7
			r.Roots = []canary.Root{group}
		case i == 77:
			r.Roots = []canary.Root{resolver}
		case i%900 == 13:
			r.Outcome, r.Reason = canary.Untold, "ec2:DescribeVpcEndpoints: throttled after 5 tries"
		}
		if len(r.Roots) > 0 {
			r.Outcome = canary.Bad
			root := r.Roots[0]
			if open[root.Key] == nil {
				open[root.Key] = &canary.Incident{
					Key: root.Key, Cause: root.Cause, Title: root.Title, Severity: root.Severity, Reason: root.Reason, Facts: root.Facts, Fix: root.Fix,
					Since: noon.Add(-28 * time.Minute), Opened: noon.Add(-27 * time.Minute),
				}
			}
			open[root.Key].Links = append(open[root.Key].Links, canary.Affected{Link: r.Link, Since: noon.Add(-28 * time.Minute)})
		}
		tell(t, s, r)
	}
	open[targets.Key].Bundle = bundle
	for _, i := range open {
		slices.SortFunc(i.Links, func(a, b canary.Affected) int { return strings.Compare(a.Link, b.Link) })
		tell(t, s, canary.Change{Kind: canary.Opened, At: noon, Incident: *i})
	}
	s.past = fakePast{runs: aDay("orders-eu-0000", targets, bundle), incidents: []history.Past{
		{Incident: *open[targets.Key], Most: 32},
		{Incident: canary.Incident{
			Key: "x", Cause: canary.Cause{Check: "reachability.tcp-interfaces", Kind: canary.Service, ID: "vpce-svc-000000005ca1ab1e"}, Since: noon.Add(-9 * time.Hour),
			Opened: noon.Add(-9 * time.Hour), Ended: noon.Add(-9*time.Hour + 22*time.Minute), Why: "3 good rounds in a row", Flaps: 1,
		}, Most: 118},
	}}
	return s
}

// aDay is a day of a link: good, with a failure in the night and one that goes on.
func aDay(link string, root canary.Root, bundle string) (runs []history.Run) {
	ms := func(f float64) time.Duration { return time.Duration(f * float64(time.Millisecond)) }
	for n := range 288 {
		until := noon.Add(-time.Duration(n) * 5 * time.Minute)
		r := history.Run{Link: link, Began: until.Add(-5 * time.Minute), Until: until, Rounds: 30, Outcome: canary.Good}
		wave := math.Sin(float64(n)/23) + math.Sin(float64(n)*1.7)/6
		for i, zone := range []string{"euw1-az1", "euw1-az2", "euw1-az3"} {
			low := 0.6 + 0.5*float64(i)
			r.Latency = append(r.Latency,
				history.Spread{Zone: zone, Phase: history.PhaseTCP, Min: ms(low), Median: ms(low + 0.2 + 0.1*wave), Max: ms(low + 2)},
				history.Spread{Zone: zone, Phase: history.PhaseTLS, Min: ms(4 * low), Median: ms(4*low + 1 + wave), Max: ms(9 * low)},
				history.Spread{Zone: zone, Phase: history.PhaseHTTP, Min: ms(9 * low), Median: ms(12*low + 3 + 2*wave), Max: ms(40 * low)})
		}
		r.Latency = append(r.Latency, history.Spread{Phase: history.PhaseDNS, Min: ms(0.4), Median: ms(0.7 + 0.1*wave), Max: ms(3)}, history.Spread{Phase: history.PhaseRound, Min: ms(30), Median: ms(44 + 5*wave), Max: ms(90)})
		switch {
		case n < 6, n >= 104 && n < 109:
			r.Outcome, r.Causes, r.Latency = canary.Bad, []history.Cause{{Key: root.Key, Required: true}}, r.Latency[len(r.Latency)-2:]
		case n == 180:
			r.Outcome, r.Rounds, r.Reason = canary.Untold, 2, "ec2:DescribeVpcEndpoints: throttled after 5 tries"
		}
		if n == 5 {
			r.Rounds, r.Began, r.Bundle = 1, r.Until.Add(-time.Second), bundle
		}
		runs = append(runs, r)
	}
	return runs
}

// serve serves pages on loopback as the canary does.
func serve(t *testing.T, s *Status) string {
	t.Helper()
	l, err := Listen(context.Background(), "127.0.0.1:0", "", NewMetrics(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

var shownPages = map[string]string{"fleet": "/", "service": "/?by=service", "link": "/links/orders-eu-0000", "good": "/links/ledger-us-0003", "incidents": "/incidents", "filtered": "/?q=nothing"}

// axe-core finds nothing in any page, light and wide or dark and narrow, unfolded; and none is wider than the screen.
func TestBrowserFindsTheStatusPageAccessible(t *testing.T) {
	p := tab(t)
	source := chromium.Axe(t)
	at := serve(t, showcase(t))
	for name, path := range shownPages {
		p.Go(at + path)
		p.Evaluate("document.querySelectorAll('details').forEach(d => d.open = true); true", nil)
		p.Evaluate(source+"; true", nil)
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
			var wide int
			p.Evaluate("document.documentElement.scrollWidth", &wide)
			if wide > width {
				t.Errorf("%s at %d px: it is %d px wide", name, width, wide)
			}
		}
	}
}

// Pictures of the pages; with PICTURES=DIR they are kept there to be looked at.
func TestBrowserShowsTheStatusPage(t *testing.T) {
	p := tab(t)
	at := serve(t, showcase(t))
	for name, path := range shownPages {
		p.Go(at + path)
		for _, look := range []struct {
			name          string
			width, height int
			scheme        string
		}{{"light", 1280, 2600, "light"}, {"dark", 1280, 2600, "dark"}, {"narrow", 375, 3600, "light"}} {
			p.Looks(look.width, look.scheme, "screen")
			picture := p.Picture(look.width, look.height)
			chromium.Keep(t, name+"-"+look.name+".png", picture)
			if _, err := png.Decode(bytes.NewReader(picture)); err != nil {
				t.Error(err)
			}
			if *picture1 != "" && name == "fleet" && look.name == "light" {
				if err := os.WriteFile(*picture1, p.Picture(1280, 1180), 0o644); err != nil { //nolint:gosec // it is committed
					t.Fatal(err)
				}
			}
		}
	}
}

// everyPage is set by make browser; make test tries the refreshing alone, as a browser takes its time.
var everyPage = flag.Bool("every-page", false, "look at all pages of the canary in a browser")

// tab opens a browser, if all pages are to be looked at.
func tab(t *testing.T) *chromium.Tab {
	t.Helper()
	if !*everyPage && !*pace {
		t.Skip("make browser looks at all pages")
	}
	return chromium.Start(t).Open(t)
}

var picture1 = flag.String("status-picture", "", "write the picture of the first page to this file")

// pace is set by make pace, which wants a machine of its own.
var pace = flag.Bool("pace", false, "hold what is promised of times to the letter")

// The page of 5,000 links is small, and there before somebody waits for it.
func TestBrowserOpensTheStatusPageInTime(t *testing.T) {
	promised := 500 * time.Millisecond
	if !*pace {
		promised *= 10
	}
	p := tab(t)
	at := serve(t, showcase(t))
	best := time.Hour
	for range 3 {
		_, took := p.Go(at + "/")
		best = min(best, took)
	}
	resp, err := http.Get(at + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d KB, %s until it was painted", b.Len()>>10, best.Round(time.Millisecond))
	if best > promised || b.Len() > 150<<10 {
		t.Errorf("%d bytes in %s, the bounds are 150 KB and %s", b.Len(), best, promised)
	}
}

// The page shows what is new and keeps the place, what is unfolded, what is typed and what has the focus; it says when it can't.
func TestBrowserRefreshesWithoutLosingThePlace(t *testing.T) {
	p := chromium.Start(t).Open(t)
	s := showcase(t)
	server := httptest.NewUnstartedServer(s)
	server.Start()
	t.Cleanup(server.Close)
	address := server.Listener.Addr().String()
	p.Looks(1280, "light", "screen")
	// Its clock runs a hundred times as fast.
	p.Must("Page.addScriptToEvaluateOnNewDocument", map[string]any{"source": "const slow = setInterval; window.setInterval = (f, ms) => slow(f, ms / 100);"}, nil)
	p.Go("http://" + address + "/")
	p.Evaluate(`document.querySelectorAll("details")[2].open = false; document.getElementById("q").value = "typed"; document.querySelectorAll("tbody a")[30].focus(); scrollTo(0, 700); true`, nil)
	var before struct{ Y, Focus any }
	const place = `({Y: scrollY, Focus: document.activeElement.getAttribute("href")})`
	p.Evaluate(place, &before)
	good := round(canary.Good)
	good.Link, good.Finished = "orders-eu-0000", noon
	tell(t, s, good)
	wait(p, `document.querySelector("h1").textContent.startsWith("39 links of 5,000")`)
	var after struct{ Y, Focus any }
	p.Evaluate(place, &after)
	if before != after || before.Focus == nil || before.Y == 0.0 {
		t.Errorf("the place was %v, and is %v", before, after)
	}
	var kept struct {
		Open  []bool
		Typed string
		Title string
	}
	p.Evaluate(`({Open: [...document.querySelectorAll("details")].map(d => d.open), Typed: document.getElementById("q").value, Title: document.title})`, &kept)
	if !slices.Equal(kept.Open, []bool{true, true, false}) || kept.Typed != "typed" || !strings.HasPrefix(kept.Title, "39 failing") {
		t.Errorf("%+v", kept)
	}
	server.CloseClientConnections()
	server.Listener.Close()
	wait(p, `document.getElementById("fresh").textContent.startsWith("Not refreshed for ")`)
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	again := &httptest.Server{Listener: l, Config: &http.Server{Handler: s}}
	again.Start()
	t.Cleanup(again.Close)
	wait(p, `document.getElementById("fresh").textContent === ""`)
	for _, e := range p.Since() {
		if e.Method == "Runtime.exceptionThrown" {
			t.Errorf("%s", e.Params)
		}
	}
}

// Without script all is there, and comes again by itself.
func TestBrowserNeedsNoScript(t *testing.T) {
	p := tab(t)
	at := serve(t, showcase(t))
	p.Must("Emulation.setScriptExecutionDisabled", map[string]any{"value": true}, nil)
	p.Must("Page.navigate", map[string]any{"url": at + "/?q=orders-eu-0000"}, nil)
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		var page string // asked from without: scripts of the page do not run
		p.Evaluate("document.documentElement ? document.documentElement.outerHTML : ''", &page)
		if strings.Contains(page, `href="/links/orders-eu-0000"`) && strings.Contains(page, `<meta http-equiv="refresh" content="15">`) {
			return
		}
	}
	t.Error("the page is not there, or does not refresh itself")
}

// Chromium runs and loads nothing of what others say, and none of the pages' own parts is refused.
func TestBrowserRunsNothingHostileInTheStatusPage(t *testing.T) {
	p := tab(t)
	s, paths := hostile(t)
	at := serve(t, s)
	for _, path := range paths {
		events, _ := p.Go(at + path)
		for _, e := range events {
			switch e.Method {
			case "Page.javascriptDialogOpening", "Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown":
				if !bytes.Contains(e.Params, []byte("favicon")) {
					t.Errorf("%s: %s: %.300s", path, e.Method, e.Params)
				}
			case "Network.requestWillBeSent":
				var sent struct{ Request struct{ URL string } }
				if err := json.Unmarshal(e.Params, &sent); err != nil || !strings.HasPrefix(sent.Request.URL, at) {
					t.Errorf("%s: asks for %.200s", path, sent.Request.URL)
				}
			}
		}
	}
}

// wait waits until an expression is true.
func wait(p *chromium.Tab, expression string) {
	p.Evaluate("new Promise((done, fail) => { let n = 0; const look = () => { try { if ("+expression+") return done(true) } catch {} if (++n > 2000) return fail(new Error('it never was')); setTimeout(look, 10); }; look(); })", nil)
}
