package live

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/linkassay/linkassay/suites/canary"
)

func alerts() []any {
	ended := incident("orders")
	ended.Ended, ended.Why = noon, "3 good rounds in a row"
	return []any{
		round(canary.Bad),
		canary.Change{Kind: canary.Opened, At: noon, Incident: incident("billing", "orders")},
		canary.Change{Kind: canary.Spread, At: noon, Incident: incident("a", "b", "c", "d")},
		canary.Change{Kind: canary.Recovered, At: noon, Incident: ended},
		canary.Change{Kind: canary.Cleared, At: noon, Incident: ended},
	}
}

func TestWebhook(t *testing.T) {
	t.Parallel()
	secret := []byte("only the two of us")
	var got []Alert
	var tries atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if tries.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		stamp, _, _ := strings.Cut(strings.TrimPrefix(r.Header.Get(SignatureHeader), "t="), ",")
		seconds, err := strconv.ParseInt(stamp, 10, 64)
		if err != nil || r.Header.Get(SignatureHeader) != Sign(secret, time.Unix(seconds, 0), body) || time.Since(time.Unix(seconds, 0)) > time.Minute {
			t.Errorf("signature %q: %v", r.Header.Get(SignatureHeader), err)
		}
		var a Alert
		if err := json.Unmarshal(body, &a); err != nil {
			t.Error(err)
		}
		got = append(got, a)
	}))
	defer server.Close()
	hook, err := NewWebhook(t.Context(), server.URL+"/hook?token=t0ken", secret)
	if err != nil {
		t.Fatal(err)
	}
	hook.pause = time.Millisecond
	tell(t, hook, alerts()...)
	if len(got) != 3 || tries.Load() != 4 || got[0].Kind != canary.Opened || got[1].Kind != canary.Spread || got[2].Kind != canary.Cleared || got[2].Why == "" {
		t.Fatalf("%d tries, %+v", tries.Load(), got)
	}
	if a := got[0]; a.Format != AlertFormat || a.Key != "k" || len(a.Links) != 2 || a.Explain != "linkassay explain connection.healthy-target" || !a.Since.Equal(noon) {
		t.Errorf("%+v", a)
	}
}

func TestSignIsWhatTheDocumentSays(t *testing.T) {
	t.Parallel()
	// printf '1700000000.{}' | openssl dgst -sha256 -hmac secret
	const want = "t=1700000000,v1=b8569b78799ff9e3cbff0fc2d63a33a2b57f3282abd07c37ae5e8e7d79a5f163"
	if got := Sign([]byte("secret"), time.Unix(1700000000, 0), []byte("{}")); got != want {
		t.Errorf("%s, expected %s", got, want)
	}
}

func TestAWebhookThatRefuses(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]int64{http.StatusBadRequest: 1, http.StatusFound: 1, http.StatusTooManyRequests: alertTries, http.StatusInternalServerError: alertTries} {
		var tries atomic.Int64
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			tries.Add(1)
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(code)
		}))
		hook, err := NewWebhook(t.Context(), server.URL+"/hook?token=t0ken", []byte("s"))
		if err != nil {
			t.Fatal(err)
		}
		hook.pause = time.Millisecond
		err = hook.Change(canary.Change{Kind: canary.Opened, Incident: incident("orders")})
		server.Close()
		if err == nil || tries.Load() != want || strings.Contains(err.Error(), "t0ken") {
			t.Errorf("%d: %d tries, %v", code, tries.Load(), err)
		}
		if err := hook.Change(canary.Change{Kind: canary.Opened, Incident: incident("orders")}); err == nil || strings.Contains(err.Error(), "t0ken") {
			t.Errorf("nobody there: %v", err)
		}
	}
	for address, secret := range map[string]string{"http://example.com/t0ken": "s", "https://example.com/t0ken": "", "ftp://example.com/": "s", "https://exa mple.com/t0ken": "s"} {
		if _, err := NewWebhook(t.Context(), address, []byte(secret)); err == nil || strings.Contains(err.Error(), "t0ken") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	out := filepath.Join(dir, "out")
	tell(t, NewCommand(t.Context(), script("take", "cat >> '"+out+"'\n")), alerts()...)
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(strings.TrimSpace(string(b)), "\n"); len(lines) != 3 || !strings.Contains(lines[0], `"kind":"opened"`) || !strings.Contains(lines[1], `"kind":"spread"`) || !strings.Contains(lines[2], `"kind":"cleared"`) {
		t.Errorf("%s", b)
	}
	opened := canary.Change{Kind: canary.Opened, Incident: incident("orders")}
	err = NewCommand(t.Context(), script("fail", "printf 'no \\033[31mpager'; exit 3\n")).Change(opened)
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "pager") || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("%v", err)
	}
	if err := NewCommand(t.Context(), filepath.Join(dir, "none")).Change(opened); err == nil {
		t.Error("no such program: expected an error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := NewCommand(ctx, script("hang", "sleep 60\n")).Change(opened); err == nil {
		t.Error("a canary that ended: expected an error")
	}
}
