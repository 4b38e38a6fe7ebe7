package probes

import (
	"net/netip"
	"time"
)

// Attempt is one or more TCP connects to one target and port from one vantage.
type Attempt struct {
	Vantage string         `json:"vantage"`
	Target  Target         `json:"target"`
	Addr    netip.AddrPort `json:"addr"` // the address dialled
	Tries   []Try          `json:"tries"`
}

// Target says through what an address was reached: a name (the address is its answer) or an
// endpoint's interface.
type Target struct {
	Kind   TargetKind `json:"kind"`
	Name   string     `json:"name,omitempty"`   // the DNS name
	ZoneID string     `json:"zoneId,omitempty"` // zone of the interface or zonal name
}

// TargetKind is what kind of target was dialled.
type TargetKind string

// The target kinds.
const (
	TargetPrivate   TargetKind = "private-name"
	TargetRegional  TargetKind = "regional-name"
	TargetZonal     TargetKind = "zonal-name"
	TargetInterface TargetKind = "interface"
)

// Try is one connection attempt.
type Try struct {
	Started  time.Time     `json:"started"`
	Duration time.Duration `json:"duration"`
	Outcome  Outcome       `json:"outcome"`
	Detail   string        `json:"detail,omitempty"`
}

// Handshake is a TLS handshake with one address.
type Handshake struct {
	Vantage    string         `json:"vantage"`
	Target     Target         `json:"target"`
	Addr       netip.AddrPort `json:"addr"`
	ServerName string         `json:"serverName"`
	Try
	Version     string        `json:"version,omitempty"` // TLS 1.3
	Cipher      string        `json:"cipher,omitempty"`
	Chain       []Certificate `json:"chain,omitempty"`
	VerifyError string        `json:"verifyError,omitempty"` // why the chain was not trusted; empty when it was
}

// Certificate is one certificate of a chain, leaf first.
type Certificate struct {
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	DNSNames  []string  `json:"dnsNames,omitempty"`
	NotBefore time.Time `json:"notBefore"`
	NotAfter  time.Time `json:"notAfter"`
	SHA256    string    `json:"sha256"` // hex, of the DER
	DER       []byte    `json:"der,omitempty"`
}

// Exchange is an HTTP request to one address and its answer.
type Exchange struct {
	Vantage string         `json:"vantage"`
	Target  Target         `json:"target"`
	Addr    netip.AddrPort `json:"addr"`
	Method  string         `json:"method"`
	URL     string         `json:"url"`
	Try
	Status      int               `json:"status,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"` // allow-listed response headers
	BodyBytes   int64             `json:"bodyBytes"`         // read, at most the bound
	BodySHA256  string            `json:"bodySha256,omitempty"`
	BodyMatched *bool             `json:"bodyMatched,omitempty"` // nil when the link file expects no body
	EndpointID  string            `json:"endpointId,omitempty"`  // what the target says that it read in the proxy protocol header
}
