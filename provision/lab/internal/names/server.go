package names

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/linkassay/linkassay/provision/lab/internal/network"
)

const (
	dnsPort = 53

	// maxUDPPayload is the largest UDP message sent and asked for, in bytes.
	maxUDPPayload = 4096

	// maxQueries bounds the questions that one address works on; more are lost, as in a full queue.
	maxQueries = 4096

	// shutdownTime bounds the wait for questions that are being answered.
	shutdownTime = 5 * time.Second
)

// respond answers one question; nil is silence.
type respond func(ctx context.Context, query *dns.Msg) *dns.Msg

// server answers on UDP and TCP port 53 of one address.
type server struct {
	respond  respond
	ctx      context.Context // ends when the server closes
	cancel   context.CancelFunc
	slots    chan struct{}
	udp, tcp *dns.Server
	done     sync.WaitGroup
}

func newServer(n *network.Net, addr netip.Addr, r respond) (*server, error) {
	ap := netip.AddrPortFrom(addr, dnsPort)
	pc, err := n.ListenPacket(ap)
	if err != nil {
		return nil, fmt.Errorf("name server at %s: %w", addr, err)
	}
	l, err := n.Listen(ap)
	if err != nil {
		_ = pc.Close()
		return nil, fmt.Errorf("name server at %s: %w", addr, err)
	}
	s := &server{respond: r, slots: make(chan struct{}, maxQueries)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	// The read timeout of the datagram socket would only wake the server for nothing.
	s.udp = &dns.Server{PacketConn: pc, Handler: s, UDPSize: maxUDPPayload, ReadTimeout: time.Hour}
	s.tcp = &dns.Server{Listener: l, Handler: s}
	started := make(chan struct{}, 2)
	for _, d := range []*dns.Server{s.udp, s.tcp} {
		d.NotifyStartedFunc = func() { started <- struct{}{} }
		s.done.Go(func() { _ = d.ActivateAndServe() }) // it ends with an error when the network closes
	}
	<-started // a shutdown before the start would be lost
	<-started
	return s, nil
}

// ServeDNS implements dns.Handler.
func (s *server) ServeDNS(w dns.ResponseWriter, query *dns.Msg) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		return
	}
	var reply *dns.Msg
	opt := query.IsEdns0()
	if opt != nil && opt.Version() != 0 {
		reply = new(dns.Msg).SetRcode(query, dns.RcodeBadVers)
	} else if reply = s.respond(s.ctx, query); reply == nil {
		return
	}
	size := dns.MaxMsgSize
	if w.RemoteAddr().Network() == "udp" {
		size = dns.MinMsgSize
		if opt != nil {
			size = min(max(size, int(opt.UDPSize())), maxUDPPayload)
		}
	}
	if opt != nil {
		reply.SetEdns0(maxUDPPayload, false)
	}
	reply.Compress = true
	reply.Truncate(size)
	_ = w.WriteMsg(reply) // a client that has gone is its own affair
}

func (s *server) close() {
	s.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTime)
	defer cancel()
	_ = s.udp.ShutdownContext(ctx)
	_ = s.tcp.ShutdownContext(ctx)
	s.done.Wait()
}

// refuse is the answer to what a server does not serve.
func refuse(query *dns.Msg, rcode int) *dns.Msg { return new(dns.Msg).SetRcode(query, rcode) }

// question gives the one question of a query that can be answered at all.
func question(query *dns.Msg) (dns.Question, bool) {
	if len(query.Question) != 1 || query.Question[0].Qclass != dns.ClassINET {
		return dns.Question{}, false
	}
	return query.Question[0], true
}
