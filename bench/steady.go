package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// The standing fleet: so many HTTP targets, each once in the interval.
const (
	standingTargets  = 10_000
	standingInterval = 10 * time.Second
	standingPerFile  = 1000
)

// steady measures what watching many HTTP targets costs: the built binary as somebody would run it, and beside it, one after the other on the
// same targets, Prometheus with blackbox_exporter. linkassay asks DNS for each target's name, records the TCP connect too, judges and serves
// metrics and the status page; the peers are given addresses.
func steady(ctx context.Context, b *book, s settings) error {
	if s.binary == "" {
		b.skip("no -binary")
		return nil
	}
	dir, err := os.MkdirTemp("", "linkassay-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	return withServers(ctx, func(p ports) error {
		own, err := standing(ctx, s, func(address string) (*exec.Cmd, error) {
			links := filepath.Join(dir, "links")
			return exec.CommandContext(ctx, s.binary, "canary", "-f", links, "--quiet", "--listen", address), writeFleet(links, p)
		})
		if err != nil {
			return fmt.Errorf("linkassay canary: %w", err)
		}
		b.add("linkassay", "cores", atMost(0.4), own.cores)
		b.add("linkassay, memory", "MB", atMost(300), own.peak)

		prometheus, err := exec.LookPath("prometheus")
		if err != nil {
			b.skip("no peer was measured: %v", err)
			return nil
		}
		version, err := exec.CommandContext(ctx, prometheus, "--version").CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s --version: %w", prometheus, err)
		}
		blackbox, err := startExporter(ctx, p)
		if err != nil {
			b.skip("no peer was measured: %v", err)
			return nil
		}
		defer blackbox.stop()
		peers, err := prometheusAndBlackbox(ctx, s, dir, prometheus, blackbox)
		if err != nil {
			return fmt.Errorf("prometheus and blackbox_exporter: %w", err)
		}
		b.note(firstLine(version)+", "+blackbox.version, "Prometheus and blackbox_exporter", "cores", goal{}, peers.cores)
		b.add("Prometheus and blackbox_exporter, memory", "MB", goal{}, peers.peak)
		b.add("cores, ratio to the peers", "", goal{}, own.cores/peers.cores)
		b.add("memory, ratio to the peers", "", goal{}, own.peak/peers.peak)
		return nil
	})
}

// load is what a standing process took.
type load struct{ cores, peak float64 } // MB resident at most

func (l load) plus(m load) load { return load{l.cores + m.cores, l.peak + m.peak} }

// standing starts a server, waits until all is warm, and measures it over some intervals while its metrics are read as usual.
func standing(ctx context.Context, s settings, command func(address string) (*exec.Cmd, error)) (load, error) {
	address, err := freeAddress()
	if err != nil {
		return load{}, err
	}
	cmd, err := command(address)
	if err != nil {
		return load{}, err
	}
	end, err := start(cmd)
	if err != nil {
		return load{}, err
	}
	l, err := watch(ctx, s, address, cmd.Process.Pid)
	return l, errors.Join(err, end())
}

// watch measures processes, the first of which serves /metrics.
func watch(ctx context.Context, s settings, address string, pids ...int) (load, error) {
	warm, span := 5*standingInterval, max(s.span, 6*standingInterval)
	scrape := func(for_ time.Duration) error {
		end := time.Now().Add(for_)
		for time.Now().Before(end) {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(min(15*time.Second, time.Until(end))):
			}
			if err := readPage(ctx, http.DefaultClient, "http://"+address+"/metrics", new(bytes.Buffer)); err != nil {
				return err
			}
		}
		return nil
	}
	if err := scrape(warm); err != nil {
		return load{}, err
	}
	var sum load
	before, began := make([]time.Duration, len(pids)), time.Now()
	for i, pid := range pids {
		var err error
		if before[i], err = cpuOf(pid); err != nil {
			return load{}, err
		}
	}
	if err := scrape(span); err != nil {
		return load{}, err
	}
	for i, pid := range pids {
		after, err := cpuOf(pid)
		if err != nil {
			return load{}, err
		}
		peak, err := peakOf(pid)
		if err != nil {
			return load{}, err
		}
		sum = sum.plus(load{(after - before[i]).Seconds() / time.Since(began).Seconds(), peak})
	}
	return sum, nil
}

// start runs a command until the returned function is called.
func start(cmd *exec.Cmd) (func() error, error) {
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() error {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("%w\n%s", err, said.String())
		}
		return nil
	}, nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// writeFleet writes link files of targets with one address each, whose name is asked for and whose AWS side nobody can ask.
func writeFleet(dir string, p ports) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for first := 0; first < standingTargets; first += standingPerFile {
		var f strings.Builder
		f.WriteString("apiVersion: linkassay/v1\nlinks:\n")
		for i := first; i < min(first+standingPerFile, standingTargets); i++ {
			fmt.Fprintf(&f, `  - name: target-%05d
    region: ap-southeast-1
    provider: {access: none, account: "111111111111", serviceId: vpce-svc-0123456789abcdef0}
    consumer: {access: none, account: "222222222222", endpointId: %s}
    privateDNSName: %s-ap-southeast-1%c.intra.example.com
    ports: [{port: %d, http: {path: /, status: [200]}}]
    publicDNS: {from: none}
    vantages: [{name: here, from: local, resolver: "127.0.0.1:%d"}]
    canary: {interval: %s, controlInterval: 5m}
`, i, endpointOf(i), endpointOf(i), zoneLetters[0], p.HTTP, p.DNS, standingInterval)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%05d.yaml", first)), []byte(f.String()), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// prometheusAndBlackbox measures both on the same targets.
func prometheusAndBlackbox(ctx context.Context, s settings, dir, prometheus string, blackbox *exporter) (load, error) {
	var targets strings.Builder
	for i := range standingTargets {
		fmt.Fprintf(&targets, "          - http://%s:%d/\n", addressOf(i, 0), blackbox.ports.HTTP)
	}
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf(`global: {scrape_interval: %[1]s, scrape_timeout: %[1]s}
scrape_configs:
  - job_name: http
    metrics_path: /probe
    params: {module: [http]}
    static_configs:
      - targets:
%[2]s    relabel_configs:
      - {source_labels: [__address__], target_label: __param_target}
      - {source_labels: [__param_target], target_label: instance}
      - {target_label: __address__, replacement: "%[3]s"}
`, standingInterval, targets.String(), blackbox.at)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return load{}, err
	}
	address, err := freeAddress()
	if err != nil {
		return load{}, err
	}
	server := exec.CommandContext(ctx, prometheus, "--config.file", config, "--storage.tsdb.path", filepath.Join(dir, "tsdb"), "--web.listen-address", address, "--log.level", "error")
	endServer, err := start(server)
	if err != nil {
		return load{}, err
	}
	l, err := watch(ctx, s, address, server.Process.Pid, blackbox.cmd.Process.Pid)
	return l, errors.Join(err, endServer())
}
