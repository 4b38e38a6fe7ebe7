package timestamp_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/linkassay/linkassay/reports/evidence/internal/timestamp"
)

// Answers that are good time stamps, of something else than was asked for.
func TestAnswerToAnother(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, options{})
	for name, c := range map[string]struct {
		query []string
		want  string
	}{
		"other content":  {[]string{"-digest", strings.Repeat("ab", 32), "-sha256"}, "other content"},
		"other nonce":    {[]string{"-data", "data", "-sha256"}, "another nonce"},
		"no nonce":       {[]string{"-data", "data", "-sha256", "-no_nonce"}, "another nonce"},
		"other digest":   {[]string{"-data", "data", "-sha512"}, "expected SHA-256"},
		"unknown policy": {[]string{"-data", "data", "-sha256", "-tspolicy", "1.2.3.9"}, "refused: rejection"},
		"weak digest":    {[]string{"-data", "data", "-sha1"}, "it does not know the algorithm"},
	} {
		query := a.query(t, c.query...)
		client := a.serve(t, func([]byte) []byte { return query })
		if token, _, err := client.Stamp(t.Context(), message); err == nil || token != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, options{})
	client := a.serve(t, nil)
	client.Policy = "1.2.3.4.5"
	if _, stamp := stamped(t, client); stamp.Policy != "1.2.3.4.5" {
		t.Errorf("stamped under %s", stamp.Policy)
	}
	client.Policy = "1.2.3.9"
	if _, _, err := client.Stamp(t.Context(), message); err == nil || !strings.Contains(err.Error(), "policy") {
		t.Errorf("a policy that the authority does not have: got %v", err)
	}
	for _, policy := range []string{"x", "1", "1.2.", "9.9.9", "-1.2"} {
		client.Policy = policy
		if _, _, err := client.Stamp(t.Context(), message); err == nil || !strings.Contains(err.Error(), "object identifier") {
			t.Errorf("the policy %q: got %v", policy, err)
		}
	}
	// An authority that ignores the policy asked for.
	query := a.requests[0]
	ignoring := a.serve(t, func(q []byte) []byte {
		return bytes.Replace(q, []byte{6, 4, 0x2a, 3, 4, 5}, []byte{6, 4, 0x2a, 3, 4, 1}, 1)
	})
	if !bytes.Contains(query, []byte{6, 4, 0x2a, 3, 4, 5}) {
		t.Fatal("the request has no policy")
	}
	ignoring.Policy = "1.2.3.4.5"
	if _, _, err := ignoring.Stamp(t.Context(), message); err == nil || !strings.Contains(err.Error(), "stamped under the policy 1.2.3.4.1") {
		t.Errorf("another policy: got %v", err)
	}
}

// The request is what openssl reads as one: version 1, SHA-256 of the message alone, a nonce, with
// certificates.
func TestRequest(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, options{})
	client := a.serve(t, nil)
	stamped(t, client)
	stamped(t, client)
	first, second := a.requests[0], a.requests[1]
	if bytes.Equal(first, second) {
		t.Error("two requests have the same nonce")
	}
	a.write(t, "query", first)
	text, err := a.run(t.Context(), "ts", "-query", "-in", "query", "-text")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Version: 1", "Hash Algorithm: sha256", "Certificate required: yes", "Policy OID: unspecified", "Nonce: 0x"} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("openssl reads no %q in\n%s", want, text)
		}
	}
}

func refusalAnswer(t *testing.T, status int64, text string) []byte {
	t.Helper()
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1Int64(status)
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(text)) })
			})
		})
	})
	der, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// Peers that are no time stamping authority, or a bad one.
func TestHostilePeer(t *testing.T) {
	t.Parallel()
	reply := func(body []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/timestamp-reply")
			w.Write(body)
		}
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"endless": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/timestamp-reply")
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		}, "more than 65536 bytes"},
		"HTML": {func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>")) }, "content type"},
		"no content type": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			w.Write([]byte{0x30, 0})
		}, "content type"},
		"error page": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }, "status 503"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusTemporaryRedirect)
		}, "status 307"},
		"nothing":         {reply(nil), "not a time stamp response"},
		"hello":           {reply([]byte("hello")), "not a time stamp response"},
		"granted nothing": {reply([]byte{0x30, 5, 0x30, 3, 2, 1, 0}), "has none"},
		"rejection":       {reply(refusalAnswer(t, 2, "not \x1b[2J today")), `refused: rejection: "not \x1b[2J today"`},
		"odd status":      {reply(refusalAnswer(t, 99, "x")), "refused: status 99"},
		"not a token":     {reply([]byte{0x30, 7, 0x30, 3, 2, 1, 0, 0x30, 0}), "cut off"},
	} {
		s := httptest.NewServer(c.answer)
		client := &timestamp.Client{URL: s.URL, Roots: x509.NewCertPool()}
		_, _, err := client.Stamp(t.Context(), message)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
		s.Close()
	}
}

// hang waits until the client is gone, which a server sees only once it has read the request.
func hang(r *http.Request) {
	io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

func TestSlowPeer(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"no answer": func(_ http.ResponseWriter, r *http.Request) { hang(r) },
		"half an answer": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/timestamp-reply")
			w.Write([]byte{0x30})
			w.(http.Flusher).Flush()
			hang(r)
		},
	} {
		s := httptest.NewServer(handler)
		client := &timestamp.Client{URL: s.URL, Roots: x509.NewCertPool(), Timeout: 200 * time.Millisecond}
		if _, _, err := client.Stamp(t.Context(), message); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v", name, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := client.Stamp(ctx, message); !errors.Is(err, context.Canceled) {
			t.Errorf("%s, cancelled: got %v", name, err)
		}
		s.Close()
	}
}

func TestURL(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"":                               "can't be read",
		"tsa.example.com":                "can't be read",
		"http://tsa.example.com/":        "expected https",
		"ftp://127.0.0.1/":               "expected https",
		"http://127.0.0.1.example.com/":  "expected https",
		"https://u:canary@example.com/":  "has a user",
		"https://example.com/%zzcanary":  "can't be read",
		"http://127.0.0.1:1/?key=canary": "http://127.0.0.1:1: ",
		"http://[::1]:1/?key=canary":     "http://[::1]:1: ",
	} {
		client := &timestamp.Client{URL: url, Roots: x509.NewCertPool()}
		_, _, err := client.Stamp(t.Context(), message)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: got %v, want %q", url, err, want)
		}
	}
}
