package lab

import (
	"cmp"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/linkassay/linkassay/provision/lab/internal/network"
)

// Serving is how an instance's servers misbehave; the zero value is how they do not.
type Serving struct {
	// Certificate is what is wrong with the certificate.
	Certificate CertificateFault
	// Plain makes the ports that should speak TLS speak HTTP.
	Plain bool
	// Silent makes the servers take requests and never answer them.
	Silent bool
	// Status is what requests are answered with, 0 for what is right; Host limits it to requests for
	// names that end so.
	Status int
	Host   string
}

// CertificateFault is what is wrong with a certificate.
type CertificateFault string

// What may be wrong with a certificate.
const (
	CertificateOtherName CertificateFault = "other-name"
	CertificateExpired   CertificateFault = "expired"
	CertificateOtherCA   CertificateFault = "other-ca"
	CertificateEndsSoon  CertificateFault = "ends-soon"
)

// Misbehave changes how an instance's servers serve from the next connection on; the zero value undoes it.
func (l *Lab) Misbehave(instanceID string, s Serving) error {
	h, err := l.host(instanceID)
	if err == nil {
		h.serves.Store(&s)
	}
	return err
}

// misbehaves is how the host's servers misbehave now.
func (h *host) misbehaves() Serving {
	if s := h.serves.Load(); s != nil {
		return *s
	}
	return Serving{}
}

// and is both kinds of misbehaviour at once; where both say something of the same, the other one counts.
func (s Serving) and(other Serving) Serving {
	s.Certificate = cmp.Or(other.Certificate, s.Certificate)
	s.Plain, s.Silent = s.Plain || other.Plain, s.Silent || other.Silent
	if other.Status != 0 {
		s.Status, s.Host = other.Status, other.Host
	}
	return s
}

// misserve answers in the wrong way, if there is one.
func (h *host) misserve(w http.ResponseWriter, r *http.Request) bool {
	s := h.misbehaves()
	switch {
	case s.Silent:
		<-r.Context().Done()
	case s.Status != 0 && strings.HasSuffix(r.Host, s.Host):
		http.Error(w, http.StatusText(s.Status), s.Status)
	default:
		return false
	}
	return true
}

// secureListener speaks TLS, unless the host misbehaves.
type secureListener struct {
	net.Listener
	host   *host
	config *tls.Config
}

func (l *secureListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil || l.host.misbehaves().Plain {
		return c, err
	}
	return tls.Server(c, l.config), nil
}

// spoiled is a certificate with something wrong. It is made anew each time.
func (a *authority) spoiled(fault CertificateFault, name string) (*tls.Certificate, error) {
	now := time.Now()
	from, to, by := now.Add(-time.Hour), now.AddDate(0, 3, 0), a
	switch fault {
	case CertificateOtherName:
		name = "www.example.net"
	case CertificateExpired:
		from, to = now.AddDate(0, -3, 0), now.Add(-time.Hour)
	case CertificateEndsSoon:
		to = now.AddDate(0, 0, 3)
	case CertificateOtherCA:
		other, err := newAuthority()
		if err != nil {
			return nil, err
		}
		by = other
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.serial++
	return by.sign(a.serial, name, from, to)
}

// HalfOpen makes the load balancers' nodes in a zone (by zone id) accept connections from endpoints and carry
// nothing, or work again.
func (l *Lab) HalfOpen(zoneID string, halfOpen bool) {
	if halfOpen {
		l.plane.halfOpen.Store(&zoneID)
		return
	}
	l.plane.halfOpen.Store(nil)
}

// hold takes a connection and says nothing until its other end, or the endpoint's connection, is gone.
func hold(opened *flowContext, f *network.Flow) {
	c, err := f.Accept()
	if err != nil {
		return // the client has gone
	}
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-opened.ctx.Done():
		case <-stop:
		}
		_ = c.Close() // nothing was to be said
	}()
	_, _ = io.Copy(io.Discard, c) // ends with the connection
}

// BlackHole drops packets of more than so many bytes in the VPC without a word, as a path does whose MTU nobody
// may hear of; 0 undoes it.
func (l *Lab) BlackHole(vpcID string, bytes int) error {
	return l.fault(vpcID, func(f *linkFaults) { f.most = bytes })
}
