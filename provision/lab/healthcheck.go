package lab

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// maxHealthResponse bounds what a check reads of a target's answer.
const maxHealthResponse = 16 << 10

// run connects from the node to the target, and asks over HTTP if the check does. The target's
// security groups and the load balancer's judge it like any other connection.
func (s checkSpec) run(ctx context.Context, n *vpcNetwork, node netip.Addr) finding {
	c, err := n.net.Dialer(node).DialContext(ctx, "tcp", s.to.String())
	if err != nil {
		return failed(ctx, err)
	}
	defer func() { _ = c.Close() }() // the check has been decided
	deadline, _ := ctx.Deadline()
	if err := c.SetDeadline(deadline); err != nil {
		return failed(ctx, err)
	}
	if s.proxy {
		if _, err := c.Write(proxyHeader{local: true}.encode()); err != nil {
			return failed(ctx, err)
		}
	}
	switch s.protocol {
	case "HTTP":
	case "HTTPS":
		// Load balancers do not verify what targets show them.
		t := tls.Client(c, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // as AWS does
		if err := t.HandshakeContext(ctx); err != nil {
			return failed(ctx, err)
		}
		c = t
	default:
		return finding{healthy: true}
	}
	path := s.path
	if path == "" {
		path = "/"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.to.String()+path, nil)
	if err != nil {
		return finding{reason: "Target.FailedHealthChecks", detail: "Health checks failed"}
	}
	req.Close = true
	req.Header.Set("User-Agent", "ELB-HealthChecker/2.0")
	if err := req.Write(c); err != nil {
		return failed(ctx, err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(io.LimitReader(c, maxHealthResponse)), req)
	if err != nil {
		return failed(ctx, err)
	}
	_ = resp.Body.Close() // the status decides
	if !matches(s.matcher, resp.StatusCode) {
		return finding{
			reason: "Target.ResponseCodeMismatch",
			detail: "Health checks failed with these codes: [" + strconv.Itoa(resp.StatusCode) + "]",
		}
	}
	return finding{healthy: true}
}

// failed names a failure as DescribeTargetHealth does.
func failed(ctx context.Context, err error) finding {
	var timeout net.Error
	if ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return finding{reason: "Target.Timeout", detail: "Request timed out"}
	}
	return finding{reason: "Target.FailedHealthChecks", detail: "Health checks failed"}
}

// matches says whether a status is one of the matcher's: "200", "200,202" or "200-399".
func matches(matcher string, status int) bool {
	if matcher == "" {
		matcher = "200-399"
	}
	for part := range strings.SplitSeq(matcher, ",") {
		low, high, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			high = low
		}
		from, err1 := strconv.Atoi(low)
		to, err2 := strconv.Atoi(high)
		if err1 == nil && err2 == nil && from <= status && status <= to {
			return true
		}
	}
	return false
}

// portNumber reads a health check port; "traffic-port" is none.
func portNumber(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n > 0 && n < 65536
}
