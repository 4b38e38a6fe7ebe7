package probes

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/linkassay/linkassay/provision"
)

// raw answers a request with bytes as they are.
func raw(t *testing.T, answer string, then func(net.Conn)) string {
	return listen(t, func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
			return
		}
		_, _ = io.WriteString(c, answer)
		then(c)
	})
}

func leave(net.Conn) {}

// pour writes for ever.
func pour(s string) func(net.Conn) {
	return func(c net.Conn) {
		for {
			if _, err := io.WriteString(c, s); err != nil {
				return
			}
		}
	}
}

func TestExchanges(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		server string
		body   string
		want   Outcome
		check  func(e Exchange) string
	}{
		"answers": {
			server: raw(t, "HTTP/1.1 200 OK\r\nServer: x\r\nSet-Cookie: secret\r\nContent-Length: 5\r\n\r\nhello", hold), body: "^hel+o$", want: OK,
			check: func(e Exchange) string {
				if e.Status != 200 || e.BodyBytes != 5 || !*e.BodyMatched || len(e.BodySHA256) != 64 || fmt.Sprint(e.Headers) != "map[Content-Length:5 Server:x]" {
					return fmt.Sprintf("%+v", e)
				}
				return ""
			},
		},
		"other body": {
			server: raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", hold), body: "bye", want: OK,
			check: func(e Exchange) string {
				if e.BodyMatched == nil || *e.BodyMatched {
					return "matched"
				}
				return ""
			},
		},
		"redirect is not followed": {
			server: raw(t, "HTTP/1.1 302 Found\r\nLocation: /in?token=secret\r\nContent-Length: 0\r\n\r\n", hold), want: OK,
			check: func(e Exchange) string {
				if e.Status != 302 || e.Headers["Location"] != "/in?…" {
					return fmt.Sprintf("%+v", e)
				}
				return ""
			},
		},
		"early hints first":  {server: raw(t, "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", hold), want: OK},
		"hints for ever":     {server: raw(t, strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 20), hold), want: BadAnswer},
		"header for ever":    {server: raw(t, "HTTP/1.1 200 OK\r\n", pour("X: "+strings.Repeat("a", 100)+"\r\n")), want: BadAnswer},
		"not HTTP":           {server: raw(t, "220 smtp.example.com ESMTP\r\n", hold), want: BadAnswer},
		"half a header":      {server: raw(t, "HTTP/1.1 200 OK\r\nServer", leave), want: BadAnswer},
		"says nothing":       {server: raw(t, "", hold), want: TimedOut},
		"closes":             {server: raw(t, "", leave), want: Closed},
		"resets":             {server: raw(t, "", reset), want: Reset},
		"refused":            {server: closedPort(t), want: Refused},
		"stops in the body":  {server: raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", hold), want: TimedOut},
		"closes in the body": {server: raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", leave), want: Closed},
		"escapes in a header": {
			server: raw(t, "HTTP/1.1 200 OK\r\nServer: \u202e"+strings.Repeat("a", 1000)+"\r\nContent-Length: 0\r\n\r\n", hold), want: OK,
			check: func(e Exchange) string {
				if s := e.Headers["Server"]; strings.Contains(s, "\u202e") || len(s) > maxHeader+len("…") {
					return s
				}
				return ""
			},
		},
		"body for ever": {
			server: raw(t, "HTTP/1.1 200 OK\r\n\r\n", pour(strings.Repeat("z", 4096))), body: "^z", want: OK,
			check: func(e Exchange) string {
				if e.BodyBytes != maxBody || !*e.BodyMatched {
					return fmt.Sprint(e.BodyBytes)
				}
				return ""
			},
		},
		"chunks for ever": {server: raw(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", pour("1\r\nz\r\n")), want: BadAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, x := reachPort(t, timeoutsFor(tc.want), provision.Port{HTTP: &provision.HTTP{Body: tc.body}}, tc.server, nil)
			if len(x.http.list) != 1 || x.http.err != nil || len(x.tls.list) != 0 {
				t.Fatalf("%+v, %v", x.http.list, x.http.err)
			}
			e := x.http.list[0]
			if e.Outcome != tc.want {
				t.Fatalf("got %q (%s), want %q", e.Outcome, e.Detail, tc.want)
			}
			if tc.check != nil {
				if wrong := tc.check(e); wrong != "" {
					t.Error(wrong)
				}
			}
		})
	}
}

func TestRequestKeepsTheNameWhateverIsDialled(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "lab CA")
	seen := make(chan *http.Request, 1)
	sni := make(chan string, 1)
	server := tlsServer(t, &tls.Config{
		Certificates:     []tls.Certificate{ca.issue(t, time.Hour, "svc.example.com")},
		VerifyConnection: func(s tls.ConnectionState) error { sni <- s.ServerName; return nil },
	}, func(c net.Conn) {
		req, err := http.ReadRequest(bufio.NewReader(c))
		if err == nil {
			seen <- req
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	})
	_, x := reachPort(t, patient(), provision.Port{TLS: &provision.TLS{CA: "ca"}, HTTP: &provision.HTTP{
		Method: "HEAD", Path: "/health?deep=1", Headers: map[string]string{"X-Probe": "1"},
	}}, server, files(map[string][]byte{"ca": ca.pem}))
	e := x.http.list[0]
	if e.Outcome != OK || e.URL != "https://svc.example.com/health?deep=1" || e.Method != "HEAD" || e.Addr != testAddr {
		t.Fatalf("%+v", e)
	}
	req := <-seen
	if req.Host != "svc.example.com" || req.RequestURI != "/health?deep=1" || req.Header.Get("X-Probe") != "1" || <-sni != "svc.example.com" {
		t.Errorf("%+v", req)
	}
	if x.tls.list[0].Outcome != OK || x.tls.list[0].VerifyError != "" {
		t.Errorf("%+v", x.tls.list[0])
	}
}

func TestNothingIsAskedOfAnUntrustedPeer(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t, "lab CA"), newAuthority(t, "another CA")
	got := make(chan int, 1)
	server := tlsServer(t, &tls.Config{Certificates: []tls.Certificate{other.issue(t, time.Hour, "svc.example.com")}}, func(c net.Conn) {
		n, _ := c.Read(make([]byte, 100))
		got <- n
	})
	_, x := reachPort(t, patient(), provision.Port{TLS: &provision.TLS{CA: "ca"}, HTTP: &provision.HTTP{}}, server, files(map[string][]byte{"ca": ca.pem}))
	e := x.http.list[0]
	if e.Outcome != TLSFailed || !strings.Contains(e.Detail, "not trusted") || e.Status != 0 || <-got != 0 {
		t.Errorf("%+v", e)
	}
}

func TestClientCertificateRefusedAfterTheHandshake(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "lab CA")
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	server := tlsServer(t, &tls.Config{
		Certificates: []tls.Certificate{ca.issue(t, time.Hour, "svc.example.com")},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: pool,
	}, hold)
	_, x := reachPort(t, patient(), provision.Port{TLS: &provision.TLS{CA: "ca"}, HTTP: &provision.HTTP{}}, server, files(map[string][]byte{"ca": ca.pem}))
	if e, h := x.http.list[0], x.tls.list[0]; e.Outcome != TLSFailed || h.Outcome != TLSFailed {
		t.Errorf("HTTP %q (%s), TLS %q (%s)", e.Outcome, e.Detail, h.Outcome, h.Detail)
	}
}

// What a target tells of the proxy protocol header is kept; a target that tells nothing is no error.
func TestEndpointIDInTheAnswer(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"proxy-endpoint vpce-0123456789abcdef0\n": "vpce-0123456789abcdef0",
		"proxy-endpoint none\n":                   "",
	} {
		server := raw(t, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body), hold)
		_, x := reachPort(t, patient(), provision.Port{HTTP: &provision.HTTP{EndpointID: "proxy-endpoint (vpce-[0-9a-f]+)"}}, server, nil)
		if e := x.http.list[0]; e.Outcome != OK || e.EndpointID != want {
			t.Errorf("%q: got %s %q, want %q", body, e.Outcome, e.EndpointID, want)
		}
	}
}
