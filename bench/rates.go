package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/lab"
)

// labRates measures what the lab's network carries, 64 probes at once.
func labRates(ctx context.Context, b *book, s settings) error {
	return withLink(ctx, func(_ *lab.Lab, link provision.Link, src probes.Sources) error {
		v := src.Vantages[0].Vantage
		address := link.PrivateDNSName + "."
		resolver := v.Resolvers()[0].String()
		answer, err := lookup(ctx, v, resolver, address)
		if err != nil {
			return err
		}
		target := net.JoinHostPort(answer, "80")
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
			rate, err := perSecond(ctx, s.span, p.once)
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			b.add(p.name, "1/s", goal{}, rate)
		}
		return nil
	})
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
