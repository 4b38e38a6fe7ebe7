package live

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/linkassay/linkassay/suites/canary"
)

func TestServer(t *testing.T) {
	t.Parallel()
	m := NewMetrics()
	s, err := Listen(t.Context(), "127.0.0.1:0", "", m, NewStatus(nil))
	if err != nil {
		t.Fatal(err)
	}
	get := func(method, path string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.Addr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	if code, _ := get("GET", "/readyz"); code != 503 {
		t.Errorf("ready before any round: %d", code)
	}
	tell(t, s, round(canary.Interrupted))
	if code, _ := get("GET", "/readyz"); code != 503 {
		t.Errorf("ready after an interrupted round: %d", code)
	}
	tell(t, s, round(canary.Bad))
	for path, want := range map[string]int{"/readyz": 200, "/healthz": 200, "/metrics": 200, "/": 200, "/style.css": 200, "/live.js": 200, "/incidents": 200, "/bundles/x/run.json": 404, "/bundles/": 404, "/other": 404, "/links/none": 404} {
		if code, body := get("GET", path); code != want {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE"} {
		for _, path := range []string{"/metrics", "/", "/links/orders", "/incidents", "/bundles/x/run.json", "/live.js"} {
			if code, _ := get(method, path); code != 405 {
				t.Errorf("%s %s: %d", method, path, code)
			}
		}
	}
	if s.Open() != "" {
		t.Error("loopback is not open to others")
	}
	if _, err := Listen(t.Context(), s.Addr().String(), "", m, NewStatus(nil)); err == nil {
		t.Error("an address in use: expected an error")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err, failed := <-s.Failed(); failed {
		t.Error(err)
	}
}

func TestServerWithUsers(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "web.yaml")
	// The password is "test", as bcrypt with the least cost.
	if err := os.WriteFile(config, []byte("basic_auth_users:\n  reader: $2y$04$Oe1ngRvMBjm8Hb7K6Frg7u7Oj2QXMEEEwGYzO2y9VhMVsyKk5yGGm\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Listen(t.Context(), "127.0.0.1:0", config, NewMetrics(), NewStatus(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	resp, err := http.Get("http://" + s.Addr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a password: %s", resp.Status)
	}
	if _, err := Listen(t.Context(), "127.0.0.1:0", config+".none", NewMetrics(), NewStatus(nil)); err == nil {
		t.Error("a web configuration that is not there: expected an error")
	}
}

// The certificate and users of a web configuration guard what is served, and what is missing is said.
func TestServerSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	const tlsPart = "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n"
	const users = "basic_auth_users:\n  reader: $2y$04$Oe1ngRvMBjm8Hb7K6Frg7u7Oj2QXMEEEwGYzO2y9VhMVsyKk5yGGm\n"
	for name, text := range map[string]string{
		"cert.pem": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), "key.pem": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
		"empty": "{}\n", "tls": tlsPart, "users": users, "both": tlsPart + users, "no certificate": "tls_server_config: {min_version: TLS13}\n" + users,
		"certified": "tls_server_config: {cert_file: cert.pem, key_file: key.pem, client_ca_file: cert.pem, client_auth_type: RequireAndVerifyClientCert}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for config, want := range map[string]string{"": "TLS and users", "empty": "TLS and users", "tls": "users", "users": "TLS", "no certificate": "TLS", "both": "", "certified": ""} {
		path := config
		if config != "" {
			path = filepath.Join(dir, config)
		}
		s, err := Listen(t.Context(), "127.0.0.1:0", path, NewMetrics(), NewStatus(nil))
		if err != nil {
			t.Fatal(err)
		}
		if got := s.guards.missing(&net.TCPAddr{IP: net.IPv4(10, 0, 0, 7), Port: 9815}); got != want || s.Open() != "" {
			t.Errorf("%q: open without %q, expected %q", config, got, want)
		}
		if config == "tls" {
			pool := x509.NewCertPool()
			own, err := x509.ParseCertificate(der)
			if err != nil {
				t.Fatal(err)
			}
			pool.AddCert(own)
			client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
			_, port, _ := net.SplitHostPort(s.Addr().String())
			resp, err := client.Get("https://127.0.0.1:" + port + "/healthz")
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK || resp.TLS == nil {
				t.Errorf("over TLS: %s", resp.Status)
			}
			client.CloseIdleConnections()
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
