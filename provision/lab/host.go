package lab

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	hostHeaderTimeout = 10 * time.Second
	hostIdleTimeout   = 6 * time.Minute // outlives the load balancer's 350 s, as AWS advises
	hostHeaderBytes   = 16 << 10
	hostConnections   = 4096 // per port
	hostPortPatience  = 2 * time.Second
	hostPortPause     = 10 * time.Millisecond
)

// serveComment in user data names the ports that an instance serves:
//
//	#linkassay:serve http=80,8080 https=443,8443
//
// With proxy=unknown its servers take a proxy protocol header for what the client says.
const serveComment = "#linkassay:serve"

// hostPorts are the ports that an instance serves.
type hostPorts struct {
	http, https []uint16
	plain       bool // the servers don't know the proxy protocol
}

// portsFromUserData reads the serve comment. User data without one, or with one that cannot be
// read, gives the usual ports: an instance of the lab always serves something.
func portsFromUserData(userData string) hostPorts {
	usual := hostPorts{http: []uint16{80, 8080}, https: []uint16{443, 8443}}
	for line := range strings.Lines(userData) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), serveComment)
		if !ok {
			continue
		}
		var ports hostPorts
		for _, field := range strings.Fields(rest) {
			key, list, _ := strings.Cut(field, "=")
			if key == "proxy" && list == "unknown" {
				ports.plain = true
				continue
			}
			for _, s := range strings.Split(list, ",") {
				port, err := strconv.ParseUint(s, 10, 16)
				if err != nil || port == 0 {
					return usual
				}
				switch key {
				case "http":
					ports.http = append(ports.http, uint16(port))
				case "https":
					ports.https = append(ports.https, uint16(port))
				default:
					return usual
				}
			}
		}
		return ports
	}
	return usual
}

// host is an instance's real servers on its interface. Nothing in it changes with the world, and
// nothing in it takes the world's lock: the data plane stops it while holding that.
type host struct {
	instance string
	zoneID   string
	name     string // private DNS hostname: the certificate it has when asked for no name of the lab's
	addr     netip.Addr
	ports    hostPorts
	network  *vpcNetwork
	ca       *authority

	serves atomic.Pointer[Serving]

	mu      sync.Mutex
	wanted  bool         // start was called later than stop
	server  *http.Server // nil while stopped
	serving sync.WaitGroup
	open    connections
}

// start opens the host's ports, once what was there before has let go of them. It does nothing when
// they are open.
func (h *host) start(ctx context.Context) error {
	h.mu.Lock()
	h.wanted = true
	h.mu.Unlock()
	tick := time.NewTicker(hostPortPause)
	defer tick.Stop()
	for patience := hostPortPatience; ; patience -= hostPortPause {
		err := h.tryStart()
		if !errors.Is(err, syscall.EADDRINUSE) || patience <= 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// tryStart opens the host's ports if it is still to run.
func (h *host) tryStart() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.server != nil || !h.wanted {
		return nil
	}
	var listeners []net.Listener
	listen := func(port uint16, secure bool) error {
		l, err := h.network.net.Listen(netip.AddrPortFrom(h.addr, port))
		if err != nil {
			return fmt.Errorf("listen on %s port %d of instance %s: %w", h.addr, port, h.instance, err)
		}
		l = newHostListener(l, hostConnections, h.ports.plain)
		if secure {
			l = &secureListener{l, h, h.tlsConfig()}
		}
		listeners = append(listeners, l)
		return nil
	}
	var errs []error
	for _, port := range h.ports.http {
		errs = append(errs, listen(port, false))
	}
	for _, port := range h.ports.https {
		errs = append(errs, listen(port, true))
	}
	if err := errors.Join(errs...); err != nil {
		for _, l := range listeners {
			_ = l.Close() // giving up
		}
		return err
	}
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: hostHeaderTimeout, IdleTimeout: hostIdleTimeout,
		MaxHeaderBytes: hostHeaderBytes, ErrorLog: log.New(io.Discard, "", 0),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connectionKey{}, c)
		},
		ConnState: h.open.follow,
		// HTTP/1.1 alone: what a small real target speaks behind a pass-through load balancer.
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	h.server = server
	for _, l := range listeners {
		h.serving.Go(func() {
			_ = server.Serve(l) // ends with ErrServerClosed, or with the network
		})
	}
	return nil
}

// stop closes the ports and every connection, and waits for what served them.
func (h *host) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wanted = false
	if h.server == nil {
		return
	}
	h.open.abort()
	_ = h.server.Close() // the listeners' errors tell nothing new
	h.serving.Wait()
	h.open.wait()
	h.server = nil
}

func (h *host) tlsConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if fault := h.misbehaves().Certificate; fault != "" {
				return h.ca.spoiled(fault, hello.ServerName)
			}
			return h.ca.certificate(hello.ServerName, h.name)
		},
	}
}

type connectionKey struct{}

// ServeHTTP answers every request with who answered and whom it saw.
func (h *host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.misserve(w, r) {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "linkassay target\ninstance %s\nzone %s\nremote %s\nhost %s\n",
		h.instance, h.zoneID, r.RemoteAddr, printable(r.Host, 255))
	if p := receivedHeader(r.Context()); p != nil && !p.local {
		fmt.Fprintf(&b, "proxy-source %s\n", p.src)
		if p.endpoint != "" {
			fmt.Fprintf(&b, "proxy-endpoint %s\n", p.endpoint)
		}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, b.String()) // the client may have gone
}

// receivedHeader finds the proxy protocol header of the request's connection.
func receivedHeader(ctx context.Context) *proxyHeader {
	c, _ := ctx.Value(connectionKey{}).(net.Conn)
	if h, ok := unwrap(c); ok {
		return h.header
	}
	return nil
}

// boot starts the instance's real HTTP and HTTPS servers on its interface.
func (p *plane) boot(i *instance) error {
	if p == nil || p.closed || p.bare {
		return nil
	}
	eni, v := p.world.interfaces[i.eni], p.world.vpcs[i.vpc]
	if eni == nil || v == nil || v.net == nil {
		return fmt.Errorf("boot instance %s: it has no interface in a network", i.id)
	}
	if i.host != nil {
		return nil
	}
	zoneID := ""
	if s := p.world.subnets[i.subnet]; s != nil {
		zoneID = s.zoneID
	}
	h := &host{
		instance: i.id, zoneID: zoneID, name: privateDNSHostname(eni.addr, i.region), addr: eni.addr,
		ports: portsFromUserData(i.userData), network: v.net, ca: p.ca,
	}
	h.wanted = true
	err := h.tryStart()
	if errors.Is(err, syscall.EADDRINUSE) {
		// Connections from before it was stopped linger for a moment; not here, under the world's lock.
		p.wg.Go(func() {
			if err := h.start(p.ctx); err != nil {
				p.log.Error("start servers", "instance", h.instance, "error", err)
			}
		})
	} else if err != nil {
		return err
	}
	i.host = h
	p.hosts[i.id] = h
	return nil
}

// halt stops them.
func (p *plane) halt(i *instance) {
	if p == nil || i.host == nil {
		return
	}
	i.host.stop()
	i.host = nil
	delete(p.hosts, i.id)
}
