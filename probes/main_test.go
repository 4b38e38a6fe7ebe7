package probes

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/linkassay/linkassay/provision"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// mapped is a vantage whose network leads addresses to real sockets on loopback. What is not in
// the map leads nowhere.
type mapped struct {
	to        map[string]string // "10.0.0.1:80" or "10.0.0.1:80/udp" → loopback address
	tcpOnly   bool
	resolvers []netip.AddrPort
	dialer    net.Dialer

	mu     sync.Mutex
	dialed map[string]int
	refuse map[string]int // how often more an address is refused
}

func (m *mapped) Resolvers() []netip.AddrPort { return m.resolvers }

func (m *mapped) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if network == "udp" && m.tcpOnly {
		return nil, fmt.Errorf("no udp here: %w", errors.ErrUnsupported)
	}
	m.mu.Lock()
	if m.dialed == nil {
		m.dialed = map[string]int{}
	}
	m.dialed[network+" "+address]++
	refused := m.refuse[address] > 0
	if refused {
		m.refuse[address]--
	}
	m.mu.Unlock()
	if refused {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	to, ok := m.to[address+"/"+network]
	if !ok {
		to, ok = m.to[address]
	}
	if !ok {
		<-ctx.Done() // dropped, as by a security group
		return nil, ctx.Err()
	}
	return m.dialer.DialContext(ctx, network, to)
}

func (m *mapped) count(what string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dialed[what]
}

// patient are the timeouts of tests in which an answer comes: a busy machine never reaches them.
func patient() provision.Timeouts { return every(30 * time.Second) }

// short are the timeouts of tests in which none comes, so that they end soon.
func short() provision.Timeouts { return every(time.Second) }

// timeoutsFor are short where want is silence.
func timeoutsFor(want Outcome) provision.Timeouts {
	if want == TimedOut {
		return short()
	}
	return patient()
}

func every(d time.Duration) provision.Timeouts {
	v := provision.Duration(d)
	return provision.Timeouts{DNS: v, Connect: v, TLS: v, HTTP: v}
}

// testRun is a run with the link's timeouts, patient ones where it has none.
func testRun(t *testing.T, link provision.Link) *run {
	t.Helper()
	if link.Timeouts == (provision.Timeouts{}) {
		link.Timeouts = patient()
	}
	return newRun(t.Context(), &link, Sources{}, Options{})
}

// listen serves every connection with f until the test ends.
func listen(t *testing.T, f func(c net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[c] = true
			mu.Unlock()
			wg.Go(func() {
				defer func() {
					mu.Lock()
					delete(open, c)
					mu.Unlock()
					_ = c.Close()
				}()
				f(c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return l.Addr().String()
}

// closedPort is a loopback address where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	// It is bound, so that no other test gets it meanwhile, and does not listen.
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	at, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", at.(*syscall.SockaddrInet4).Port)
}

// hold reads until the peer closes.
func hold(c net.Conn) {
	buf := make([]byte, 4096)
	for {
		if _, err := c.Read(buf); err != nil {
			return
		}
	}
}

// reset aborts a connection with RST.
func reset(c net.Conn) {
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
}

// authority is a certificate authority of a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// issue makes a certificate for names that ends after the given time.
func (a *authority) issue(t *testing.T, ends time.Duration, names ...string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(ends),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key}
}

// files is a ReadFile over a map.
func files(m map[string][]byte) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		if b, ok := m[name]; ok {
			return b, nil
		}
		return nil, fmt.Errorf("open %s: no such file", name)
	}
}

func keyPEM(t *testing.T, c tls.Certificate) (cert, key []byte) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}
