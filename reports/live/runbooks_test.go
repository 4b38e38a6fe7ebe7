package live

import (
	"bytes"
	"strings"
	"testing"

	"github.com/linkassay/linkassay/suites"
	"github.com/linkassay/linkassay/suites/canary"
)

func TestRunbooks(t *testing.T) {
	t.Parallel()
	r, err := ParseRunbooks([]string{"https://wiki.example.com/{area}/{check}?from=canary&x=1", "dns.resolver-answers=https://dns.example.com/"}, suites.Catalogue())
	if err != nil {
		t.Fatal(err)
	}
	for check, want := range map[string]string{
		"connection.healthy-target": "https://wiki.example.com/connection/connection.healthy-target?from=canary&x=1",
		"dns.resolver-answers":      "https://dns.example.com/",
		"a b/\"c":                   "https://wiki.example.com/a%20b%2F%22c/a%20b%2F%22c?from=canary&x=1",
	} {
		if got := r.Of(check); got != want {
			t.Errorf("%s: %s, expected %s", check, got, want)
		}
	}
	var out bytes.Buffer
	tell(t, r.In(NewLines(&out, false)), round(canary.Good), canary.Change{Kind: canary.Opened, At: noon, Incident: incident("orders")})
	if !strings.Contains(out.String(), `"runbook":"https://wiki.example.com/connection/connection.healthy-target?from=canary\u0026x=1"`) {
		t.Errorf("%s", out.String())
	}
	if none := (Runbooks{}).Of("dns.resolver-answers"); none != "" {
		t.Errorf("%q", none)
	}
	for _, wrong := range []string{
		"http://wiki.example.com/{check}", "wiki", "", "https://", "https://u:p@wiki.example.com/", "https://wiki.example.com/{link}", "https://{area}.example.com/",
		"https://wiki.example.com/ x", "javascript:alert(1)", "https://wiki.example.com/\"><script>", "none.such=https://wiki.example.com/", "dns.resolver-answers=ftp://x/",
	} {
		if _, err := ParseRunbooks([]string{wrong}, suites.Catalogue()); err == nil {
			t.Errorf("%q: expected an error", wrong)
		}
	}
	if _, err := ParseRunbooks([]string{"https://a.example.com/", "https://b.example.com/"}, suites.Catalogue()); err == nil {
		t.Error("two for all: expected an error")
	}
}
