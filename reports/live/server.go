package live

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v4"

	"github.com/linkassay/linkassay/suites/canary"
)

// Server serves /metrics, /healthz and /readyz, and the status pages beside. It has nothing that writes.
type Server struct {
	listener net.Listener
	server   *http.Server
	config   string
	guards   guards
	ready    atomic.Bool
	failed   chan error
}

// Listen opens the address. config is a web configuration file as the Prometheus exporters have it, with TLS and users;
// "" is plain HTTP for everybody.
func Listen(ctx context.Context, address, config string, m *Metrics, pages *Status) (*Server, error) {
	if err := web.Validate(config); err != nil {
		return nil, fmt.Errorf("web configuration %s: %w", config, err)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s := &Server{listener: l, config: config, guards: guardsOf(config), failed: make(chan error, 1)}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.Handler())
	mux.Handle("GET /", pages)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !s.ready.Load() {
			http.Error(w, "no round has ended yet", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	})
	s.server = &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	go func() {
		err := web.Serve(l, s.server, &web.FlagConfig{WebConfigFile: &s.config}, slog.New(slog.DiscardHandler))
		if !errors.Is(err, http.ErrServerClosed) {
			s.failed <- fmt.Errorf("serve %s: %w", l.Addr(), err)
		}
		close(s.failed)
	}()
	return s, nil
}

// Addr is where it listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Open says what is missing between the network and what is served: "TLS", "users" or "TLS and users"; "" where nothing is, or others
// than this host do not reach it.
func (s *Server) Open() string { return s.guards.missing(s.listener.Addr()) }

func (g guards) missing(at net.Addr) string {
	if ap, err := netip.ParseAddrPort(at.String()); err == nil && ap.Addr().Unmap().IsLoopback() {
		return ""
	}
	var missing []string
	if !g.tls {
		missing = append(missing, "TLS")
	}
	if !g.users {
		missing = append(missing, "users")
	}
	return strings.Join(missing, " and ")
}

// guards are what a web configuration puts before what is served.
type guards struct{ tls, users bool }

// guardsOf reads them from a configuration that was checked. Clients that must show a certificate are users too.
func guardsOf(path string) guards {
	var c struct {
		TLS *struct {
			Cert       string `yaml:"cert"`
			CertFile   string `yaml:"cert_file"`
			ClientAuth string `yaml:"client_auth_type"`
		} `yaml:"tls_server_config"`
		Users map[string]string `yaml:"basic_auth_users"`
	}
	b, err := os.ReadFile(path)
	if path == "" || err != nil || yaml.Unmarshal(b, &c) != nil {
		return guards{}
	}
	tls := c.TLS != nil && c.TLS.Cert+c.TLS.CertFile != "" // else it is plain HTTP, whatever the other settings
	certified := tls && c.TLS.ClientAuth == "RequireAndVerifyClientCert"
	return guards{tls: tls, users: len(c.Users) > 0 || certified}
}

// Failed gets what ended the server, or is closed when Close did.
func (s *Server) Failed() <-chan error { return s.failed }

// Close ends the server, requests in flight within half a second.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil {
		return s.server.Close()
	}
	return nil
}

// Round makes the server ready.
func (s *Server) Round(r canary.Round) error {
	if r.Outcome != canary.Interrupted {
		s.ready.Store(true)
	}
	return nil
}

// Change is nothing to the server.
func (s *Server) Change(canary.Change) error { return nil }
