package main_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSecretsGoNowhere plants a secret of its own in every input of verify, against an AWS that sends back what it was
// sent, as it does of a signature that it does not like, and looks for all of them in all that comes out.
func TestSecretsGoNowhere(t *testing.T) {
	t.Parallel()
	secrets := map[string]string{}
	canary := func(place string) string {
		secrets[place] = "CANARY+" + place + "/s3cr3t="
		return secrets[place]
	}
	aws := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(io.LimitReader(r.Body, 64<<10))
		var canonical strings.Builder
		for name := range r.Header {
			fmt.Fprintf(&canonical, "%s:%s\n", strings.ToLower(name), r.Header.Get(name))
		}
		code, message := "SignatureDoesNotMatch", "The request signature we calculated does not match. The Canonical String for this request should have been '"+canonical.String()+"'"
		if strings.Contains(string(body), "Action=AssumeRole") {
			code, message = "AccessDenied", "not with "+string(body)
			if form, err := url.ParseQuery(string(body)); err == nil {
				message += " and not with the external id " + form.Get("ExternalId")
			}
		}
		w.WriteHeader(http.StatusForbidden)
		message = strings.NewReplacer("&", "&amp;", "<", "&lt;").Replace(message)
		fmt.Fprintf(w, "<ErrorResponse><Error><Type>Sender</Type><Code>%[1]s</Code><Message>%[2]s</Message></Error><RequestId>x</RequestId></ErrorResponse>", code, message)
	}))
	t.Cleanup(aws.Close)

	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secrets["client key"] = string(der[36:68]) // the number itself
	signKey := filepath.Join(dir, "sign.pem")
	for path, text := range map[string]string{
		"client.pem": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})) + string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})),
		"sign.pem":   string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"link.yaml": `apiVersion: linkassay/v1
links:
  - name: orders
    region: us-east-1
    privateDNSName: api.example.com
    provider:
      account: "111111111111"
      serviceId: vpce-svc-0123456789abcdef0
      role: {arn: "arn:aws:iam::111111111111:role/assay", externalId: "` + canary("external-id") + `"}
      build: {instances: {userData: "#!/bin/sh ` + canary("user-data") + `"}}
    consumer:
      account: "222222222222"
      endpointId: vpce-0123456789abcdef0
    ports:
      - port: 443
        tls: {clientCert: ` + filepath.Join(dir, "client.pem") + `, clientKey: ` + filepath.Join(dir, "client.pem") + `}
        http: {path: "/?token=` + url.QueryEscape(canary("query")) + `", headers: {Authorization: "Bearer ` + canary("authorization") + `", X-Any: "` + canary("header") + `"}}
    vantages:
      - {name: proxy, from: "socks5://127.0.0.1:1", resolver: 10.0.0.2}
    publicDNS: {from: "socks5://127.0.0.1:1"}
    timeouts: {api: 2s, dns: 100ms, connect: 100ms}
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	shell := bare(t)
	shell.env = append(shell.env, "AWS_ENDPOINT_URL="+aws.URL, "AWS_ACCESS_KEY_ID=AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY="+canary("secret-key"),
		"AWS_SESSION_TOKEN="+canary("session-token"), "HTTPS_PROXY=http://user:"+url.QueryEscape(canary("proxy"))+"@127.0.0.1:1",
		"LINKASSAY_SIGN_PASSPHRASE="+canary("passphrase"), "AWS_MAX_ATTEMPTS=1")
	out := filepath.Join(dir, "out")
	link := filepath.Join(dir, "link.yaml")
	runs, period := filepath.Join(dir, "runs"), filepath.Join(dir, "period")
	var said strings.Builder
	for _, c := range []struct {
		code int
		args []string
	}{
		{0, []string{"validate", "-f", link}},
		{0, []string{"verify", "-f", link, "--dry-run"}},
		{3, []string{"verify", "-f", link, "-v", "--out", out, "--sign", signKey, "--ledger", runs}},
		{3, []string{"verify", "-f", link, "--format", "json"}},
		{3, []string{"verify", "-f", link, "--format", "markdown"}},
		{3, []string{"verify", "-f", link, "--format", "oscal"}},
		{3, []string{"verify", "-f", link, "--format", "asff", "--import"}},
		{3, []string{"diagnose", "-f", link, "--to", "api.example.com:443"}},
		{3, []string{"diagnose", "-f", link, "--to", "api.example.com:443", "--format", "json"}},
		{0, []string{"evidence", "verify", out}},
		{0, []string{"evidence", "diff", out, out, "--format", "json"}},
		{0, []string{"evidence", "ledger", "show", runs, "--format", "json"}},
		{0, []string{"report", "period", "--out", period, runs}},
	} {
		stdout, code := shell.run(t, binary, c.args...)
		if code != c.code {
			t.Errorf("%q: exit code %d, want %d\n%s", c.args, code, c.code, stdout)
		}
		said.WriteString(stdout)
	}
	texts := map[string]string{"stdout and stderr": said.String()}
	for _, kept := range []string{out, runs, period} {
		readAll(t, kept, dir, texts)
	}
	for _, name := range []string{"out/report.html", "out/controls.csv", "runs/entries/0000000001.json", "period/period.html", "period/period.json"} {
		if texts[name] == "" {
			t.Errorf("there is no %s to look into", name)
		}
	}
	if !strings.Contains(texts["out/run.json"], "SignatureDoesNotMatch") || !strings.Contains(texts["out/run.json"], "not with the external id") {
		t.Errorf("AWS was not asked as it should have been:\n%s", said.String())
	}
	for name, text := range texts {
		for place, secret := range secrets {
			for _, form := range encoded(secret) {
				if i := strings.Index(text, form); i >= 0 {
					t.Errorf("%s holds the secret %q as %q: …%q", name, place, form, text[max(i-100, 0):min(i+100, len(text))])
					break
				}
			}
		}
	}
}

// readAll adds what files in a folder hold, by their names from another one.
func readAll(t *testing.T, folder, from string, texts map[string]string) {
	t.Helper()
	if err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		texts[strings.TrimPrefix(path, from+"/")] = string(b)
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// encoded are the forms in which a secret may turn up.
func encoded(secret string) []string {
	b := []byte(secret)
	all := []string{secret, url.QueryEscape(secret), url.PathEscape(secret), hex.EncodeToString(b), strings.ToUpper(hex.EncodeToString(b))}
	for lead := range 3 { // base64 at each offset, without the letters that depend on what stands around it
		e := base64.RawStdEncoding.EncodeToString(append(bytes.Repeat([]byte{'x'}, lead), b...))
		e = e[(lead*8+5)/6 : len(e)-2]
		all = append(all, e, strings.NewReplacer("+", "-", "/", "_").Replace(e))
	}
	return all
}
