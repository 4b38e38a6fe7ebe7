package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// exporter is a prometheus-blackbox-exporter that runs.
type exporter struct {
	cmd     *exec.Cmd
	dir     string
	at      string
	version string
	ports   ports
	client  *http.Client
}

// startExporter starts Debian's prometheus-blackbox-exporter on loopback.
func startExporter(ctx context.Context, p ports) (*exporter, error) {
	path, err := exec.LookPath("prometheus-blackbox-exporter")
	if err != nil {
		return nil, fmt.Errorf("%w; apt-get install prometheus-blackbox-exporter", err)
	}
	version, err := exec.CommandContext(ctx, path, "--version").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s --version: %w", path, err)
	}
	e := &exporter{ports: p, version: firstLine(version), client: &http.Client{
		Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: inFlight, MaxConnsPerHost: inFlight},
	}}
	if built := regexp.MustCompile(`go version:\s*(\S+)`).FindSubmatch(version); built != nil {
		e.version += ", " + string(built[1])
	}
	if e.dir, err = os.MkdirTemp("", "linkassay-bench"); err != nil {
		return nil, err
	}
	config := filepath.Join(e.dir, "blackbox.yml")
	err = os.WriteFile(config, []byte(fmt.Sprintf(`modules:
  http: {prober: http, timeout: 5s, http: {preferred_ip_protocol: ip4}}
  tcp: {prober: tcp, timeout: 5s, tcp: {preferred_ip_protocol: ip4}}
  dns: {prober: dns, timeout: 5s, dns: {preferred_ip_protocol: ip4, transport_protocol: udp, query_name: %s, query_type: A}}
`, privateNameOf(0))), 0o600)
	if err != nil {
		return nil, err
	}
	if e.at, err = freeAddress(); err != nil {
		return nil, err
	}
	e.cmd = exec.CommandContext(ctx, path, "--config.file="+config, "--web.listen-address="+e.at, "--log.level=error")
	if err := e.cmd.Start(); err != nil {
		return nil, err
	}
	ready, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		if err = e.get(ready, "/-/healthy", nil); err == nil {
			return e, nil
		}
		if ready.Err() != nil {
			e.stop()
			return nil, fmt.Errorf("%s does not answer: %w", path, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (e *exporter) stop() {
	e.client.CloseIdleConnections()
	_ = e.cmd.Process.Kill()
	_ = e.cmd.Wait()
	_ = os.RemoveAll(e.dir)
}

// get reads an answer of the exporter into buf.
func (e *exporter) get(ctx context.Context, path string, buf *bytes.Buffer) error {
	return readPage(ctx, e.client, "http://"+e.at+path, buf)
}

// probe has the exporter probe the fleet's addresses, as Prometheus would, and counts what it alone used.
func (e *exporter) probe(module string) func(context.Context, time.Duration) (spent, error) {
	return func(ctx context.Context, span time.Duration) (spent, error) {
		before, err := cpuOf(e.cmd.Process.Pid)
		if err != nil {
			return spent{}, err
		}
		var n, next atomic.Int64
		var failed atomic.Pointer[error]
		var wg sync.WaitGroup
		began := time.Now()
		for range inFlight {
			wg.Go(func() {
				var buf bytes.Buffer
				for time.Since(began) < span && failed.Load() == nil {
					i := int(next.Add(1)) % (cpuLinks * loopbackZones)
					target := netip.AddrPortFrom(addressOf(i/loopbackZones, i%loopbackZones), e.ports.HTTP).String()
					switch module {
					case "http":
						target = "http://" + target + "/"
					case "dns":
						target = fmt.Sprintf("127.0.0.1:%d", e.ports.DNS)
					}
					err := e.get(ctx, "/probe?module="+module+"&target="+url.QueryEscape(target), &buf)
					if err == nil && !strings.Contains(buf.String(), "\nprobe_success 1\n") {
						err = fmt.Errorf("the exporter's %s probe of %s failed:\n%s", module, target, buf.String())
					}
					if err != nil {
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
		after, err := cpuOf(e.cmd.Process.Pid)
		return spent{after - before, int(n.Load())}, err
	}
}

// peerDNS is dnsperf.
type peerDNS struct {
	path, names, version string
	port                 uint16
}

// findDNSPerf looks for dnsperf, and writes down what it asks: the fleet's names.
func findDNSPerf(p ports) (*peerDNS, error) {
	path, err := exec.LookPath("dnsperf")
	if err != nil {
		return nil, fmt.Errorf("%w; apt-get install dnsperf", err)
	}
	f, err := os.CreateTemp("", "linkassay-bench")
	if err != nil {
		return nil, err
	}
	for i := range cpuLinks {
		_, err = fmt.Fprintf(f, "%s A\n", privateNameOf(i))
	}
	return &peerDNS{path: path, names: f.Name(), version: "dnsperf", port: p.DNS}, errors.Join(err, f.Close())
}

func (d *peerDNS) stop() { _ = os.Remove(d.names) }

// probe asks as many at once as we do.
func (d *peerDNS) probe(ctx context.Context, span time.Duration) (spent, error) {
	cmd := exec.CommandContext(ctx, d.path, "-s", "127.0.0.1", "-p", strconv.Itoa(int(d.port)), "-d", d.names, "-q", strconv.Itoa(inFlight),
		"-e", "-l", strconv.Itoa(max(1, int(span.Seconds()))))
	out, err := cmd.CombinedOutput()
	if err != nil {
		return spent{}, fmt.Errorf("%w\n%s", err, out)
	}
	if v := regexp.MustCompile(`Version (\S+)`).FindSubmatch(out); v != nil {
		d.version = "dnsperf " + string(v[1])
	}
	m := regexp.MustCompile(`Queries completed:\s+(\d+)`).FindSubmatch(out)
	if m == nil {
		return spent{}, fmt.Errorf("what it printed has no count:\n%s", out)
	}
	n, err := strconv.Atoi(string(m[1]))
	return spent{usageOf(cmd.ProcessState).CPU, n}, err
}

func firstLine(text []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	before, _, _ := strings.Cut(line, " (")
	return before
}
