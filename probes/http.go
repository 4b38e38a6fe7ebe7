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
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/linkassay/linkassay/provision"
)

// The bounds of what is read of an HTTP answer.
const (
	maxBody          = 64 << 10
	maxHeaderBytes   = 64 << 10
	maxBodyOverhead  = 64 << 10 // chunk sizes and trailers
	maxInformational = 5        // answers of the 1xx kind before the real one
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

// talk opens a connection to one address and speaks what the port speaks: TLS, HTTP, or HTTP over
// that TLS. Host and SNI are the link's name, whatever the address was found by.
func (x *reach) talk(p place, key reachKey, sp speech) {
	r := x.run
	host := x.hostOf(key)
	h := Handshake{Vantage: p.name, Target: key.target, Addr: key.addr, ServerName: x.serverName(sp, host)}
	e := Exchange{Vantage: p.name, Target: key.target, Addr: key.addr}
	if sp.ask != nil {
		e.Method, e.URL = sp.ask.method, sp.ask.urlOf(host, key.addr.Port(), sp.trust != nil)
	}
	var peer net.Conn
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
		if peer != nil {
			_ = peer.Close()
		}
	}()
	h.Started = r.now()
	e.Started = h.Started
	if !acquire(r.ctx, r.dialSlots) {
		h.Outcome, h.Detail = NotAsked, "the run was interrupted"
		e.Outcome, e.Detail = h.Outcome, h.Detail
		return
	}
	defer func() { <-r.dialSlots }()
	h.Started = r.now()
	e.Started = h.Started

	conn, err := r.dial(p, key.addr)
	if err != nil {
		h.Outcome, h.Detail = classify(r.ctx, err)
		h.Duration = r.now().Sub(h.Started)
		e.Try = h.Try
		return
	}
	peer = conn
	var s *secured
	if sp.trust != nil {
		s = r.handshake(conn, sp.trust, &h, sp.ask != nil)
		h.Duration = r.now().Sub(h.Started)
		peer = s.conn
		if h.Outcome != OK || h.VerifyError != "" {
			e.Try = h.Try
			if h.Outcome == OK {
				e.Outcome = TLSFailed
			}
			e.Detail = h.untrusted()
			return
		}
	}
	if sp.ask == nil {
		return
	}
	r.exchange(peer, sp.ask, host, &e)
	if s != nil && s.certificate && e.Outcome == TLSFailed {
		// The peer took the handshake and then refused the client certificate, as TLS 1.3 has it.
		h.Outcome, h.Detail = e.Outcome, e.Detail
	}
}

// hostOf is the name in Host and SNI: the private DNS name, else the name that led here.
func (x *reach) hostOf(key reachKey) string {
	if name := ProbeName(x.run.link.PrivateDNSName); name != "" {
		return name
	}
	if key.target.Kind != TargetInterface && key.target.Name != "" {
		return key.target.Name
	}
	return key.addr.Addr().String()
}

func (x *reach) serverName(sp speech, host string) string {
	if sp.trust != nil && sp.trust.serverName != "" {
		return sp.trust.serverName
	}
	return host
}

func (q *request) urlOf(host string, port uint16, secure bool) string {
	scheme, usual := "http", uint16(80)
	if secure {
		scheme, usual = "https", 443
	}
	return clean(scheme+"://"+hostport(host, port, usual)+q.target.RequestURI(), 2048)
}

// exchange asks once over an open connection. It is written by hand rather than with
// http.Transport, which would pool, redirect, retry and read the proxy settings.
func (r *run) exchange(conn net.Conn, q *request, host string, e *Exchange) {
	defer func() { e.Duration = r.now().Sub(e.Started) }()
	ctx, cancel := context.WithTimeout(r.ctx, r.limit.http)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	err := q.do(conn, host, e)
	e.Outcome, e.Detail = classify(r.ctx, err)
	if errors.Is(err, errBadHTTP) && (e.Outcome == Failed || e.Outcome == Closed) {
		e.Outcome = BadAnswer
	}
}

// errBadHTTP marks an answer that is not HTTP.
var errBadHTTP = errors.New("not an HTTP answer")

func (q *request) do(conn net.Conn, host string, e *Exchange) error {
	req := &http.Request{
		Method: q.method, Host: hostport(host, e.Addr.Port(), usualPort(e.URL)), URL: &url.URL{Path: q.target.Path, RawPath: q.target.RawPath, RawQuery: q.target.RawQuery},
		Header: http.Header{"User-Agent": {"linkassay"}, "Accept": {"*/*"}}, Close: true, ProtoMajor: 1, ProtoMinor: 1,
	}
	for name, value := range q.spec.Headers {
		if strings.EqualFold(name, "Host") {
			req.Host = value
			continue
		}
		req.Header.Set(name, value)
	}
	if err := req.Write(conn); err != nil {
		return fmt.Errorf("send the request: %w", err)
	}
	limited := &io.LimitedReader{R: conn, N: maxHeaderBytes}
	in := bufio.NewReader(limited)
	resp, err := readResponse(in, req)
	if err != nil {
		if limited.N <= 0 {
			return fmt.Errorf("%w: the header is larger than %d bytes", errBadHTTP, maxHeaderBytes)
		}
		return err
	}
	defer resp.Body.Close()
	e.Status = resp.StatusCode
	e.Headers = keep(resp.Header)
	limited.N = maxBody + maxBodyOverhead
	var body bytes.Buffer
	_, err = io.Copy(&body, io.LimitReader(resp.Body, maxBody))
	sum := sha256.Sum256(body.Bytes())
	e.BodyBytes, e.BodySHA256 = int64(body.Len()), hex.EncodeToString(sum[:])
	if q.body != nil {
		matched := q.body.Match(body.Bytes())
		e.BodyMatched = &matched
	}
	if q.echo != nil {
		if m := q.echo.FindSubmatch(body.Bytes()); len(m) > 1 {
			e.EndpointID = clean(string(m[1]), maxName)
		}
	}
	switch {
	case err != nil && limited.N <= 0:
		return fmt.Errorf("%w: more than %d bytes for %d bytes of body", errBadHTTP, maxBody+maxBodyOverhead, body.Len())
	case err != nil:
		return fmt.Errorf("read the body: %w", err)
	}
	return nil
}

// readResponse reads the answer's header, past those of the 1xx kind.
func readResponse(in *bufio.Reader, req *http.Request) (*http.Response, error) {
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

func usualPort(u string) uint16 {
	if strings.HasPrefix(u, "https:") {
		return 443
	}
	return 80
}
