package socks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"syscall"
)

const (
	version    = 5
	noAuth     = 0x00
	noMethod   = 0xff
	cmdConnect = 1
	typeIPv4   = 1
	typeDomain = 3
	typeIPv6   = 4
)

// reply is the answer's code: RFC 1928, 6.
type reply byte

const (
	succeeded          reply = 0
	generalFailure     reply = 1
	notAllowed         reply = 2
	networkUnreachable reply = 3
	hostUnreachable    reply = 4
	connectionRefused  reply = 5
	ttlExpired         reply = 6 // also what there is for a timeout
	commandUnknown     reply = 7
	addressTypeUnknown reply = 8
)

// request is whereto a client wants to be connected: an address, or a name to resolve.
type request struct {
	addr netip.Addr // invalid when host is set
	host string
	port uint16
}

func (r request) String() string {
	if r.host != "" {
		return fmt.Sprintf("%s:%d", r.host, r.port)
	}
	return netip.AddrPortFrom(r.addr, r.port).String()
}

// protocolError is a request that can't be served, with the code that says so; code 0 means that
// the client gets no reply, since it doesn't speak SOCKS5.
type protocolError struct {
	code reply
	what string
}

func (e *protocolError) Error() string { return e.what }

// readGreeting reads which ways of authentication the client offers, and says whether none is one.
func readGreeting(r io.Reader) (bool, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return false, fmt.Errorf("read the greeting: %w", err)
	}
	if head[0] != version {
		return false, &protocolError{what: fmt.Sprintf("version %d, want 5", head[0])}
	}
	methods := make([]byte, head[1])
	if _, err := io.ReadFull(r, methods); err != nil {
		return false, fmt.Errorf("read the methods: %w", err)
	}
	for _, m := range methods {
		if m == noAuth {
			return true, nil
		}
	}
	return false, nil
}

// readRequest reads the one request of a connection.
func readRequest(r io.Reader) (request, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return request{}, fmt.Errorf("read the request: %w", err)
	}
	if head[0] != version {
		return request{}, &protocolError{what: fmt.Sprintf("request of version %d, want 5", head[0])}
	}
	var size int
	switch head[3] {
	case typeIPv4:
		size = 4
	case typeIPv6:
		size = 16
	case typeDomain:
		var n [1]byte
		if _, err := io.ReadFull(r, n[:]); err != nil {
			return request{}, fmt.Errorf("read the length of the name: %w", err)
		}
		size = int(n[0])
	default:
		return request{}, &protocolError{addressTypeUnknown, fmt.Sprintf("address type %d", head[3])}
	}
	b := make([]byte, size+2)
	if _, err := io.ReadFull(r, b); err != nil {
		return request{}, fmt.Errorf("read the address: %w", err)
	}
	req := request{port: uint16(b[size])<<8 | uint16(b[size+1])}
	if head[3] == typeDomain {
		if err := req.setHost(b[:size]); err != nil {
			return request{}, err
		}
	} else {
		a, _ := netip.AddrFromSlice(b[:size])
		req.addr = a.Unmap()
	}
	if head[1] != cmdConnect {
		return request{}, &protocolError{commandUnknown, fmt.Sprintf("command %d, want CONNECT", head[1])}
	}
	return req, nil
}

// setHost takes a name, or an address that was written as one.
func (r *request) setHost(b []byte) error {
	if len(b) == 0 {
		return &protocolError{generalFailure, "empty name"}
	}
	for _, c := range b {
		if c <= ' ' || c >= 0x7f {
			return &protocolError{generalFailure, fmt.Sprintf("name %q is not plain ASCII", b)}
		}
	}
	if a, err := netip.ParseAddr(string(b)); err == nil && a.Zone() == "" {
		r.addr = a.Unmap()
		return nil
	}
	r.host = string(b)
	return nil
}

// encodeReply is the answer, with the address that the connection comes from.
func encodeReply(code reply, bound net.Addr) []byte {
	ap := netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	if t, ok := bound.(*net.TCPAddr); ok && t != nil && t.AddrPort().IsValid() {
		ap = netip.AddrPortFrom(t.AddrPort().Addr().Unmap(), t.AddrPort().Port())
	}
	kind := byte(typeIPv4)
	if ap.Addr().Is6() {
		kind = typeIPv6
	}
	b := append([]byte{version, byte(code), 0, kind}, ap.Addr().AsSlice()...)
	return append(b, byte(ap.Port()>>8), byte(ap.Port()))
}

// codeFor says in a code why the connection could not be made.
func codeFor(err error) reply {
	var pe *protocolError
	var ne net.Error
	var de *net.DNSError
	switch {
	case err == nil:
		return succeeded
	case errors.As(err, &pe):
		return pe.code
	case errors.Is(err, syscall.ECONNREFUSED):
		return connectionRefused
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.EHOSTDOWN), errors.Is(err, errNoAddress):
		return hostUnreachable
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.ENETDOWN):
		return networkUnreachable
	case errors.Is(err, fs.ErrPermission):
		return notAllowed
	case errors.Is(err, syscall.EAFNOSUPPORT):
		return addressTypeUnknown
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &ne) && ne.Timeout():
		return ttlExpired
	case errors.As(err, &de) && de.IsNotFound:
		return hostUnreachable
	}
	return generalFailure
}

var errNoAddress = errors.New("the name has no address")
