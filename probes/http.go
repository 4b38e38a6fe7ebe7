package probes

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/linkassay/linkassay/provision"
)

// The bounds of what is read of an HTTP answer.
const (
	maxBody          = 64 << 10
	maxHeaderBytes   = 64 << 10
	maxBodyOverhead  = 64 << 10 // chunk sizes and trailers
	maxInformational = 5        // answers of the 1xx kind before the real one
	bufferSize       = 4 << 10  // of a desk's body, kept from one answer to the next, four times at most
)

// keptHeaders are the only response headers that go into an Observation: others may hold cookies.
func keptHeaders() []string {
	return []string{"Content-Type", "Content-Length", "Date", "Location", "Retry-After", "Server", "Via"}
}

// request is what an HTTP port is asked.
type request struct {
	spec   provision.HTTP
	method string
	target *url.URL // path and query
	body   *regexp.Regexp
	echo   *regexp.Regexp // finds the endpoint id that the target tells

	mu      sync.Mutex
	letters []*letter
}

func newRequest(h provision.HTTP) (*request, error) {
	q := &request{spec: h, method: h.Method}
	if q.method == "" {
		q.method = http.MethodGet
	}
	path := h.Path
	if path == "" {
		path = "/"
	}
	var err error
	if q.target, err = url.ParseRequestURI(path); err != nil {
		return nil, failure(FailInternal, "read http.path", "%s", err.Error())
	}
	if h.Body != "" {
		if q.body, err = regexp.Compile(h.Body); err != nil {
			return nil, failure(FailInternal, "read http.body", "%s", err.Error())
		}
	}
	if h.EndpointID != "" {
		if q.echo, err = regexp.Compile(h.EndpointID); err != nil {
			return nil, failure(FailInternal, "read http.endpointId", "%s", err.Error())
		}
	}
	return q, nil
}

// talk opens a connection to one address and speaks what the port speaks.
func (x *reach) talk(p place, key reachKey, sp speech) {
	r := x.run
	c := conversation{place: p, addr: key.addr, speech: &sp, host: x.hostOf(key.target, key.addr)}
	h, e := c.begin(r)
	h.Target, e.Target = key.target, key.target
	defer func() {
		if p := recover(); p != nil {
			err := r.panicked("reach.tls and reach.http", p)
			x.tls.fail(err)
			x.http.fail(err)
		}
		if sp.trust != nil {
			x.tls.add(h, h.Started, h.Duration)
		}
		if sp.ask != nil {
			x.http.add(e, e.Started, e.Duration)
		}
	}()
	if !acquire(r.ctx, r.dialSlots) {
		h.Outcome, h.Detail = NotAsked, "the run was interrupted"
		e.Outcome, e.Detail = h.Outcome, h.Detail
		return
	}
	defer func() { <-r.dialSlots }()
	d := newDesk()
	c.hold(r, d, &h, &e)
}

// conversation is what is said over one connection: TLS, HTTP, or HTTP over that TLS. Host and SNI are the link's name, whatever
// the address was found by.
type conversation struct {
	place  place
	addr   netip.AddrPort
	speech *speech
	host   string
}

func (c *conversation) begin(r *run) (h Handshake, e Exchange) {
	h = Handshake{Vantage: c.place.name, Addr: c.addr, ServerName: c.speech.serverName(c.host), Try: Try{Started: r.now()}}
	e = Exchange{Vantage: c.place.name, Addr: c.addr, Try: h.Try}
	if c.speech.ask != nil {
		e.Method, e.URL = c.speech.ask.method, c.speech.ask.to(c.host, c.addr.Port(), c.speech.trust != nil).url
	}
	return h, e
}

func (c *conversation) hold(r *run, d *desk, h *Handshake, e *Exchange) {
	h.Started = r.now()
	e.Started = h.Started
	conn, err := r.dial(c.place, c.addr)
	if err != nil {
		h.Outcome, h.Detail = classify(r.ctx, err)
		h.Duration = r.now().Sub(h.Started)
		e.Try = h.Try
		return
	}
	c.over(r, d, conn, h, e)
}

// over speaks over a connection that was opened when h and e started, and closes it.
func (c *conversation) over(r *run, d *desk, conn net.Conn, h *Handshake, e *Exchange) {
	var s *secured
	if c.speech.trust != nil {
		s = r.handshake(conn, c.speech.trust, h, c.speech.ask != nil)
		h.Duration = r.now().Sub(h.Started)
		conn = s.conn
	}
	defer func() { _ = conn.Close() }()
	if s != nil && (h.Outcome != OK || h.VerifyError != "") {
		e.Try = h.Try
		if h.Outcome == OK {
			e.Outcome = TLSFailed
		}
		e.Detail = h.untrusted()
		return
	}
	if c.speech.ask == nil {
		return
	}
	r.exchange(d, conn, c.speech.ask, c.host, e)
	if s != nil && s.certificate && e.Outcome == TLSFailed {
		// The peer took the handshake and then refused the client certificate, as TLS 1.3 has it.
		h.Outcome, h.Detail = e.Outcome, e.Detail
	}
}

// hostOf is the name in Host and SNI: the private DNS name, else the name that led here.
func (x *reach) hostOf(t Target, addr netip.AddrPort) string {
	if name := ProbeName(x.run.link.PrivateDNSName); name != "" {
		return name
	}
	if t.Kind != TargetInterface && t.Name != "" {
		return t.Name
	}
	return addr.Addr().String()
}

func (s *speech) serverName(host string) string {
	if s.trust != nil && s.trust.serverName != "" {
		return s.trust.serverName
	}
	return host
}

// letter is a request as it is sent to one host and port.
type letter struct {
	host   string
	port   uint16
	secure bool

	url  string
	text []byte
	err  error // it can't be sent
}

// to writes the request for a host and port, once: it is sent again and again. There are few: the link's name, or its addresses.
func (q *request) to(host string, port uint16, secure bool) *letter {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, l := range q.letters {
		if l.host == host && l.port == port && l.secure == secure {
			return l
		}
	}
	l := q.write(host, port, secure)
	q.letters = append(q.letters, l)
	return l
}

func (q *request) write(host string, port uint16, secure bool) *letter {
	scheme, usual := "http", uint16(80)
	if secure {
		scheme, usual = "https", 443
	}
	l := &letter{host: host, port: port, secure: secure}
	host = hostport(host, port, usual)
	req := &http.Request{
		Method: q.method, Host: host, URL: &url.URL{Path: q.target.Path, RawPath: q.target.RawPath, RawQuery: q.target.RawQuery},
		Header: http.Header{"User-Agent": {"linkassay"}, "Accept": {"*/*"}}, Close: true, ProtoMajor: 1, ProtoMinor: 1,
	}
	for name, value := range q.spec.Headers {
		if strings.EqualFold(name, "Host") {
			req.Host = value
			continue
		}
		req.Header.Set(name, value)
	}
	l.url = clean(scheme+"://"+host+q.target.RequestURI(), 2048)
	var b bytes.Buffer
	if l.err = req.Write(&b); l.err == nil {
		l.text = bytes.Clone(b.Bytes()) // no larger than it is
	}
	return l
}

// desk is what one probe at a time reads with.
type desk struct {
	limited io.LimitedReader
	in      *bufio.Reader
	body    bytes.Buffer
}

func newDesk() *desk {
	d := &desk{}
	d.in = bufio.NewReader(&d.limited)
	return d
}

// sit makes the desk ready for an answer of so many bytes at most.
func (d *desk) sit(conn net.Conn, limit int64) {
	d.limited = io.LimitedReader{R: conn, N: limit}
	d.in.Reset(&d.limited)
	if d.body.Cap() > 4*bufferSize {
		d.body = bytes.Buffer{} // one large body does not stay for ever
	}
	d.body.Reset()
}

// leave forgets the connection.
func (d *desk) leave() { d.limited.R = nil }

// exchange asks once over an open connection. It is written by hand rather than with
// http.Transport, which would pool, redirect, retry and read the proxy settings.
func (r *run) exchange(d *desk, conn net.Conn, q *request, host string, e *Exchange) {
	defer func() { e.Duration = r.now().Sub(e.Started) }()
	// A run that ends does not wait for the deadline.
	stop := context.AfterFunc(r.ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(r.limit.http))
	if r.ctx.Err() != nil { // it may have ended between the two
		_ = conn.SetDeadline(time.Unix(1, 0))
	}

	err := q.do(d, conn, host, e)
	e.Outcome, e.Detail = classify(r.ctx, err)
	if errors.Is(err, errBadHTTP) && (e.Outcome == Failed || e.Outcome == Closed) {
		e.Outcome = BadAnswer
	}
}

// errBadHTTP marks an answer that is not HTTP.
var errBadHTTP = errors.New("not an HTTP answer")

func (q *request) do(d *desk, conn net.Conn, host string, e *Exchange) error {
	l := q.to(host, e.Addr.Port(), strings.HasPrefix(e.URL, "https:"))
	err := l.err
	if err == nil {
		_, err = conn.Write(l.text)
	}
	if err != nil {
		return fmt.Errorf("send the request: %w", err)
	}
	d.sit(conn, maxHeaderBytes)
	defer d.leave()
	resp, err := readResponse(d.in, q.method)
	if err != nil {
		if d.limited.N <= 0 {
			return fmt.Errorf("%w: the header is larger than %d bytes", errBadHTTP, maxHeaderBytes)
		}
		return err
	}
	defer resp.Body.Close()
	e.Status = resp.StatusCode
	e.Headers = keep(resp.Header)
	d.limited.N = maxBody + maxBodyOverhead
	_, err = io.Copy(&d.body, io.LimitReader(resp.Body, maxBody))
	body := d.body.Bytes()
	sum := sha256.Sum256(body)
	e.BodyBytes, e.BodySHA256 = int64(len(body)), hex.EncodeToString(sum[:])
	if q.body != nil {
		matched := q.body.Match(body)
		e.BodyMatched = &matched
	}
	if q.echo != nil {
		if m := q.echo.FindSubmatch(body); len(m) > 1 {
			e.EndpointID = clean(string(m[1]), maxName)
		}
	}
	switch {
	case err != nil && d.limited.N <= 0:
		return fmt.Errorf("%w: more than %d bytes for %d bytes of body", errBadHTTP, maxBody+maxBodyOverhead, len(body))
	case err != nil:
		return fmt.Errorf("read the body: %w", err)
	}
	return nil
}

// readResponse reads the answer's header, past those of the 1xx kind.
func readResponse(in *bufio.Reader, method string) (*http.Response, error) {
	req := &http.Request{Method: method} // what it depends on whether a body follows
	if _, err := in.Peek(1); err != nil {
		return nil, fmt.Errorf("wait for an answer: %w", err)
	}
	for range maxInformational {
		resp, err := http.ReadResponse(in, req)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errBadHTTP, err)
		}
		if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, nil
		}
	}
	return nil, fmt.Errorf("%w: nothing but 1xx answers", errBadHTTP)
}

// keep picks the headers that are kept, made safe to print. What follows the question mark of a
// Location may be a secret.
func keep(h http.Header) map[string]string {
	kept := map[string]string{}
	for _, name := range keptHeaders() {
		v := h.Get(name)
		if v == "" {
			continue
		}
		if path, _, ok := strings.Cut(v, "?"); ok && name == "Location" {
			v = path + "?…"
		}
		kept[name] = clean(v, maxHeader)
	}
	return kept
}
