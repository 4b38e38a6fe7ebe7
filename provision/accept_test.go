package provision

import (
	"strings"
	"testing"
	"time"
)

func TestAcceptanceHoldsUntilTheEndOfItsDay(t *testing.T) {
	t.Parallel()
	a := Acceptance{Expires: "2026-12-31"}
	for at, want := range map[string]bool{
		"2026-12-30T00:00:00Z": true, "2026-12-31T23:59:59Z": true, "2027-01-01T00:00:00Z": false,
		"2027-01-01T07:00:00+08:00": true, "2026-12-31T23:00:00-02:00": false,
	} {
		when, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.Holds(when); got != want {
			t.Errorf("at %s: %t", at, got)
		}
	}
	if (Acceptance{Expires: "soon"}).Holds(time.Time{}) {
		t.Error("without a date it holds")
	}
}

// Dates may be written without quotes.
func TestAcceptIsRead(t *testing.T) {
	t.Parallel()
	text := strings.Replace(string(Example()), "    # accept:\n    #   -", "    accept:\n      -", 1)
	text = strings.ReplaceAll(text, "    #     reason:", "        reason:")
	text = strings.ReplaceAll(text, "    #     expires:", "        expires:")
	f, err := Load(strings.NewReader(text), "x")
	if err != nil {
		t.Fatal(err)
	}
	a, ok := f.Links[0].FindAcceptance("reachability.tls-certificate-lasts")
	if !ok || a.Expires != "2026-12-31" || !strings.HasPrefix(a.String(), "accepted until 2026-12-31: the new certificate") {
		t.Errorf("%+v, %t", a, ok)
	}
	if _, ok := f.Links[0].FindAcceptance("dns.vpc-attributes"); ok {
		t.Error("what is not accepted is")
	}
}
