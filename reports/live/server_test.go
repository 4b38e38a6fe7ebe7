package live

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

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
	if s.Open() {
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
