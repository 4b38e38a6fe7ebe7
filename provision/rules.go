package provision

import (
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Bounds of the rules.
const (
	maxTimeout = 10 * time.Minute
	// maxIdleTimeout is the longest that AWS takes for a listener (6000 s).
	maxIdleTimeout = 6000 * time.Second
	maxUserData    = 16 << 10 // bytes; the EC2 limit before base64
	maxBuildTags   = 40       // AWS allows 50 tags; the rest is linkassay's own
	maxNameLength  = 253
)

var (
	regionSyntax  = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$`)
	subnetSyntax  = regexp.MustCompile(`^subnet-[0-9a-f]{8,17}$`)
	groupSyntax   = regexp.MustCompile(`^sg-[0-9a-f]{8,17}$`)
	zoneSyntax    = regexp.MustCompile(`^[a-z]+[0-9]+(-[a-z0-9]+)*-az[0-9]+$`)
	hostedSyntax  = regexp.MustCompile(`^Z[A-Z0-9]{1,31}$`)
	serviceSyntax = regexp.MustCompile(`^com\.amazonaws\.vpce\.([a-z0-9-]+)\.(vpce-svc-[0-9a-f]{8,17})$`)
	labelSyntax   = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
	tokenSyntax   = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
	imageSyntax   = regexp.MustCompile(`^(ami-[0-9a-f]{8,17}|resolve:ssm:[A-Za-z0-9_./:-]+)$`)
	// An ARN with a path is not supported by AWS as an allowed principal.
	principalSyntax = regexp.MustCompile(`^(\*|arn:aws[a-z-]*:iam::[0-9]{12}:(root|(role|user)/[A-Za-z0-9_+=,.@-]+))$`)
)

// checkRules adds what the schema cannot say: how fields fit together, and syntax that has a
// meaning. Fields that are wrong already are passed over.
func (d *document) checkRules(f *File) {
	names := map[string]string{}
	d.checkCanary(f.Canary, Canary{}, "/canary")
	for i := range f.Links {
		l, at := &f.Links[i], "/links/"+strconv.Itoa(i)
		d.unique(names, l.Name, at+"/name", "link name")
		d.checkLink(l, at)
		d.checkCanary(l.Canary, f.Canary, at+"/canary")
	}
}

// rule adds a problem at place unless ok, or something is wrong there already.
func (d *document) rule(ok bool, place, format string, args ...any) {
	if !ok && !d.isWrong(place) {
		d.addAt(place, fmt.Sprintf(format, args...))
	}
}

// unique notes value and adds a problem when it was there before.
func (d *document) unique(seen map[string]string, value, place, what string) {
	if value == "" || d.isWrong(place) {
		return
	}
	if first, double := seen[value]; double {
		d.addAt(place, fmt.Sprintf("%s %s is used twice, expected unique ones (first on line %d)", what, show(value), d.nodes[first].Line))
		return
	}
	seen[value] = place
}

func (d *document) has(place string) bool { return d.nodes[place] != nil }

func (d *document) checkLink(l *Link, at string) {
	d.rule(l.Region == "" || regionSyntax.MatchString(l.Region), at+"/region",
		"region is %s, expected a Region such as ap-southeast-1", show(l.Region))
	if d.has(at + "/privateDNSName") {
		if why := wrongDNSName(l.PrivateDNSName, true); why != "" {
			d.rule(false, at+"/privateDNSName", "privateDNSName %s %s", show(l.PrivateDNSName), why)
		}
	}
	d.checkParty(&l.Provider.Party, at+"/provider")
	d.checkParty(&l.Consumer.Party, at+"/consumer")
	d.checkProvider(l, at+"/provider")
	d.checkConsumer(l, at+"/consumer")
	d.checkPorts(l, at+"/ports")
	d.checkVantages(l, at)
	d.checkTimeouts(l, at+"/timeouts")
	d.checkAccept(l, at+"/accept")
}

func (d *document) checkParty(p *Party, at string) {
	if p.Access == AccessNone {
		for _, key := range []string{"profile", "role", "build"} {
			if d.has(at + "/" + key) {
				d.addAtKey(at+"/"+key, fmt.Sprintf("%s with access none, expected access api or no %s", key, key))
			}
		}
		return
	}
	if p.Role != nil {
		parts := strings.Split(p.Role.ARN, ":")
		d.rule(len(parts) < 5 || parts[4] == p.Account || d.isWrong(at+"/account"), at+"/role/arn",
			"the role is in another account than this side, expected account %s", p.Account)
	}
}

func (d *document) checkProvider(l *Link, at string) {
	p := &l.Provider
	d.rule(p.Region == "" || regionSyntax.MatchString(p.Region), at+"/region",
		"region is %s, expected a Region such as ap-southeast-1", show(p.Region))
	d.rule(p.HostedZone == "" || hostedSyntax.MatchString(p.HostedZone), at+"/hostedZone",
		"hostedZone is %s, expected a hosted zone id such as Z0123456789ABCDEFGHIJ", show(p.HostedZone))
	if p.ServiceName != "" {
		m := serviceSyntax.FindStringSubmatch(p.ServiceName)
		switch {
		case m == nil:
			d.rule(false, at+"/serviceName", "serviceName is %s, expected com.amazonaws.vpce.REGION.vpce-svc-ID", show(p.ServiceName))
		case m[1] != l.ProviderRegion():
			d.rule(false, at+"/serviceName", "serviceName is in Region %s, expected %s, or provider.region %s where the consumer is in another Region", m[1], l.ProviderRegion(), m[1])
		case p.ServiceID != "" && m[2] != p.ServiceID:
			d.rule(false, at+"/serviceName", "serviceName does not end in serviceId, expected %s", serviceNameOf(l.ProviderRegion(), p.ServiceID))
		}
	}
	known := d.has(at+"/serviceId") || d.has(at+"/serviceName")
	if p.Access == AccessNone {
		d.rule(known || l.Consumer.EndpointID != "" || l.Consumer.Access == AccessNone, at,
			"a provider side with access none and a consumer endpoint that is to be built, expected serviceName")
	} else {
		d.rule(known || d.has(at+"/build"), at, "neither an existing service nor one to build, expected serviceId, serviceName or build")
	}
	d.rule(p.Access != AccessNone || l.Consumer.Access != AccessNone || len(l.Vantages) > 0, at+"/access",
		"access none on both sides and no vantages: nothing could be verified, expected access to one side or a vantage")
	if b := p.Build; b != nil {
		d.checkProviderBuild(l, b, at+"/build")
	}
}

func (d *document) checkProviderBuild(l *Link, b *ProviderBuild, at string) {
	d.checkNetwork(l.ProviderRegion(), b.VPCID, b.SubnetIDs, b.CIDR, b.Zones, at)
	d.checkTags(b.Tags, at+"/tags")
	for i, p := range b.AllowedPrincipals {
		d.rule(principalSyntax.MatchString(p), fmt.Sprintf("%s/allowedPrincipals/%d", at, i),
			"allowed principal %s, expected * or an ARN such as %s, without a path", show(p), l.ConsumerPrincipal())
	}
	d.rule(len(b.Targets) == 0 || b.Instances == nil, at+"/instances", "instances beside targets, expected one of them: existing targets, or instances to launch")
	d.checkTargets(b, at+"/targets")
	if in := b.Instances; in != nil {
		d.rule(in.ImageID == "" || imageSyntax.MatchString(in.ImageID), at+"/instances/imageId",
			"imageId is %s, expected an AMI such as ami-0123456789abcdef0 or resolve:ssm:PARAMETER", show(in.ImageID))
		d.rule(len(in.UserData) <= maxUserData, at+"/instances/userData",
			"userData has %d bytes, expected at most %d", len(in.UserData), maxUserData)
	}
	if len(b.Targets) > 0 || b.Instances != nil && b.Instances.UserData != "" {
		return
	}
	// The servers that apply starts speak one protocol on a port.
	tls := map[uint16]bool{}
	for i, p := range l.Ports {
		secure, before := tls[p.targetPort()]
		d.rule(!before || secure == (p.TLS != nil), fmt.Sprintf("%s/ports/%d", parent(parent(at)), i),
			"target port %d with TLS on one port and without on another, expected different target ports", p.targetPort())
		tls[p.targetPort()] = p.TLS != nil
	}
}

func (d *document) checkTargets(b *ProviderBuild, at string) {
	seen := map[string]string{}
	for i, t := range b.Targets {
		place := fmt.Sprintf("%s/%d", at, i)
		d.rule((t.Instance == "") != (t.IP == ""), place, "a target with %s, expected either instance or ip",
			map[bool]string{true: "both", false: "neither"}[t.Instance != ""])
		if t.IP != "" {
			a, err := netip.ParseAddr(t.IP)
			d.rule(err == nil && a.Is4(), place+"/ip", "ip is %s, expected an IPv4 address", show(t.IP))
			d.unique(seen, t.IP, place+"/ip", "target")
		}
		if t.Instance != "" {
			d.unique(seen, t.Instance, place+"/instance", "target")
			d.rule(b.VPCID != "", place+"/instance", "an existing instance as target of a new VPC, expected vpcId with the instance's VPC")
		}
		d.rule((t.Instance == "") == (b.Targets[0].Instance == ""), place, "a target of another kind than the first, expected all of one kind")
	}
}

func (d *document) checkConsumer(l *Link, at string) {
	c := &l.Consumer
	if c.Access != AccessNone {
		d.rule(d.has(at+"/endpointId") || d.has(at+"/build"), at, "neither an existing endpoint nor one to build, expected endpointId or build")
	}
	b := c.Build
	if b == nil {
		return
	}
	at += "/build"
	d.checkNetwork(l.Region, b.VPCID, b.SubnetIDs, b.CIDR, b.Zones, at)
	d.checkTags(b.Tags, at+"/tags")
	d.rule(len(b.SecurityGroupIDs) == 0 || b.VPCID != "", at+"/securityGroupIds", "securityGroupIds without vpcId, expected the groups' VPC as vpcId")
	seen := map[string]string{}
	for i, g := range b.SecurityGroupIDs {
		place := fmt.Sprintf("%s/securityGroupIds/%d", at, i)
		d.rule(groupSyntax.MatchString(g), place, "security group %s, expected an id such as sg-0123456789abcdef0", show(g))
		d.unique(seen, g, place, "security group")
	}
}

// checkNetwork checks what both sides' builds have in common.
func (d *document) checkNetwork(region, vpc string, subnets []string, cidr string, zones []string, at string) {
	d.rule(len(subnets) == 0 || vpc != "" || d.has(at+"/vpcId"), at+"/subnetIds", "subnetIds without vpcId, expected the subnets' VPC as vpcId")
	d.rule(vpc == "" || len(subnets) > 0 || d.has(at+"/subnetIds"), at+"/vpcId", "vpcId without subnetIds, expected the subnets to use: an existing VPC is not cut up")
	d.rule(vpc == "" || cidr == "", at+"/cidr", "cidr beside vpcId, expected one of them: an existing VPC, or a new one's CIDR block")
	d.rule(len(subnets) == 0 || len(zones) == 0, at+"/zones", "zones beside subnetIds, expected one of them: existing subnets, or new ones' zones")
	seen := map[string]string{}
	for i, s := range subnets {
		place := fmt.Sprintf("%s/subnetIds/%d", at, i)
		d.rule(subnetSyntax.MatchString(s), place, "subnet %s, expected an id such as subnet-0123456789abcdef0", show(s))
		d.unique(seen, s, place, "subnet")
	}
	block := defaultCIDR
	if cidr != "" {
		p, err := netip.ParsePrefix(cidr)
		ok := err == nil && p.Addr().Is4() && p.Bits() >= 16 && p.Bits() <= 28
		d.rule(ok, at+"/cidr", "cidr is %s, expected an IPv4 block from /16 to /28 such as 10.0.0.0/16", show(cidr))
		if ok {
			d.rule(p == p.Masked(), at+"/cidr", "cidr %s has bits set behind the prefix, expected %s", cidr, p.Masked())
			block = p
		}
	}
	zoneSeen := map[string]string{}
	for i, z := range zones {
		place := fmt.Sprintf("%s/zones/%d", at, i)
		d.checkZone(z, region, place)
		d.unique(zoneSeen, z, place, "zone")
	}
	if most := subnetCount(block); len(zones) > most {
		d.rule(false, at+"/zones", "%d zones in %s, expected at most %d: a subnet is a /28 or larger", len(zones), block, most)
	}
}

func (d *document) checkZone(zone, region, place string) {
	if strings.HasPrefix(zone, region) && region != "" {
		d.rule(false, place, "zone %s is a zone name, which differs between accounts, expected a zone id such as %s-az1", show(zone), zonePrefix(region))
		return
	}
	prefix := zonePrefix(region)
	d.rule(zoneSyntax.MatchString(zone), place, "zone %s, expected a zone id such as apse1-az1", show(zone))
	d.rule(prefix == "" || strings.HasPrefix(zone, prefix+"-"), place, "zone %s is not in Region %s, expected a zone id that begins with %s-", show(zone), region, prefix)
}

func (d *document) checkTags(tags map[string]string, at string) {
	d.rule(len(tags) <= maxBuildTags, at, "%d tags, expected at most %d", len(tags), maxBuildTags)
	for k, v := range tags {
		place := at + "/" + escape(k)
		d.rule(k != "" && len([]rune(k)) <= 128, place, "tag key of %d characters, expected 1 to 128", len([]rune(k)))
		d.rule(!strings.HasPrefix(strings.ToLower(k), "aws:") && !strings.HasPrefix(k, tagPrefix), place,
			"tag key %s, expected one that does not begin with aws: or %s", show(k), tagPrefix)
		d.rule(len([]rune(v)) <= 256, place, "tag value of %d characters, expected at most 256", len([]rune(v)))
	}
}

func (d *document) checkPorts(l *Link, at string) {
	seen := map[string]string{}
	for i := range l.Ports {
		p, place := &l.Ports[i], fmt.Sprintf("%s/%d", at, i)
		if p.Port > 0 {
			d.unique(seen, strconv.Itoa(int(p.Port)), place+"/port", "port")
		}
		d.rule(!d.has(place+"/targetPort") || d.number(place+"/targetPort") >= 1 && d.number(place+"/targetPort") <= 65535,
			place+"/targetPort", "targetPort is %d, expected a number from 1 to 65535", d.number(place+"/targetPort"))
		if t := p.TLS; t != nil {
			d.rule(t.ClientCert == "" || t.ClientKey != "", place+"/tls/clientCert", "clientCert without clientKey, expected both or neither")
			d.rule(t.ClientKey == "" || t.ClientCert != "", place+"/tls/clientKey", "clientKey without clientCert, expected both or neither")
			if t.ServerName != "" {
				why := wrongDNSName(t.ServerName, false)
				d.rule(why == "", place+"/tls/serverName", "serverName %s %s", show(t.ServerName), why)
			}
		}
		if p.HTTP != nil {
			d.checkHTTP(p.HTTP, place+"/http")
		}
	}
}

func (d *document) checkHTTP(h *HTTP, at string) {
	d.rule(h.Method == "" || tokenSyntax.MatchString(h.Method) && h.Method == strings.ToUpper(h.Method), at+"/method",
		"method is %s, expected an HTTP method in capitals such as GET", show(h.Method))
	d.rule(h.Path == "" || strings.HasPrefix(h.Path, "/") && !strings.ContainsFunc(h.Path, func(r rune) bool { return r <= ' ' || r == 0x7f }),
		at+"/path", "path is %s, expected one that begins with / and has no spaces", show(h.Path))
	for k, v := range h.Headers {
		place := at + "/headers/" + escape(k)
		d.rule(tokenSyntax.MatchString(k), place, "header name %s, expected letters, digits and hyphens", show(k))
		d.rule(!strings.ContainsAny(v, "\r\n\x00"), place, "header %s has a line break in its value, expected one line", show(k))
		d.rule(http.CanonicalHeaderKey(k) != "Host", place, "header Host, expected none: the name that is probed is the host")
	}
	for i, s := range h.Status {
		d.rule(s >= 100 && s <= 599, fmt.Sprintf("%s/status/%d", at, i), "status is %d, expected 100 to 599", s)
	}
	if h.Body != "" {
		_, err := regexp.Compile(h.Body)
		d.rule(err == nil, at+"/body", "body is not a regular expression (%v), expected RE2 syntax", err)
	}
	if h.EndpointID != "" {
		re, err := regexp.Compile(h.EndpointID)
		d.rule(err == nil, at+"/endpointId", "endpointId is not a regular expression (%v), expected RE2 syntax", err)
		d.rule(err != nil || re.NumSubexp() == 1, at+"/endpointId", "endpointId is %s, expected one group around the id", show(h.EndpointID))
	}
}

func (d *document) checkVantages(l *Link, at string) {
	seen := map[string]string{}
	for i := range l.Vantages {
		v, place := &l.Vantages[i], fmt.Sprintf("%s/vantages/%d", at, i)
		d.unique(seen, v.Name, place+"/name", "vantage name")
		d.checkFrom(v.From, place+"/from", "local or socks5://HOST:PORT")
		if v.Resolver != "" {
			d.rule(isAddress(v.Resolver), place+"/resolver", "resolver is %s, expected IP or IP:PORT", show(v.Resolver))
		}
		if v.Zone != "" {
			d.checkZone(v.Zone, l.Region, place+"/zone")
		}
	}
	if from := l.PublicDNS.From; from != "" && from != NoPublicDNS {
		d.checkFrom(from, at+"/publicDNS/from", "local, none or socks5://HOST:PORT")
	}
}

func (d *document) checkFrom(from, place, expected string) {
	if from == "local" || from == "" && !d.has(place) {
		return
	}
	host, ok := strings.CutPrefix(from, "socks5://")
	d.rule(ok && isHostPort(host), place, "from is %s, expected %s", show(from), expected)
}

func (d *document) checkTimeouts(l *Link, at string) {
	for key, v := range map[string]Duration{
		"api": l.Timeouts.API, "dns": l.Timeouts.DNS, "connect": l.Timeouts.Connect, "tls": l.Timeouts.TLS, "http": l.Timeouts.HTTP,
	} {
		place := at + "/" + key
		if d.has(place) {
			d.rule(v > 0 && time.Duration(v) <= maxTimeout, place, "%s is %s, expected more than 0 and at most %s", key, v, maxTimeout)
		}
	}
	if place, v := at+"/idle", l.Timeouts.Idle; d.has(place) {
		d.rule(v > 0 && time.Duration(v) <= maxIdleTimeout, place, "idle is %s, expected more than 0 and at most %s", v, maxIdleTimeout)
	}
}

// number returns the whole number in place, whatever the decoder made of it.
func (d *document) number(place string) int64 {
	var i int64
	if n := d.nodes[place]; n == nil || n.Decode(&i) != nil {
		return 0
	}
	return i
}

func parent(place string) string {
	if i := strings.LastIndexByte(place, '/'); i >= 0 {
		return place[:i]
	}
	return ""
}
