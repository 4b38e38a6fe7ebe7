package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

const (
	maxBody      = 1 << 20 // bytes of a request
	maxHeader    = 64 << 10
	closeTimeout = 2 * time.Second // for requests that are on their way when the lab closes
)

// server is the AWS API: all services and Regions on one port. Which one a request is for, its
// signature says, since the host is always the same.
type server struct {
	world      *world
	log        *slog.Logger
	operations map[string]map[string]operation // by service and action
	routes     []route
	verifier   *wire.Verifier
	throttle   *throttle
	requests   *requestLog
	skew       atomic.Int64 // time.Duration that the API's clock is ahead of the host's
	ids        *idSource    // of requests; the world's would give other ids after more polling

	listener net.Listener
	http     *http.Server
	serving  sync.WaitGroup // the accept loop
	conns    sync.WaitGroup // connections

	freshMu sync.Mutex
	fresh   map[net.Conn]bool // connections without a request yet; nil once closing
}

// listen opens the API's port. Only loopback will do: the lab gives its accounts to whoever has
// the keys that it writes to files.
func listen(ctx context.Context, address string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("listen address %q: expected 127.0.0.1:PORT: %w", address, err)
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	if ip, err := netip.ParseAddr(host); err != nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("listen address %q is not loopback: the lab's API serves this host only; use 127.0.0.1:PORT", address)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("open the lab's API port: %w", err)
	}
	return l, nil
}

func newServer(w *world, listener net.Listener, log *slog.Logger) (*server, error) {
	operations := map[string]map[string]operation{"ec2": {}, "elasticloadbalancing": elbOperations(), "sts": stsOperations()}
	for _, part := range []map[string]operation{ec2BasicOperations(), privateLinkOperations()} {
		for name := range part {
			if _, twice := operations["ec2"][name]; twice {
				return nil, fmt.Errorf("start the API: ec2 %s is registered twice", name)
			}
		}
		maps.Copy(operations["ec2"], part)
	}
	s := &server{
		world: w, log: log, operations: operations, routes: route53Routes(),
		verifier: wire.NewVerifier(), throttle: newThrottle(w.timing), requests: &requestLog{}, fresh: map[net.Conn]bool{},
		ids: newIDSource(w.seed ^ 0x7265717565737473), listener: listener,
	}
	s.http = &http.Server{
		Handler: s, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ConnState: s.connState,
	}
	s.serving.Go(func() {
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the API stopped serving", "error", err)
		}
	})
	return s, nil
}

// connState counts connections, and keeps those on which nothing was asked yet: SDKs open more than
// they use, and Shutdown would wait for them.
func (s *server) connState(c net.Conn, state http.ConnState) {
	s.freshMu.Lock()
	defer s.freshMu.Unlock()
	delete(s.fresh, c)
	switch state {
	case http.StateNew:
		s.conns.Add(1)
		if s.fresh == nil { // closing
			_ = c.Close()
			return
		}
		s.fresh[c] = true
	case http.StateClosed, http.StateHijacked:
		s.conns.Done()
	}
}

// close lets requests end that are on their way, and waits for every connection.
func (s *server) close() error {
	s.freshMu.Lock()
	for c := range s.fresh {
		_ = c.Close()
	}
	s.fresh = nil
	s.freshMu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	s.serving.Wait()
	s.conns.Wait()
	if err != nil {
		return fmt.Errorf("stop the API: %w", err)
	}
	return nil
}

// reply is what goes back.
type reply struct {
	service  wire.Service
	status   int
	location string
	body     []byte
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	record := Request{Time: time.Now(), RequestID: s.ids.uuid()}
	answer, err := s.answer(r, &record)
	var e *wire.Error
	switch {
	case err == nil:
	case errors.As(err, &e):
		record.Code = e.Code
	default:
		record.Code = "InternalError"
		s.log.Error("request failed", "service", record.Service, "action", record.Action, "request", record.RequestID, "error", err)
	}
	if err != nil && answer.body == nil {
		answer.status, answer.body = answer.service.Failure(record.RequestID, err)
	}
	record.Status, record.Duration = answer.status, time.Since(record.Time)
	s.requests.add(record) // before the client can know that it was answered
	s.log.Debug("request", "service", record.Service, "action", record.Action, "region", record.Region,
		"account", record.Account, "status", record.Status, "code", record.Code, "took", record.Duration, "request", record.RequestID)

	h := w.Header()
	h.Set("Date", time.Now().Add(time.Duration(s.skew.Load())).UTC().Format(http.TimeFormat))
	answer.service.SetHeaders(h, record.RequestID)
	if answer.service.Name == "" {
		h.Set("Content-Type", "application/x-amz-json-1.1")
	}
	if answer.location != "" {
		h.Set("Location", answer.location)
	}
	h.Set("Content-Length", strconv.Itoa(len(answer.body)))
	w.WriteHeader(answer.status)
	_, _ = w.Write(answer.body) // a client that has gone has its own error
}

// answer does everything between a request and its reply. With an error the reply has the service
// whose shape the error is to have.
func (s *server) answer(r *http.Request, record *Request) (reply, error) {
	a, authErr := wire.ParseAuthorization(r.Header.Get("Authorization"))
	service, known := wire.ServiceNamed(a.Service)
	body, bodyErr := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	params, formErr := wire.NewParams(nil), error(nil)
	if service.Protocol != wire.RESTXML {
		params, formErr = wire.ParseForm(r.URL.RawQuery, body)
	}
	if authErr != nil && !known {
		version := ""
		if formErr == nil {
			version = params.String("Version")
		}
		service, known = wire.Guess(r.URL.Path, version), true
	}
	record.Service, record.Region = service.Name, a.Region
	if !known {
		return s.unknownService(r, a)
	}
	out := reply{service: service, status: http.StatusOK}
	if bodyErr != nil {
		return out, wire.Errorf(400, "RequestTimeout", "The request's body could not be read")
	}
	if len(body) > maxBody {
		return out, wire.Errorf(413, "RequestEntityTooLarge", "The request is larger than %d bytes", maxBody)
	}

	var key *accessKey
	err := authErr
	if err == nil {
		key, err = s.authenticate(r, body, a, record.Time.Add(time.Duration(s.skew.Load())))
	}
	if err == nil {
		record.Account, record.ARN = key.account, key.arn
		err = scoped(service, a.Region)
	}
	if err != nil {
		if refused := (*wire.AuthError)(nil); errors.As(err, &refused) {
			return out, service.AuthFailure(refused)
		}
		return out, err
	}
	c := &call{
		world: s.world, service: service.Name, region: a.Region, caller: key, account: key.account,
		params: params, id: record.RequestID,
	}
	if service.Protocol == wire.RESTXML {
		return s.rest(r, c, body, record, out)
	}
	if formErr != nil {
		return out, formErr
	}
	return s.form(c, record, out)
}

// form runs an operation of the ec2 and query protocols.
func (s *server) form(c *call, record *Request, out reply) (reply, error) {
	service := out.service
	c.action = c.params.String("Action")
	version := c.params.String("Version")
	op, ok := s.operations[service.Name][c.action]
	if ok {
		dry, _ := strconv.ParseBool(c.params.String("DryRun"))
		record.Action, record.Write = c.action, op.mutates && !dry
	}
	if !s.throttle.allow(c.account, service.Name, record.Time) {
		return out, throttled(service)
	}
	if !ok || version != "" && version != service.Version {
		s.log.Warn("the lab does not have this operation", "service", service.Name, "action", clip(c.action), "version", clip(version))
		switch {
		case c.action == "":
			return out, wire.Errorf(400, "MissingAction", "The request must contain the parameter Action")
		case service.Protocol == wire.EC2 && !ok:
			return out, wire.Errorf(400, "InvalidAction", "The action %s is not valid for this web service.", clip(c.action))
		}
		return out, wire.Errorf(400, "InvalidAction", "Could not find operation %s for version %s", clip(c.action), clip(version))
	}
	var err error
	out.body, err = s.run(c, op.mutates, func() ([]byte, error) {
		result, err := op.run(c)
		if err != nil {
			return nil, err
		}
		return service.Response(c.action, c.id, result)
	})
	if unread := c.params.Unread(); err == nil && len(unread) > 0 {
		s.log.Debug("parameters that the lab ignored", "service", service.Name, "action", c.action, "parameters", clip(strings.Join(unread, " ")))
	}
	return out, err
}

// run runs an operation, and encodes its result, with the world to itself. A panic costs the
// request, not the lab.
func (s *server) run(c *call, mutates bool, operation func() ([]byte, error)) (out []byte, err error) {
	if c.action == "DescribeTargetHealth" && s.world.plane != nil {
		s.world.plane.settle() // what was changed before is being checked by now, and says so
	}
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("panic in an operation", "service", c.service, "action", c.action, "request", c.id, "panic", p, "stack", string(debug.Stack()))
			out, err = nil, wire.Errorf(500, "InternalError", "An internal error has occurred")
		}
	}()
	c.now = time.Now()
	if err := c.permitted(); err != nil {
		return nil, err
	}
	out, err = operation()
	if err == nil && mutates {
		s.world.changed()
	}
	return out, err
}

// unknownService answers for a service that the lab does not have, in the shape that its clients
// are likely to read: XML for forms, JSON for the rest.
func (s *server) unknownService(r *http.Request, a wire.Authorization) (reply, error) {
	s.log.Warn("the lab does not have this service", "service", clip(a.Service), "region", clip(a.Region))
	e := wire.Errorf(400, "UnknownOperationException", "The lab does not have the service %s", clip(a.Service))
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return reply{service: wire.Service{Name: a.Service, Protocol: wire.Query}}, e
	}
	body, err := json.Marshal(map[string]string{"__type": e.Code, "message": e.Message})
	if err != nil {
		return reply{}, fmt.Errorf("encode an error: %w", err)
	}
	return reply{status: e.Status, body: body}, e
}

// clip makes remote text fit for a log line and a message.
func clip(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:200], "") + "…"
	}
	return s
}
