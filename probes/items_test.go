package probes

import (
	"encoding/json"
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"slices"
	"testing"
)

// TestItemNamesAreTheDocumentedOnes compares the table with the comments of observation.go.
func TestItemNamesAreTheDocumentedOnes(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("observation.go")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, m := range regexp.MustCompile(`\*Item\[.*// ([a-z]+\.[A-Za-z]+)`).FindAllStringSubmatch(string(src), -1) {
		documented = append(documented, m[1])
	}
	if !slices.Equal(documented, ItemNames()) {
		t.Errorf("documented %v\nin the table %v", documented, ItemNames())
	}
}

func fullObservation() *Observation {
	o := &Observation{Format: Format}
	for _, it := range itemTable() {
		it.fill(o, failure(FailAPI, it.name, "x"))
	}
	return o
}

func TestEveryItemHasMeta(t *testing.T) {
	t.Parallel()
	o := fullObservation()
	for _, name := range ItemNames() {
		m, ok := o.Meta(name)
		if !ok || m.Error == nil || m.Error.Operation != name {
			t.Errorf("Meta(%q) = %+v, %v", name, m, ok)
		}
	}
	if _, ok := o.Meta("provider.secrets"); ok {
		t.Error("an item that does not exist has meta")
	}
	if _, ok := (*Observation)(nil).Meta("dns.txt"); ok {
		t.Error("nil has meta")
	}
}

func TestItemsFitInASet(t *testing.T) {
	t.Parallel()
	names := ItemNames()
	if len(names) > 64 {
		t.Fatalf("%d items: an ItemSet holds 64", len(names))
	}
	if Items(names...) != 1<<len(names)-1 {
		t.Errorf("%b", Items(names...))
	}
}

func TestOnlyHidesTheRest(t *testing.T) {
	t.Parallel()
	o := fullObservation()
	v := o.Only(Items("dns.txt", "no.such"))
	for _, name := range ItemNames() {
		if _, ok := v.Meta(name); ok != (name == "dns.txt") {
			t.Errorf("%s visible: %v", name, ok)
		}
	}
	if o.Provider.Identity == nil {
		t.Error("Only changed the Observation")
	}
	if (*Observation)(nil).Only(Items("dns.txt")) == nil {
		t.Error("nil.Only is nil")
	}
}

func TestObservationSurvivesJSON(t *testing.T) {
	t.Parallel()
	o := fullObservation()
	o.Consumer.Interfaces = &Item[[]Interface]{Value: []Interface{{ID: "eni-1", IPs: []netip.Addr{netip.MustParseAddr("10.0.0.9")}}}}
	o.DNS.TXT = &Item[TXT]{Value: TXT{Zones: []ServersOf{{Zone: "com", Servers: []Server{{Name: "a"}}}}, Asked: []TXTQuestion{{Owner: "o", Lookup: Lookup{Name: "n", Wire: []byte{1}}}}}}
	o.Reach.TLS = &Item[[]Handshake]{Value: []Handshake{{Addr: netip.MustParseAddrPort("10.0.0.9:443"), Try: Try{Outcome: OK}}}}
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	var back Observation
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(*o, back) {
		t.Errorf("went in %+v\ncame back %+v", *o, back)
	}
}
