package probes

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/linkassay/linkassay/provision"
)

// tlsServer completes handshakes and then runs then.
func tlsServer(t *testing.T, c *tls.Config, then func(net.Conn)) string {
	return listen(t, func(conn net.Conn) {
		s := tls.Server(conn, c)
		if s.Handshake() == nil {
			then(s)
		}
	})
}

var testAddr = netip.MustParseAddrPort("10.0.0.9:443")

// reachPort runs the reach probes of one port against a loopback address.
func reachPort(t *testing.T, timeouts provision.Timeouts, port provision.Port, to string, read func(string) ([]byte, error)) (*run, *reach) {
	t.Helper()
	port.Port = testAddr.Port()
	r := testRun(t, provision.Link{PrivateDNSName: "svc.example.com", Ports: []provision.Port{port}, Timeouts: timeouts})
	r.o.ReadFile = read
	x := newReach(r, prepare(r.link.Ports, r.loadTrust))
	v := &mapped{to: map[string]string{testAddr.String(): to}}
	x.add(place{name: "v1", vantage: v, expect: provision.ExpectReach}, Target{Kind: TargetPrivate, Name: "svc.example.com"}, testAddr.Addr())
	r.wg.Wait()
	return r, x
}

func TestHandshakes(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t, "lab CA"), newAuthority(t, "another CA")
	ok := ca.issue(t, time.Hour, "svc.example.com")
	client := ca.issue(t, time.Hour, "client")
	clientPEM, keyPEM := keyPEM(t, client)
	read := files(map[string][]byte{"ca.pem": ca.pem, "client.pem": clientPEM, "client.key": keyPEM})
	clientCAs := x509.NewCertPool()
	clientCAs.AddCert(ca.cert)
	port := provision.TLS{CA: "ca.pem"}
	for name, tc := range map[string]struct {
		server    string
		tls       provision.TLS
		want      Outcome
		untrusted string
	}{
		"trusted":       {server: tlsServer(t, &tls.Config{Certificates: []tls.Certificate{ok}}, hold), want: OK},
		"TLS 1.2":       {server: tlsServer(t, &tls.Config{Certificates: []tls.Certificate{ok}, MaxVersion: tls.VersionTLS12}, hold), want: OK},
		"another CA":    {server: tlsServer(t, &tls.Config{Certificates: []tls.Certificate{other.issue(t, time.Hour, "svc.example.com")}}, hold), want: OK, untrusted: "unknown authority"},
		"system roots":  {server: tlsServer(t, &tls.Config{Certificates: []tls.Certificate{ok}}, hold), tls: provision.TLS{ServerName: "svc.example.com"}, want: OK, untrusted: "x509"},
		"wrong name":    {server: tlsServer(t, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, time.Hour, "other.example.com")}}, hold), want: OK, untrusted: "other.example.com"},
		"expired":       {server: tlsServer(t, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, -time.Hour, "svc.example.com")}}, hold), want: OK, untrusted: "expired"},
		"old version":   {server: tlsServer(t, &tls.Config{Certificates: []tls.Certificate{ok}, MaxVersion: tls.VersionTLS11}, hold), want: TLSFailed},
		"not TLS":       {server: listen(t, func(c net.Conn) { _, _ = c.Write([]byte("SSH-2.0-x\r\n")); hold(c) }), want: TLSFailed},
		"silent":        {server: listen(t, hold), want: TimedOut},
		"reset":         {server: listen(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1)); reset(c) }), want: Reset},
		"closed":        {server: listen(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 4096)) }), want: Closed},
		"refused":       {server: closedPort(t), want: Refused},
		"client asked":  {server: tlsServer(t, &tls.Config{Certificates: []tls.Certificate{ok}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clientCAs}, hold), want: TLSFailed},
		"client 1.2":    {server: tlsServer(t, &tls.Config{Certificates: []tls.Certificate{ok}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clientCAs, MaxVersion: tls.VersionTLS12}, hold), want: TLSFailed},
		"client showed": {server: tlsServer(t, &tls.Config{Certificates: []tls.Certificate{ok}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clientCAs}, hold), tls: provision.TLS{CA: "ca.pem", ClientCert: "client.pem", ClientKey: "client.key"}, want: OK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.tls == (provision.TLS{}) {
				tc.tls = port
			}
			_, x := reachPort(t, timeoutsFor(tc.want), provision.Port{TLS: &tc.tls}, tc.server, read)
			if len(x.tls.list) != 1 || x.tls.err != nil || len(x.http.list) != 0 {
				t.Fatalf("%+v, %v, %+v", x.tls.list, x.tls.err, x.http.list)
			}
			h := x.tls.list[0]
			if h.Outcome != tc.want {
				t.Errorf("got %q (%s), want %q", h.Outcome, h.Detail, tc.want)
			}
			if tc.want == OK && (len(h.Chain) != 2 || h.Version == "" || h.Cipher == "" || len(h.Chain[0].SHA256) != 64) {
				t.Errorf("recorded %+v", h)
			}
			if (tc.untrusted == "") != (h.VerifyError == "") || !strings.Contains(h.VerifyError, tc.untrusted) {
				t.Errorf("verify error %q, want %q", h.VerifyError, tc.untrusted)
			}
			if h.ServerName != "svc.example.com" {
				t.Errorf("server name %q", h.ServerName)
			}
		})
	}
}

func TestClientCertificateIsKeptFromAnUntrustedPeer(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t, "lab CA"), newAuthority(t, "another CA")
	clientPEM, key := keyPEM(t, ca.issue(t, time.Hour, "client"))
	shown := make(chan int, 1)
	server := tlsServer(t, &tls.Config{
		Certificates: []tls.Certificate{other.issue(t, time.Hour, "svc.example.com")}, ClientAuth: tls.RequestClientCert,
		VerifyConnection: func(s tls.ConnectionState) error { shown <- len(s.PeerCertificates); return nil },
	}, hold)
	_, x := reachPort(t, patient(), provision.Port{TLS: &provision.TLS{CA: "ca.pem", ClientCert: "c.pem", ClientKey: "c.key"}}, server,
		files(map[string][]byte{"ca.pem": ca.pem, "c.pem": clientPEM, "c.key": key}))
	if n := <-shown; n != 0 || x.tls.list[0].VerifyError == "" {
		t.Errorf("%d certificates were shown; %+v", n, x.tls.list[0])
	}
}

func TestUnreadableFilesAreNoFindingAboutTheLink(t *testing.T) {
	t.Parallel()
	read := files(map[string][]byte{"junk.pem": []byte("junk")})
	for name, spec := range map[string]provision.TLS{
		"no CA file":     {CA: "absent.pem"},
		"junk CA":        {CA: "junk.pem"},
		"no client file": {ClientCert: "absent.pem"},
		"junk key":       {ClientCert: "junk.pem"},
		"no key file":    {ClientCert: "junk.pem", ClientKey: "absent.pem"},
	} {
		_, x := reachPort(t, patient(), provision.Port{TLS: &spec, HTTP: &provision.HTTP{}}, closedPort(t), read)
		tlsItem := x.tls.item(nil, func(Handshake) (string, bool) { return "", false }, func(a, b Handshake) int { return 0 })
		if tlsItem.Error == nil || tlsItem.Error.Class != FailInternal || x.http.err == nil || len(x.tcp.list) != 1 {
			t.Errorf("%s: %+v, %v", name, tlsItem, x.http.err)
		}
	}
}
