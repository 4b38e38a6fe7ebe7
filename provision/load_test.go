package provision

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

var update = flag.Bool("update", false, "write link.schema.json and the expected messages anew")

// Every bad file in testdata/bad holds one broken rule; the messages wanted stand in a .want file beside it.
func TestLoadSaysEverythingThatIsWrong(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) < 40 {
		t.Fatalf("found %d bad files (%v), expected one for each rule", len(files), err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			t.Parallel()
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			_, err = Load(f, "link.yaml")
			var wrong *FileError
			if !errors.As(err, &wrong) {
				t.Fatalf("Load gave %v, expected a *FileError", err)
			}
			wantPath := strings.TrimSuffix(path, ".yaml") + ".want"
			got := err.Error() + "\n"
			if *update {
				if err := os.WriteFile(wantPath, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(wantPath)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("messages:\n%s\nexpected:\n%s", got, want)
			}
		})
	}
}

func TestExampleLoads(t *testing.T) {
	t.Parallel()
	f, err := Load(strings.NewReader(string(Example())), "example")
	if err != nil {
		t.Fatal(err)
	}
	l := f.Links[0]
	if l.Consumer.Account != "222222222222" || len(l.Ports) != 2 || l.Ports[1].TLS == nil {
		t.Errorf("the example read as %+v", l)
	}
}

// What the example shows in comments must be right too: with every comment's key active it still has
// no unknown key and no wrong type.
func TestExampleKnowsItsKeys(t *testing.T) {
	t.Parallel()
	schema, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{
		"access", "role", "externalId", "serviceId", "hostedZone", "acceptanceRequired", "crossZone", "proxyProtocol",
		"allowedPrincipals", "vpcId", "subnetIds", "targets", "instances", "tags", "endpointId", "securityGroupIds",
		"clientCert", "clientKey", "serverName", "method", "headers", "body", "zone", "resolver", "expect", "publicDNS", "timeouts", "idle", "accept", "reason", "expires",
	} {
		if !strings.Contains(exampleFile, key+":") || !strings.Contains(string(schema), `"`+key+`"`) {
			t.Errorf("%s: expected in the example and in the schema", key)
		}
	}
}

func TestLoadFillsInWhatFollows(t *testing.T) {
	t.Parallel()
	text := strings.NewReader(`apiVersion: linkassay/v1
links:
- {name: a, region: us-east-1, provider: {access: none, account: "111111111111", serviceName: com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0}, consumer: {account: "222222222222", endpointId: vpce-0123456789abcdef0}, ports: [{port: 22}], timeouts: {dns: 1.5s}}
`)
	f, err := Load(text, "x")
	if err != nil {
		t.Fatal(err)
	}
	l := f.Links[0]
	if l.Provider.ServiceID != "vpce-svc-0123456789abcdef0" || l.Consumer.Access != AccessAPI || l.Timeouts.DNS.String() != "1.5s" {
		t.Errorf("read %+v", l)
	}
}

func TestLoadReadsWindowsFilesAndByteOrderMarks(t *testing.T) {
	t.Parallel()
	text := "\ufeff" + strings.ReplaceAll(string(Example()), "\n", "\r\n")
	if _, err := Load(strings.NewReader(text), "x"); err != nil {
		t.Error(err)
	}
}

func TestLoadFileFindsFilesBesideIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "link.yaml")
	text := strings.Replace(string(Example()), "tls: {}", "tls: {ca: ca.pem, clientCert: /c.pem, clientKey: /k.pem}", 1)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := LoadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got := f.Links[0].Ports[1].TLS
	if got.CA != filepath.Join(dir, "ca.pem") || got.ClientCert != "/c.pem" {
		t.Errorf("TLS files %+v", got)
	}
	if _, err := LoadFile(filepath.Join(dir, "absent.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent file gave %v", err)
	}
}

func TestSchemaIsCurrent(t *testing.T) {
	t.Parallel()
	schema, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("link.schema.json", schema, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile("link.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if string(kept) != string(schema) {
		t.Error("link.schema.json is not what the Go types give; write it anew with go test ./provision -run Schema -update")
	}
}

func TestLinkSurvivesYAML(t *testing.T) {
	t.Parallel()
	f, err := Load(strings.NewReader(string(Example())), "example")
	if err != nil {
		t.Fatal(err)
	}
	f.Links[0].Timeouts.API = Duration(90e9)
	text, err := yaml.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "api: 1m30s") {
		t.Errorf("timeouts in:\n%s", text)
	}
	if _, err := Load(strings.NewReader(string(text)), "again"); err != nil {
		t.Errorf("%v\nin\n%s", err, text)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(string(Example()))
	for _, seed := range []string{
		"", "a: &a [*a]", "{", "- - - -", "links: [{ports: [{}]}]", "apiVersion: linkassay/v1\nlinks:\n- provider: {build: {targets: [{}]}}",
		"\ufeff\t", "? {a: b}\n: c", "a: !!binary x", "a: 1\n---\nb", "links:\n- timeouts: {api: -1s}\n  ports: [{port: 0x50}]",
	} {
		f.Add(seed)
	}
	files, _ := filepath.Glob("testdata/bad/*.yaml")
	for _, path := range files {
		if text, err := os.ReadFile(path); err == nil {
			f.Add(string(text))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Load(strings.NewReader(text), "fuzz")
		var wrong *FileError
		switch {
		case err == nil && len(file.Links) == 0:
			t.Error("no links and no error")
		case err != nil && !errors.As(err, &wrong):
			t.Errorf("not a *FileError: %v", err)
		case err != nil:
			for _, p := range wrong.Problems {
				if p.Line < 1 || p.Col < 1 || p.Message == "" || strings.ContainsAny(p.Message, "\n\x1b") {
					t.Errorf("problem %+v", p)
				}
			}
			if strings.ContainsRune(err.Error(), 0x1b) {
				t.Error("an escape reached the message")
			}
		}
	})
}
