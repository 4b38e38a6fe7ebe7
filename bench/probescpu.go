package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

// cpuLinks is how many links are probed again and again for the CPU of a probe.
const cpuLinks = 1000

// inFlight is how many probes are under way at once, ours and the peers'.
const inFlight = 64

// spent is what a client used for so many probes.
type spent struct {
	cpu    time.Duration
	probes int
}

// each is microseconds a probe.
func (s spent) each() float64 { return float64(s.cpu.Nanoseconds()) / 1000 / float64(max(s.probes, 1)) }

// contender is a client that probes for a time.
type contender struct {
	name  string
	probe func(ctx context.Context, span time.Duration) (spent, error)
}

// probesCPU measures the CPU of DNS, TCP and HTTP probes in fast rounds with the whole Observation recorded, beside
// prometheus-blackbox-exporter, dnsperf and a bare loop: all against the same servers, in turn.
func probesCPU(ctx context.Context, b *book, s settings) error {
	return withServers(ctx, func(p ports) error {
		fleet, err := makeFleet(cpuLinks, p)
		if err != nil {
			return err
		}
		engine := probes.NewEngine(0)
		defer engine.Close()
		all := []contender{
			{"DNS", roundsOf(engine, namesAlone(fleet))},
			{"TCP", roundsOf(engine, addressesAlone(fleet, false))},
			{"TCP+HTTP", roundsOf(engine, addressesAlone(fleet, true))},
			{"bare HTTP", bareHTTP(p)},
		}
		exporter, err := startExporter(ctx, p)
		if err != nil {
			b.skip("ratios to prometheus-blackbox-exporter: %v", err)
		} else {
			defer exporter.stop()
			for _, module := range []string{"dns", "tcp", "http"} {
				all = append(all, contender{"exporter " + module, exporter.probe(module)})
			}
		}
		perf, err := findDNSPerf(p)
		if err != nil {
			b.skip("the ratio to dnsperf: %v", err)
		} else {
			defer perf.stop()
			all = append(all, contender{"dnsperf", perf.probe})
		}
		figures := map[string][]float64{}
		for range s.runs {
			for _, c := range all {
				used, err := c.probe(ctx, s.span)
				if err == nil && used.probes == 0 {
					err = fmt.Errorf("nothing was probed")
				}
				if err != nil {
					return fmt.Errorf("%s: %w", c.name, err)
				}
				figures[c.name] = append(figures[c.name], used.each())
			}
		}
		// What is said over HTTP is said over the connection that is the TCP probe: an HTTP probe is both, as its peers' are.
		for _, each := range figures["TCP+HTTP"] {
			figures["HTTP"] = append(figures["HTTP"], 2*each)
		}
		for _, name := range []string{"DNS", "TCP", "HTTP", "bare HTTP", "dnsperf", "exporter dns", "exporter tcp", "exporter http"} {
			if v := figures[name]; v != nil {
				b.add(name, "µs CPU", goal{}, v...)
			}
		}
		ratio := func(note, name string, ours, theirs string, g goal) {
			if theirs := figures[theirs]; theirs != nil {
				var r []float64
				for i := range theirs {
					r = append(r, figures[ours][i]/theirs[i])
				}
				b.note(note, name, "times", g, r...)
			}
		}
		if exporter != nil {
			ratio(exporter.version, "DNS to the exporter's", "DNS", "exporter dns", atMost(1./30))
			ratio(exporter.version, "TCP to the exporter's", "TCP", "exporter tcp", atMost(1./7))
			ratio(exporter.version, "HTTP to the exporter's", "HTTP", "exporter http", atMost(1./5))
		}
		if perf != nil {
			ratio(perf.version, "DNS to dnsperf's", "DNS", "dnsperf", atMost(1.6))
		}
		ratio("net.Dial, Write, http.ReadResponse, Close", "HTTP to a bare loop's", "HTTP", "bare HTTP", atMost(1.3))
		return nil
	})
}

// namesAlone are the fleet's links without ports: their five names are asked, and nothing is dialled.
func namesAlone(fleet []member) []member {
	var out []member
	for _, m := range fleet {
		m.link.Ports = nil
		out = append(out, m)
	}
	return out
}

// addressesAlone are the fleet's links without names: their three addresses are dialled, and nothing is asked.
func addressesAlone(fleet []member, speak bool) []member {
	var out []member
	for _, m := range fleet {
		known := *m.known
		ep := *known.Consumer.Endpoint
		ep.Value.RegionalName, ep.Value.ZonalNames = "", nil
		known.Consumer.Endpoint = &ep
		m.known = &known
		m.link.PrivateDNSName = ""
		if !speak {
			m.link.Ports = []provision.Port{{Port: m.link.Ports[0].Port}}
		}
		out = append(out, m)
	}
	return out
}

// roundsOf makes rounds of the fleet, each with its Observation.
func roundsOf(engine *probes.Engine, fleet []member) func(context.Context, time.Duration) (spent, error) {
	// A round has several probes under way at once.
	return func(ctx context.Context, span time.Duration) (spent, error) {
		var n, next atomic.Int64
		var failed atomic.Pointer[error]
		var wg sync.WaitGroup
		began, before := time.Now(), ownCPU()
		for range inFlight / 4 {
			wg.Go(func() {
				for time.Since(began) < span && failed.Load() == nil {
					m := &fleet[int(next.Add(1))%len(fleet)]
					o := probes.Observe(ctx, m.link, m.src, probes.Options{Known: m.known, Engine: engine})
					if err := allWell(o); err != nil {
						failed.CompareAndSwap(nil, &err)
					}
					n.Add(int64(probesOf(o)))
				}
			})
		}
		wg.Wait()
		if err := failed.Load(); err != nil {
			return spent{}, *err
		}
		return spent{ownCPU() - before, int(n.Load())}, nil
	}
}

// allWell is an error where a probe came to nothing: failures cost something else.
func allWell(o *probes.Observation) error {
	for _, it := range []*probes.Item[[]probes.Lookup]{o.DNS.Private, o.DNS.Regional, o.DNS.Zonal} {
		for _, l := range it.Value {
			if l.Type == "A" && (l.Outcome != probes.OK || len(l.Addrs) == 0 || len(l.Wire) == 0) {
				return fmt.Errorf("%s: %s %s", l.Name, l.Outcome, l.Detail)
			}
		}
	}
	for _, a := range o.Reach.TCP.Value {
		if a.Tries[0].Outcome != probes.OK {
			return fmt.Errorf("%s: %s %s", a.Addr, a.Tries[0].Outcome, a.Tries[0].Detail)
		}
	}
	for _, e := range o.Reach.HTTP.Value {
		if e.Status != http.StatusOK || e.BodySHA256 == "" {
			return fmt.Errorf("%s: %s %d %s", e.Addr, e.Outcome, e.Status, e.Detail)
		}
	}
	return nil
}

// bareHTTP is the least that a Go program does for an answer.
func bareHTTP(p ports) func(context.Context, time.Duration) (spent, error) {
	once := func(addr string) error {
		c, err := net.DialTimeout("tcp", addr, 3*time.Second)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			return err
		}
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: "+addr+"\r\nUser-Agent: bare\r\nAccept: */*\r\nConnection: close\r\n\r\n"); err != nil {
			return err
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	return func(_ context.Context, span time.Duration) (spent, error) {
		var n, next atomic.Int64
		var failed atomic.Pointer[error]
		var wg sync.WaitGroup
		began, before := time.Now(), ownCPU()
		for range inFlight {
			wg.Go(func() {
				for time.Since(began) < span && failed.Load() == nil {
					i := int(next.Add(1)) % (cpuLinks * loopbackZones)
					if err := once(netip.AddrPortFrom(addressOf(i/loopbackZones, i%loopbackZones), p.HTTP).String()); err != nil {
						failed.CompareAndSwap(nil, &err)
					}
					n.Add(1)
				}
			})
		}
		wg.Wait()
		if err := failed.Load(); err != nil {
			return spent{}, *err
		}
		return spent{ownCPU() - before, int(n.Load())}, nil
	}
}
