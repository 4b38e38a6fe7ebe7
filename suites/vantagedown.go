package suites

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/linkassay/linkassay/probes"
)

// downVantages are the vantages of the link that could not be asked through, by what was tried through them.
func downVantages(o *probes.Observation) map[string]string {
	down := map[string]string{}
	saw := func(vantage string, outcome probes.Outcome, detail string) {
		if outcome == probes.NoVia && down[vantage] == "" {
			down[vantage] = or(lastClause(detail), "no answer")
		}
	}
	for _, it := range []*probes.Item[[]probes.Lookup]{o.DNS.Private, o.DNS.Regional, o.DNS.Zonal} {
		for _, l := range maybe(it) {
			saw(l.Vantage, l.Outcome, l.Detail)
		}
	}
	for _, a := range maybe(o.Reach.TCP) {
		for _, t := range a.Tries {
			saw(a.Vantage, t.Outcome, t.Detail)
		}
	}
	return down
}

// lastClause is what an error comes down to: "connection refused" of "dial tcp 127.0.0.1:1080: connect: connection refused".
func lastClause(detail string) string {
	return strings.TrimSpace(detail[strings.LastIndex(detail, ": ")+1:])
}

// ofDown are the vantages that are out of reach, where every one of the unknown things is unknown because of one; none
// where something else plays a part.
func ofDown(unknown []string, down map[string]string) []string {
	var vantages []string
	for _, name := range unknown {
		found := ""
		for v := range down {
			if name == v || strings.HasPrefix(name, v+" ") || strings.HasPrefix(name, v+":") {
				found = v
			}
		}
		if found == "" {
			return nil
		}
		vantages = append(vantages, found)
	}
	return sorted(vantages)
}

// outOfReach says the same of the same vantages, whatever could not be asked through them, so that reports fold it.
func outOfReach(o *probes.Observation, vantages []string, why string) string {
	var named []string
	for _, v := range o.Link.Vantages {
		if slices.Contains(vantages, v.Name) {
			named = append(named, v.Name+via(v.From))
		}
	}
	return plain(fmt.Sprintf("vantage unreachable: %s: %s; is what it goes through running, such as ssh -D?", list(named), why))
}

// via says what a vantage goes through, without what a URL may hold beside host and port.
func via(from string) string {
	u, err := url.Parse(from)
	if err != nil || u.Host == "" {
		return ""
	}
	return inParentheses(u.Scheme + "://" + u.Host)
}

// itemOutOfReach is outOfReach of an item that no vantage could be asked for.
func itemOutOfReach(o *probes.Observation, item string, f *probes.Failure) string {
	why := lastClause(f.Message)
	if item == "dns.txt" || item == "dns.public" {
		return plain(fmt.Sprintf("vantage unreachable: publicDNS%s: %s; is what it goes through running, such as ssh -D?", via(o.Link.PublicDNS.From), why))
	}
	all := make([]string, len(o.Link.Vantages))
	for i, v := range o.Link.Vantages {
		all[i] = v.Name
	}
	return outOfReach(o, all, why)
}
