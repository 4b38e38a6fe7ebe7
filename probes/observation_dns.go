package probes

import (
	"net/netip"
	"time"
)

// Lookup is one name and type asked at one resolver from one vantage.
type Lookup struct {
	Vantage   string         `json:"vantage"`
	Name      string         `json:"name"` // without the trailing dot
	Type      string         `json:"type"` // A, AAAA, TXT, NS, CNAME
	Server    netip.AddrPort `json:"server"`
	Transport string         `json:"transport,omitempty"` // udp or tcp: what the answer came by
	Started   time.Time      `json:"started"`
	Duration  time.Duration  `json:"duration"`
	Attempts  int            `json:"attempts"`
	Outcome   Outcome        `json:"outcome"`
	Detail    string         `json:"detail,omitempty"` // the error's text, sanitised
	RCode     string         `json:"rcode,omitempty"`  // NOERROR, NXDOMAIN, SERVFAIL, …
	Auth      bool           `json:"authoritative,omitempty"`
	Chain     []string       `json:"chain,omitempty"` // CNAME targets in order, without trailing dots
	Addrs     []netip.Addr   `json:"addrs,omitempty"` // sorted; the whole answer set
	Texts     []string       `json:"texts,omitempty"` // TXT records, each one's strings joined
	Hosts     []string       `json:"hosts,omitempty"` // NS targets
	TTL       uint32         `json:"ttl,omitempty"`   // seconds; the smallest in the answer
	Negative  *Negative      `json:"negative,omitempty"`
	Wire      []byte         `json:"wire,omitempty"` // the answer message as it came
	// WireSHA256 is hex, of the message, in a recording that keeps the message beside it.
	WireSHA256 string `json:"wireSha256,omitempty"`
}

// ResolverFailed says that the answer is an error, such as SERVFAIL or REFUSED, which says nothing of the name.
func (l *Lookup) ResolverFailed() bool {
	return l.RCode != "" && l.RCode != "NOERROR" && l.RCode != "NXDOMAIN"
}

// TXT is the domain verification record looked up where AWS looks: at the authoritative servers,
// found by walking NS from the root.
type TXT struct {
	Domain string        `json:"domain"` // the private DNS name, "*." stripped
	Label  string        `json:"label"`  // the verification label
	Want   string        `json:"want"`   // the value that the service asks for
	Zones  []ServersOf   `json:"zones"`  // delegations walked, root first
	Asked  []TXTQuestion `json:"asked"`  // every owner name tried at every server of the deepest zone
}

// ServersOf is one delegation step of the walk from the root.
type ServersOf struct {
	Zone    string   `json:"zone"`
	Servers []Server `json:"servers"`
}

// Server is one name server.
type Server struct {
	Name string     `json:"name"`
	Addr netip.Addr `json:"addr"`
}

// TXTQuestion is one owner name asked at one authoritative server.
type TXTQuestion struct {
	Owner string `json:"owner"` // such as _label.api.example.com
	Lookup
}
