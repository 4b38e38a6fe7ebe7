package names

import (
	"testing"

	"github.com/miekg/dns"
)

// A registration can name other servers than the zone's, or none: then nobody comes to the zone.
func TestDelegateElsewhere(t *testing.T) {
	t.Parallel()
	i := newInternet(t)
	_, ns := publish(t, i, "example.com", `_x.example.com. 60 IN TXT "v"`)
	look := func() (int, error) {
		texts, rcode, err := i.LookupTXT(within(t, patience), "_x.example.com")
		if err == nil && len(texts) == 0 && rcode == dns.RcodeSuccess {
			t.Error("an empty answer")
		}
		return rcode, err
	}
	i.Delegate("example.com", nil)
	if rcode, err := look(); err != nil || rcode != dns.RcodeNameError {
		t.Errorf("not registered: %d, %v", rcode, err)
	}
	i.Delegate("Example.com.", i.NameServers(4))
	if rcode, err := look(); err == nil {
		t.Errorf("servers without the zone answer %d", rcode)
	}
	i.Delegate("example.com", ns)
	if rcode, err := look(); err != nil || rcode != dns.RcodeSuccess {
		t.Errorf("registered again: %d, %v", rcode, err)
	}
}
