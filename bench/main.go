// Command bench measures linkassay on this machine: the lab's start, the demo, one verify run split
// into its longest chain and its overhead, and probes per second through the lab. Figures are
// medians; compare ratios within one run, since machines drift.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/lab"
	"github.com/linkassay/linkassay/reports"
	"github.com/linkassay/linkassay/suites"
)

func main() {
	binary := flag.String("binary", "", "the built linkassay, for timing the demo as a whole process")
	runs := flag.Int("runs", 5, "runs of each measurement")
	span := flag.Duration("span", 2*time.Second, "how long each rate is measured")
	flag.Parse()
	if err := run(context.Background(), *binary, *runs, *span); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, binary string, runs int, span time.Duration) error {
	fmt.Printf("%s %s/%s, %d processors, medians of %d runs\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), runs)
	start, stop, err := labStart(ctx, runs)
	if err != nil {
		return err
	}
	fmt.Printf("%-34s %10s   stop %s\n", "lab start", round(start), round(stop))
	if binary != "" {
		demo, err := demoWall(ctx, binary, min(runs, 3))
		if err != nil {
			return err
		}
		fmt.Printf("%-34s %10s   goal under 10s\n", "demo, whole process", round(demo))
	}
	return verifyAndRates(ctx, runs, span)
}

func labStart(ctx context.Context, runs int) (start, stop time.Duration, err error) {
	var starts, stops []time.Duration
	for range runs {
		t := time.Now()
		l, err := lab.Start(ctx, lab.Options{})
		if err != nil {
			return 0, 0, err
		}
		starts = append(starts, time.Since(t))
		t = time.Now()
		if err := l.Close(); err != nil {
			return 0, 0, err
		}
		stops = append(stops, time.Since(t))
	}
	return median(starts), median(stops), nil
}

func demoWall(ctx context.Context, binary string, runs int) (time.Duration, error) {
	var walls []time.Duration
	for range runs {
		var out bytes.Buffer
		cmd := exec.CommandContext(ctx, binary, "demo")
		cmd.Stdout, cmd.Stderr = &out, &out
		t := time.Now()
		if err := cmd.Run(); err != nil {
			return 0, fmt.Errorf("demo: %w\n%s", err, out.String())
		}
		walls = append(walls, time.Since(t))
	}
	return median(walls), nil
}

// verifyAndRates measures on one provisioned lab.
func verifyAndRates(ctx context.Context, runs int, span time.Duration) (err error) {
	l, err := lab.Start(ctx, lab.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	link, err := l.Provision(ctx, nil)
	if err != nil {
		return err
	}
	sides, err := provision.Open(ctx, &link, l.Open)
	if err != nil {
		return err
	}
	src := probes.Sources{Provider: sides.Provider, Consumer: sides.Consumer, PublicDNS: l.Internet()}
	for _, s := range l.Subnets(link.Consumer.Account) {
		v, err := l.Vantage(s.ID)
		if err != nil {
			return err
		}
		spec := provision.Vantage{Name: "consumer-" + s.ZoneID, From: "lab", Zone: s.ZoneID}
		link.Vantages = append(link.Vantages, spec)
		src.Vantages = append(src.Vantages, probes.Placed{Spec: spec, Vantage: v})
	}

	var walls, chains, judgings []time.Duration
	var count int
	for range runs {
		t := time.Now()
		o := probes.Observe(ctx, link, src, probes.Options{ReadFile: l.ReadFile})
		observed := time.Now()
		verdicts := suites.Judge(o, suites.Catalogue(), nil)
		report := &reports.Report{Tool: "linkassay", Started: t, Finished: time.Now(), Links: []reports.LinkReport{{Observation: o, Verdicts: verdicts}}}
		if err := reports.Print(io.Discard, report, "table", reports.PrintOptions{}); err != nil {
			return err
		}
		walls = append(walls, time.Since(t))
		judgings = append(judgings, time.Since(observed))
		chains = append(chains, longestChain(o))
		for _, v := range verdicts {
			if v.Status == suites.Failed || v.Status == suites.Untold {
				return fmt.Errorf("the healthy link is not: %s %s: %s", v.Check, v.Status, v.Reason)
			}
		}
		count = len(o.Reach.TCP.Value) + len(o.Reach.TLS.Value) + len(o.Reach.HTTP.Value) +
			len(o.DNS.Private.Value) + len(o.DNS.Regional.Value) + len(o.DNS.Zonal.Value) + len(o.DNS.TXT.Value.Asked)
	}
	wall, chain := median(walls), median(chains)
	fmt.Printf("%-34s %10s   goal under 1s; %d probes from %d vantages\n", "verify, one healthy link", round(wall), count, len(src.Vantages))
	fmt.Printf("%-34s %10s\n", "  longest chain of items", round(chain))
	fmt.Printf("%-34s %10s   judging and report %s of it\n", "  overhead", round(wall-chain), round(median(judgings)))

	v := src.Vantages[0].Vantage
	address := link.PrivateDNSName + "."
	resolver := v.Resolvers()[0].String()
	answer, err := lookup(ctx, v, resolver, address)
	if err != nil {
		return err
	}
	target := net.JoinHostPort(answer, "80")
	fmt.Println()
	for _, p := range []struct {
		name string
		once func(context.Context) error
	}{
		{"DNS, A over UDP", func(ctx context.Context) error { _, err := lookup(ctx, v, resolver, address); return err }},
		{"TCP connect through the NLB", func(ctx context.Context) error {
			c, err := v.DialContext(ctx, "tcp", target)
			if err == nil {
				err = c.Close()
			}
			return err
		}},
		{"HTTP, a new connection each", func(ctx context.Context) error { return get(ctx, v, target) }},
	} {
		rate, err := perSecond(ctx, span, p.once)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		fmt.Printf("%-34s %8.0f/s   64 at once, both ends in this process\n", p.name, rate)
	}
	return nil
}

// longestChain walks back from the item that ended last: before it comes the item that ended last
// before it began, and so on. The sum of their durations is what no concurrency could save.
func longestChain(o *probes.Observation) time.Duration {
	type span struct{ from, to time.Time }
	var spans []span
	for _, name := range probes.ItemNames() {
		if m, ok := o.Meta(name); ok && !m.Started.IsZero() {
			spans = append(spans, span{m.Started, m.Started.Add(m.Duration)})
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return b.to.Compare(a.to) })
	var sum time.Duration
	before := time.Now()
	for _, s := range spans {
		if !s.to.After(before) {
			sum += s.to.Sub(s.from)
			before = s.from
		}
	}
	return sum
}

func lookup(ctx context.Context, v probes.Vantage, resolver, name string) (string, error) {
	conn, err := v.DialContext(ctx, "udp", resolver)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	q := new(dns.Msg)
	q.SetQuestion(name, dns.TypeA)
	client := &dns.Client{Timeout: 5 * time.Second}
	answer, _, err := client.ExchangeWithConnContext(ctx, q, &dns.Conn{Conn: conn, UDPSize: 1232})
	if err != nil {
		return "", err
	}
	for _, rr := range answer.Answer {
		if a, ok := rr.(*dns.A); ok {
			return a.A.String(), nil
		}
	}
	return "", fmt.Errorf("%s has no A record: %s", name, dns.RcodeToString[answer.Rcode])
}

func get(ctx context.Context, v probes.Vantage, target string) error {
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return v.DialContext(ctx, network, target)
	}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+target+"/", nil)
	if err != nil {
		return err
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	return err
}

// perSecond runs once in 64 workers for the span.
func perSecond(ctx context.Context, span time.Duration, once func(context.Context) error) (float64, error) {
	const workers = 64
	var done atomic.Int64
	var first atomic.Pointer[error]
	var wg sync.WaitGroup
	start := time.Now()
	for range workers {
		wg.Go(func() {
			for time.Since(start) < span && first.Load() == nil {
				ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
				err := once(ctx)
				cancel()
				if err != nil {
					first.CompareAndSwap(nil, &err)
					return
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	if err := first.Load(); err != nil {
		return 0, *err
	}
	return float64(done.Load()) / time.Since(start).Seconds(), nil
}

func median(d []time.Duration) time.Duration {
	s := slices.Clone(d)
	slices.Sort(s)
	return s[len(s)/2]
}

func round(d time.Duration) time.Duration {
	if d < 10*time.Millisecond {
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(time.Millisecond)
}
