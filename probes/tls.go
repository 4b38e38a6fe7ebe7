package probes

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/linkassay/linkassay/provision"
)

// The bounds of what a peer's certificates may put into an Observation.
const (
	maxCertificates = 10
	maxCertNames    = 100
	lateAlert       = 250 * time.Millisecond
)

// trust is what a TLS port is verified with.
type trust struct {
	roots      *x509.CertPool
	client     *tls.Certificate
	serverName string
}

// loadTrust reads the PEM files of a port. Files that can't be read are no finding about the link.
func (r *run) loadTrust(t provision.TLS) (*trust, error) {
	tr := &trust{serverName: t.ServerName}
	if t.CA == "" {
		// Loaded here, once: left to the first Verify, the reading of some hundred files would count
		// against the timeout of one handshake.
		roots, err := x509.SystemCertPool()
		if err != nil {
			return nil, failure(FailInternal, "read the system's root certificates", "%s", err.Error())
		}
		tr.roots = roots
	} else {
		pem, err := r.o.ReadFile(t.CA)
		if err != nil {
			return nil, failure(FailInternal, "read tls.ca", "%s", err.Error())
		}
		tr.roots = x509.NewCertPool()
		if !tr.roots.AppendCertsFromPEM(pem) {
			return nil, failure(FailInternal, "read tls.ca", "%s holds no PEM certificate", t.CA)
		}
	}
	if t.ClientCert == "" {
		return tr, nil
	}
	cert, err := r.o.ReadFile(t.ClientCert)
	if err != nil {
		return nil, failure(FailInternal, "read tls.clientCert", "%s", err.Error())
	}
	keyFile := t.ClientKey
	if keyFile == "" {
		keyFile = t.ClientCert // both in one file
	}
	key, err := r.o.ReadFile(keyFile)
	if err != nil {
		return nil, failure(FailInternal, "read tls.clientKey", "%s", err.Error())
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, failure(FailInternal, "read tls.clientCert", "%s and %s: %s", t.ClientCert, keyFile, err.Error())
	}
	tr.client = &pair
	return tr, nil
}

// secured is a handshake in the making.
type secured struct {
	shake        *Handshake
	conn         *tls.Conn
	certificate  bool // the peer asked for a client certificate
	verification error
}

// handshake speaks TLS on conn. Verification is our own, so that a chain which is not trusted is
// recorded too; nothing is sent to such a peer, not even the client certificate.
func (r *run) handshake(conn net.Conn, tr *trust, h *Handshake, http bool) *secured {
	s := &secured{shake: h}
	config := &tls.Config{
		ServerName:         h.ServerName,
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection verifies, and its result is recorded
		VerifyConnection: func(state tls.ConnectionState) error {
			s.verification = r.verify(state, tr, h)
			return nil
		},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			s.certificate = true
			if tr.client == nil || s.verification != nil {
				return &tls.Certificate{}, nil
			}
			return tr.client, nil
		},
	}
	if http {
		config.NextProtos = []string{"http/1.1"}
	}
	s.conn = tls.Client(conn, config)
	ctx, cancel := context.WithTimeout(r.ctx, r.limit.tls)
	defer cancel()
	err := s.conn.HandshakeContext(ctx)
	if err == nil && s.certificate && !http {
		err = s.refusal()
	}
	h.Outcome, h.Detail = classifyTLS(r.ctx, err)
	return s
}

// refusal waits a moment for the alert of a peer that wants no such client certificate: in TLS 1.3
// it comes only after the handshake.
func (s *secured) refusal() error {
	_ = s.conn.SetReadDeadline(time.Now().Add(lateAlert))
	defer func() { _ = s.conn.SetReadDeadline(time.Time{}) }()
	_, err := s.conn.Read(make([]byte, 1))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}

// classifyTLS is classify, where an end in the middle of a record counts as closed.
func classifyTLS(ctx context.Context, err error) (Outcome, string) {
	out, detail := classify(ctx, err)
	if out == Failed && err != nil {
		// Whatever else a handshake ends with came from an answer that made no sense.
		out = TLSFailed
	}
	return out, detail
}

// verify records what was negotiated and shown, and says why it is not trusted.
func (r *run) verify(state tls.ConnectionState, tr *trust, h *Handshake) error {
	h.Version, h.Cipher = tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite)
	chain := state.PeerCertificates
	intermediates := x509.NewCertPool()
	for i, c := range chain {
		if i > 0 {
			intermediates.AddCert(c)
		}
		if i < maxCertificates {
			h.Chain = append(h.Chain, certificateOf(c))
		}
	}
	if len(chain) == 0 {
		return h.distrust(errors.New("the peer showed no certificate"))
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		DNSName: h.ServerName, Roots: tr.roots, Intermediates: intermediates, CurrentTime: r.now(),
	})
	return h.distrust(err)
}

func (h *Handshake) distrust(err error) error {
	if err != nil {
		h.VerifyError = clean(err.Error(), maxDetail)
	}
	return err
}

func certificateOf(c *x509.Certificate) Certificate {
	sum := sha256.Sum256(c.Raw)
	v := Certificate{
		Subject: clean(c.Subject.String(), maxDetail), Issuer: clean(c.Issuer.String(), maxDetail),
		NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(), SHA256: hex.EncodeToString(sum[:]), DER: c.Raw,
	}
	for _, n := range c.DNSNames[:min(len(c.DNSNames), maxCertNames)] {
		v.DNSNames = append(v.DNSNames, clean(n, maxName))
	}
	return v
}

// untrusted explains why nothing was asked over a connection.
func (h *Handshake) untrusted() string {
	if h.VerifyError != "" {
		return fmt.Sprintf("the certificate is not trusted: %s", h.VerifyError)
	}
	return h.Detail
}
