package socks

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

const (
	maxConnections = 1024
	handshakeTime  = 10 * time.Second // for the client to say what it wants
	connectTime    = 30 * time.Second // to resolve and to connect
)

// Dial opens a connection in the network that the server leads into.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Resolve gives the addresses of a name in that network.
type Resolve func(ctx context.Context, host string) ([]netip.Addr, error)

// Server accepts clients until it is closed or its context ends.
type Server struct {
	listener net.Listener
	dial     Dial
	resolve  Resolve
	log      *slog.Logger
	ctx      context.Context
	cancel   context.CancelFunc
	slots    chan struct{}
	work     sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]bool // of clients and targets
	closed bool
}

// Serve starts a server on the listener, which it closes in the end. The end of the context stops
// it as Close does, but only Close waits.
func Serve(ctx context.Context, l net.Listener, dial Dial, resolve Resolve, log *slog.Logger) *Server {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		listener: l, dial: dial, resolve: resolve, log: log,
		slots: make(chan struct{}, maxConnections), conns: map[net.Conn]bool{},
	}
	s.ctx, s.cancel = context.WithCancel(ctx)
	s.work.Go(s.accept)
	s.work.Go(func() {
		<-s.ctx.Done()
		s.shutdown()
	})
	return s
}

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Close ends every connection and waits until nothing of the server runs any more.
func (s *Server) Close() error {
	s.cancel()
	s.work.Wait()
	return nil
}

func (s *Server) shutdown() {
	_ = s.listener.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for c := range s.conns {
		_ = c.Close()
	}
}

func (s *Server) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			if s.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			s.log.Warn("cannot accept a SOCKS client, trying on", "error", err)
			select { // out of descriptors, mostly
			case <-s.ctx.Done():
			case <-time.After(10 * time.Millisecond):
			}
			continue
		}
		select {
		case s.slots <- struct{}{}:
		default:
			s.log.Warn("too many SOCKS clients, one sent away", "limit", maxConnections)
			_ = c.Close()
			continue
		}
		s.work.Go(func() {
			defer func() { <-s.slots }()
			s.serve(c)
		})
	}
}

// keep registers the connection for shutdown; false, with the connection closed, when that has
// come already.
func (s *Server) keep(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = c.Close()
		return false
	}
	s.conns[c] = true
	return true
}

func (s *Server) forget(c net.Conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	_ = c.Close()
}

func (s *Server) serve(client net.Conn) {
	if !s.keep(client) {
		return
	}
	defer s.forget(client)
	in := bufio.NewReaderSize(client, 1024)
	_ = client.SetDeadline(time.Now().Add(handshakeTime))
	req, err := s.handshake(client, in)
	if err != nil {
		s.log.Debug("bad SOCKS client", "client", client.RemoteAddr().String(), "error", err)
		var pe *protocolError
		if errors.As(err, &pe) && pe.code != succeeded {
			s.refuse(client, in, pe.code)
		}
		return
	}
	_ = client.SetDeadline(time.Time{})
	target, err := s.connectWhile(client, in, req)
	if err != nil {
		s.log.Debug("SOCKS connection failed", "target", req.String(), "error", err)
		s.refuse(client, in, codeFor(err))
		return
	}
	if !s.keep(target) {
		return
	}
	defer s.forget(target)
	if _, err := client.Write(encodeReply(succeeded, target.LocalAddr())); err != nil {
		return
	}
	splice(client, in, target)
}

func (s *Server) handshake(client net.Conn, in *bufio.Reader) (request, error) {
	ok, err := readGreeting(in)
	if err != nil {
		return request{}, err
	}
	if !ok {
		_, _ = client.Write([]byte{version, noMethod})
		return request{}, errors.New("the client offers no way without authentication")
	}
	if _, err := client.Write([]byte{version, noAuth}); err != nil {
		return request{}, err
	}
	return readRequest(in)
}

// connectWhile connects to the target for as long as the client stays: a client that hangs up
// ends the attempt.
func (s *Server) connectWhile(client net.Conn, in *bufio.Reader, req request) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(s.ctx, connectTime)
	defer cancel()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		// What the client says early stays in the buffer for the target.
		if _, err := in.Peek(1); err != nil {
			cancel()
		}
	}()
	c, err := s.connect(ctx, req)
	_ = client.SetReadDeadline(time.Unix(1, 0)) // ends the watch
	<-watched
	_ = client.SetReadDeadline(time.Time{})
	return c, err
}

// connect resolves and dials. Of several addresses each gets its share of the time.
func (s *Server) connect(ctx context.Context, req request) (net.Conn, error) {
	addrs := []netip.Addr{req.addr}
	if req.host != "" {
		var err error
		if addrs, err = s.resolve(ctx, req.host); err != nil {
			return nil, fmt.Errorf("resolve %s: %w", req.host, err)
		}
		if len(addrs) == 0 {
			return nil, fmt.Errorf("resolve %s: %w", req.host, errNoAddress)
		}
	}
	var first error
	for k, a := range addrs {
		deadline, _ := ctx.Deadline()
		share := time.Until(deadline) / time.Duration(len(addrs)-k)
		try, cancel := context.WithTimeout(ctx, share)
		c, err := s.dial(try, "tcp", net.JoinHostPort(a.String(), strconv.Itoa(int(req.port))))
		cancel()
		if err == nil {
			return c, nil
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("connect to %s: %w", req, first)
}

// refuse sends the code and lets the client read it: closing with something unread would reset
// the connection and could take the reply along.
func (s *Server) refuse(client net.Conn, in *bufio.Reader, code reply) {
	_ = client.SetDeadline(time.Now().Add(time.Second))
	if _, err := client.Write(encodeReply(code, nil)); err != nil {
		return
	}
	closeWrite(client)
	_, _ = in.Discard(64 << 10)
}
