package reports

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/suites"
)

// canary is a secret; each place has one of its own.
func canary(place string) string { return "CANARY-" + place + "-s3cr3t-0123456789" }

// forms are the ways in which a secret may turn up in a text.
func forms(secret string) []string {
	b := []byte(secret)
	all := []string{secret, url.QueryEscape(secret), hex.EncodeToString(b), strings.ToUpper(hex.EncodeToString(b)), strings.ToLower(secret)}
	for lead := range 3 { // base64 at each offset, without the letters that depend on what stands around it
		padded := append(bytes.Repeat([]byte{'x'}, lead), b...)
		e := base64.RawStdEncoding.EncodeToString(padded)
		e = e[(lead*8+5)/6:]
		all = append(all, e[:len(e)-2], strings.NewReplacer("+", "-", "/", "_").Replace(e[:len(e)-2]))
	}
	return all
}

// leaks lists the secrets that a text holds in whatever form.
func leaks(text string) []string {
	var found []string
	for _, place := range places() {
		if slices.ContainsFunc(forms(canary(place)), func(s string) bool { return strings.Contains(text, s) }) {
			found = append(found, place)
		}
	}
	return found
}

func places() []string {
	return []string{
		"provider-external-id", "consumer-external-id", "authorization", "cookie", "api-key", "header", "query", "user-data", "vantage-user",
		"public-dns-user", "url", "echo", "location",
	}
}

func secretive(t *testing.T) *probes.Observation {
	t.Helper()
	o := recording(t, "healthy")
	o.Link.Provider.Role = &provision.Role{ARN: "arn:aws:iam::111111111111:role/r", ExternalID: canary("provider-external-id")}
	o.Link.Consumer.Role = &provision.Role{ARN: "arn:aws:iam::222222222222:role/r", ExternalID: canary("consumer-external-id")}
	o.Link.Provider.Build = &provision.ProviderBuild{Instances: &provision.InstanceBuild{UserData: "#!/bin/sh\nexport TOKEN=" + canary("user-data")}}
	o.Link.Ports = slices.Clone(o.Link.Ports)
	o.Link.Ports[0].HTTP = &provision.HTTP{Path: "/health?token=" + canary("query") + "&deep=1", Headers: map[string]string{
		"Authorization": "Bearer " + canary("authorization"), "Cookie": "session=" + canary("cookie") + "; lang=en", "X-Api-Key": canary("api-key"), "X-Any": canary("header"),
	}}
	o.Link.Vantages = append(o.Link.Vantages, provision.Vantage{Name: "proxy", From: "socks5://user:" + canary("vantage-user") + "@10.0.0.1:1080"})
	o.Link.PublicDNS.From = "socks5://user:" + canary("public-dns-user") + "@10.0.0.1:1080"
	x := &o.Reach.HTTP.Value[0]
	x.URL += "?token=" + canary("url")
	// A remote end sends back what it was sent.
	x.Headers = map[string]string{"Server": "echo " + canary("authorization"), "Location": "/login/" + canary("cookie")}
	x.Detail = "not for " + canary("api-key")
	o.Provider.Permissions.Error = &probes.Failure{Message: "wrong external id " + canary("provider-external-id")}
	o.DNS.Private.Value[0].Server = netip.MustParseAddrPort("10.1.0.2:53")
	return o
}

// No secret of a link file is in any file or format of a report, in any form, also where a remote end sent it back.
func TestSecretsAreNotKept(t *testing.T) {
	t.Parallel()
	o := secretive(t)
	if b, err := json.Marshal(o); err != nil || len(leaks(string(b))) < 8 {
		t.Fatalf("the test finds only %q of the secrets in what was not through Keep, %v", leaks(string(b)), err)
	}
	kept, raw, err := Keep(o)
	if err != nil {
		t.Fatal(err)
	}
	for name, l := range map[string]LinkReport{
		"kept":     {Observation: kept, Raw: raw, Verdicts: suites.Judge(kept, suites.Catalogue(), nil), Rounds: []suites.Round{{Number: 1, Observation: kept}}},
		"not kept": {Observation: o, Rounds: []suites.Round{{Number: 1, Observation: secretive(t)}, {Number: 2, Observation: o}}},
	} {
		r := &Report{Tool: "linkassay", Links: []LinkReport{l}}
		for _, f := range Files(r) {
			var b bytes.Buffer
			if err := f.Write(&b); err != nil {
				t.Fatal(err)
			}
			if found := leaks(b.String()); len(found) > 0 {
				t.Errorf("%s: %s holds the secrets %q", name, f.Name, found)
			}
		}
		for _, format := range []string{TableFormat, MarkdownFormat, JSONFormat} {
			if found := leaks(printed(t, r, format, PrintOptions{})); len(found) > 0 {
				t.Errorf("%s: the %s holds the secrets %q", name, format, found)
			}
		}
	}
	if h := o.Link.Ports[0].HTTP.Headers["X-Any"]; h != canary("header") {
		t.Errorf("the observation itself was changed: %q", h)
	}
	if got := kept.Link.Ports[0].HTTP; got.Path != "/health?token=…&deep=…" || got.Headers["X-Any"] != hidden {
		t.Errorf("%+v", got)
	}
	if got := kept.Link.Vantages[len(kept.Link.Vantages)-1].From; got != "socks5://10.0.0.1:1080" {
		t.Error(got)
	}
}

// What is kept is judged as what was seen, and Keep changes it no further.
func TestKeepChangesNoVerdict(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"healthy", "security-group-closed", "txt-missing", "one-zone-down", "consumer-only", "provider-only"} {
		o := recording(t, name)
		kept, _, err := Keep(o)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(suites.Judge(o, suites.Catalogue(), nil), suites.Judge(kept, suites.Catalogue(), nil)) {
			t.Errorf("%s: other verdicts", name)
		}
		again, _, err := Keep(kept)
		if err != nil || !reflect.DeepEqual(again, kept) {
			t.Errorf("%s: kept again it is another, %v", name, err)
		}
		r := &Report{Tool: "linkassay", Links: []LinkReport{{Observation: kept, Raw: newRaw()}}}
		b, err := Encode(r)
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := Decode(b)
		if err != nil || !reflect.DeepEqual(decoded.Links[0].Observation, kept) {
			t.Errorf("%s: decoded it is another, %v", name, err)
		}
	}
}

var updateKept = flag.Bool("update-kept", false, "write testdata/kept.txt anew")

// testdata/kept.txt is the allow-list of what may be kept: whoever adds a field to what is observed or to a link adds
// it there, and thinks of whether it may hold a secret.
func TestKeptFields(t *testing.T) {
	t.Parallel()
	var fields []string
	paths(reflect.TypeFor[probes.Observation](), "", &fields, nil)
	got := strings.Join(fields, "\n") + "\n"
	path := filepath.Join("testdata", "kept.txt")
	if *updateKept {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSpace(string(b)), "\n")
	for _, f := range fields {
		if !slices.Contains(want, f) {
			t.Errorf("%s would be kept, and is not in %s: hide it in Keep, or allow it with go test ./reports -run KeptFields -update-kept", f, path)
		}
	}
	for _, f := range want {
		if !slices.Contains(fields, f) {
			t.Errorf("%s is in %s, and no field any more: go test ./reports -run KeptFields -update-kept", f, path)
		}
	}
}

// paths lists the JSON fields of a type, a type within itself once.
func paths(t reflect.Type, at string, all *[]string, above []reflect.Type) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() == reflect.Map {
		*all = append(*all, at+".*")
		return
	}
	if t.Kind() != reflect.Struct || slices.Contains(above, t) || strings.HasPrefix(t.PkgPath(), "net/netip") || t.PkgPath() == "time" {
		*all = append(*all, at)
		return
	}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported():
		case f.Anonymous && name == "":
			paths(f.Type, at, all, append(above, t))
		default:
			paths(f.Type, strings.TrimPrefix(at+"."+name, "."), all, append(above, t))
		}
	}
}

// A remote end may send a secret back cut short, or in the form that it has without its escapes.
func TestSecretsInOtherForms(t *testing.T) {
	t.Parallel()
	token := "eyJhbGciOi" + strings.Repeat("x1y2z3", 100)
	o := &probes.Observation{Link: provision.Link{Name: "orders", Ports: []provision.Port{{
		Port: 443, HTTP: &provision.HTTP{Path: "/?sig=ab%2Bcd%2Fef%3D&token=" + token},
	}}}}
	details := map[string]string{
		"malformed HTTP status code \"/?token=" + token[:300] + "…": "malformed HTTP status code \"/?token=" + hidden,
		"echo " + token[:leastSecret]:                               "echo " + hidden,
		"echo " + token[:leastSecret-1]:                             "echo " + token[:leastSecret-1], // found by chance
		"you sent ab+cd/ef= to me":                                  "you sent " + hidden + " to me",
		"eyJhbGciOi is how tokens begin":                            "eyJhbGciOi is how tokens begin",
	}
	for detail, want := range details {
		o.Reach.HTTP = &probes.Item[[]probes.Exchange]{Value: []probes.Exchange{{Try: probes.Try{Detail: detail}}}}
		kept, _, err := Keep(o)
		if err != nil {
			t.Fatal(err)
		}
		if got := kept.Reach.HTTP.Value[0].Detail; got != want {
			t.Errorf("%.60q became %q, expected %q", detail, got, want)
		}
	}
}
