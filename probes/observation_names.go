package probes

// ProviderZone is a Route 53 hosted zone of the provider's account that is at, above, below or beside
// the private DNS name.
type ProviderZone struct {
	ID          string       `json:"id"` // without /hostedzone/
	Name        string       `json:"name"`
	Private     bool         `json:"private"`
	NameServers []string     `json:"nameServers,omitempty"` // the delegation set of a public zone
	Records     []ZoneRecord `json:"records,omitempty"`     // those that may have to do with the verification
	Cut         bool         `json:"cut,omitempty"`         // the zone has more records than were read
}

// ZoneRecord is a record set of a hosted zone, as Route 53 has it: what is asked of the name servers may
// be older, or another zone's.
type ZoneRecord struct {
	Name   string   `json:"name"` // without the trailing dot
	Type   string   `json:"type"` // TXT or CNAME
	TTL    int64    `json:"ttl"`  // seconds
	Values []string `json:"values"`
	Texts  []string `json:"texts,omitempty"` // of TXT: the values without their quotes
}

// OtherService is an endpoint service of the provider's account, with what its own private DNS name
// is verified by.
type OtherService struct {
	ID             string        `json:"id"`
	PrivateDNSName string        `json:"privateDnsName,omitempty"`
	Verification   *Verification `json:"verification,omitempty"`

	State            string   `json:"state,omitempty"`
	LoadBalancerARNs []string `json:"loadBalancerArns,omitempty"`
}

// DHCPOptions are what a VPC's instances get to know when they start: above all which DNS servers to ask.
type DHCPOptions struct {
	ID         string   `json:"id"`
	Servers    []string `json:"servers,omitempty"` // domain-name-servers: AmazonProvidedDNS or addresses
	DomainName string   `json:"domainName,omitempty"`
}

// Negative is what an answer without records says of itself in its SOA record.
type Negative struct {
	Zone string `json:"zone"` // whose answer it is, without the trailing dot
	TTL  uint32 `json:"ttl"`  // seconds for which it may still be kept
}
