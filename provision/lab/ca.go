package lab

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// maxCertificates bounds the certificates that are kept: names come from clients.
const maxCertificates = 1024

// authority is the lab's certificate authority. It lives in memory and signs what the lab's
// instances serve. It is safe for concurrent use.
type authority struct {
	root *x509.Certificate
	pem  []byte
	key  *ecdsa.PrivateKey // of the root
	leaf *ecdsa.PrivateKey // of all servers: one lab is one trust domain

	// domains are the names that servers get certificates for: "x" stands for x and everything
	// below it.
	domains atomic.Pointer[[]string]

	mu     sync.Mutex
	serial int64
	issued map[string]*tls.Certificate
}

// newAuthority makes the keys and the root certificate.
func newAuthority() (*authority, error) {
	a := &authority{serial: 1, issued: map[string]*tls.Certificate{}}
	a.domains.Store(&[]string{})
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, fmt.Errorf("make the lab CA's key: %w", err)
	}
	if a.leaf, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, fmt.Errorf("make the lab's server key: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(a.serial), Subject: pkix.Name{CommonName: "linkassay lab CA"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, BasicConstraintsValid: true, IsCA: true,
		MaxPathLenZero: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("sign the lab CA's certificate: %w", err)
	}
	if a.root, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("read the lab CA's certificate: %w", err)
	}
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a, nil
}

// certificate gives a certificate for the name that a client asked for when it is below the lab's
// domains, and the server's own otherwise, as an ordinary server does.
func (a *authority) certificate(asked, own string) (*tls.Certificate, error) {
	name := strings.ToLower(strings.TrimSuffix(asked, "."))
	if !a.serves(name) {
		name = own
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.issued[name]; c != nil {
		return c, nil
	}
	if len(a.issued) >= maxCertificates {
		clear(a.issued)
	}
	a.serial++
	now := time.Now()
	c, err := a.sign(a.serial, name, now.Add(-time.Hour), now.AddDate(0, 3, 0))
	if err == nil {
		a.issued[name] = c
	}
	return c, err
}

// sign makes a server's certificate.
func (a *authority) sign(serial int64, name string, from, to time.Time) (*tls.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), DNSNames: []string{name}, NotBefore: from, NotAfter: to,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.root, a.leaf.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("sign a certificate for %s: %w", name, err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.leaf}, nil
}

// serves says whether a name is one that the lab's servers have certificates for.
func (a *authority) serves(name string) bool {
	if name == "" || len(name) > 253 || strings.ContainsAny(name, "*/ \x00") {
		return false
	}
	for _, d := range *a.domains.Load() {
		if name == d || strings.HasSuffix(name, "."+d) {
			return true
		}
	}
	return false
}

// CA is the lab's certificate authority as PEM: what clients of its HTTPS servers trust.
func (l *Lab) CA() []byte { return append([]byte(nil), l.plane.ca.pem...) }

// privateDNSHostname is the name that EC2 gives an instance by its address.
func privateDNSHostname(addr netip.Addr, region string) string {
	name := "ip-" + strings.ReplaceAll(addr.String(), ".", "-")
	if region == "us-east-1" {
		return name + ".ec2.internal"
	}
	return name + "." + region + ".compute.internal"
}
