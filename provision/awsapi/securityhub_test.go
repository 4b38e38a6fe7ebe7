package awsapi_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/linkassay/linkassay/provision/awsapi"
	"github.com/linkassay/linkassay/provision/awsapi/moto"
)

const findingsKey, findingsSecret = "AKIAIOSFODNN7EXAMPLE", "a secret"

// hub is a Security Hub that takes nothing that AWS would not take: the path, the signature over what came, the shape.
type hub struct {
	*httptest.Server
	mu      sync.Mutex
	batches []int
	reply   func(call int) (status int, code, body string) // status 0: take it
}

func newHub(t *testing.T, reply func(call int) (int, string, string)) *hub {
	t.Helper()
	h := &hub{reply: reply}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if r.Method != http.MethodPost || r.URL.Path != "/findings/import" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s with %s", r.Method, r.URL.Path, r.Header.Get("Content-Type"))
		}
		if got, want := r.Header.Get("Authorization"), signature(t, r, body); got != want {
			t.Errorf("signed with %q, want %q", got, want)
		}
		var in struct{ Findings []map[string]any }
		if err := json.Unmarshal(body, &in); err != nil || len(in.Findings) == 0 || len(in.Findings) > 100 {
			t.Errorf("%d findings: %v", len(in.Findings), err)
		}
		h.mu.Lock()
		h.batches = append(h.batches, len(in.Findings))
		n := len(h.batches)
		h.mu.Unlock()
		if status, code, answer := h.reply(n); status != 0 {
			w.Header().Set("X-Amzn-ErrorType", code)
			w.WriteHeader(status)
			io.WriteString(w, answer)
			return
		}
		fmt.Fprintf(w, `{"FailedCount":1,"SuccessCount":%d,"FailedFindings":[{"Id":"x\u001b[31m","ErrorCode":"InvalidInput","ErrorMessage":"no"}]}`, len(in.Findings)-1)
	}))
	t.Cleanup(h.Close)
	return h
}

// signature is what the request has to be signed with.
func signature(t *testing.T, r *http.Request, body []byte) string {
	t.Helper()
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil || time.Since(at).Abs() > 5*time.Minute {
		t.Errorf("signed at %v: %v", at, err)
	}
	again, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+r.Host+r.URL.Path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	again.Header.Set("Content-Type", r.Header.Get("Content-Type"))
	digest := sha256.Sum256(body)
	err = v4.NewSigner().SignHTTP(r.Context(), aws.Credentials{AccessKeyID: findingsKey, SecretAccessKey: findingsSecret}, again, hex.EncodeToString(digest[:]), "securityhub", "eu-west-1", at)
	if err != nil {
		t.Fatal(err)
	}
	return again.Header.Get("Authorization")
}

func (h *hub) clients(t *testing.T, url string) *awsapi.Clients {
	t.Helper()
	c, err := awsapi.Open(t.Context(), awsapi.Access{Region: "eu-west-1"}, awsapi.WithStatic(url, findingsKey, findingsSecret), awsapi.WithRetries(3))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func someFindings(n int) []json.RawMessage {
	var all []json.RawMessage
	for i := range n {
		all = append(all, json.RawMessage(fmt.Sprintf(`{"Id":"linkassay/%d","Resources":[{"Type":"Other","Id":"x"}]}`, i)))
	}
	return all
}

func TestImportFindings(t *testing.T) {
	t.Parallel()
	h := newHub(t, func(call int) (int, string, string) {
		if call == 2 { // is tried again
			return http.StatusTooManyRequests, "TooManyRequestsException:http://internal.amazon.com/coral/", `{"message":"slow down"}`
		}
		return 0, "", ""
	})
	c := h.clients(t, h.URL)
	out, err := c.ImportFindings(t.Context(), someFindings(250))
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(h.batches) != "[100 100 100 50]" || out.Imported != 247 || len(out.Failed) != 3 || c.Calls() != 4 || c.Throttled() != 1 {
		t.Errorf("batches %v, result %+v, %d calls, %d throttled", h.batches, out, c.Calls(), c.Throttled())
	}
	if f := out.Failed[0]; strings.Contains(f.ID, "\x1b") || f.Code != "InvalidInput" || f.Message != "no" {
		t.Errorf("%+v", f)
	}
	if out, err := c.ImportFindings(t.Context(), nil); err != nil || out.Imported != 0 || len(h.batches) != 4 {
		t.Errorf("nothing to import: %+v, %v", out, err)
	}
}

func TestImportFindingsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status       int
		header, body string
		class, code  string
		calls        int
	}{
		"denied":      {403, "AccessDeniedException", `{"Message":"not authorized"}`, awsapi.ClassDenied, "AccessDeniedException", 1},
		"off":         {401, "InvalidAccessException", `{"Message":"Account is not subscribed to AWS Security Hub","Code":"InvalidAccessException"}`, awsapi.ClassAPI, "InvalidAccessException", 1},
		"in the body": {400, "", `{"__type":"com.amazonaws.securityhub#InvalidInputException","message":"no"}`, awsapi.ClassAPI, "InvalidInputException", 1},
		"a proxy":     {502, "", "<html>", awsapi.ClassAPI, "UnknownError", 3},
		"a redirect":  {302, "", "", awsapi.ClassAPI, "UnknownError", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHub(t, func(int) (int, string, string) { return c.status, c.header, c.body })
			_, err := h.clients(t, h.URL).ImportFindings(t.Context(), someFindings(1))
			if class, code, _ := awsapi.Classify(err); class != c.class || code != c.code || len(h.batches) != c.calls {
				t.Errorf("%s %s after %d calls: %v", class, code, len(h.batches), err)
			}
		})
	}
	h := &hub{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	_, err = h.clients(t, "http://"+l.Addr().String()).ImportFindings(t.Context(), someFindings(1))
	if class, _, _ := awsapi.Classify(err); class != awsapi.ClassNetwork {
		t.Errorf("nobody listens: %s: %v", class, err)
	}
}

func TestImportFindingsIntoMoto(t *testing.T) {
	t.Parallel()
	url := moto.Start(t, "the import is tried with a fake of our own only")
	h := &hub{}
	c := h.clients(t, url)
	findings := append(someFindings(120), json.RawMessage(`{"Id":"without resources","Resources":[]}`))
	out, err := c.ImportFindings(t.Context(), findings)
	if err != nil || out.Imported != 120 || len(out.Failed) != 1 || out.Failed[0].ID != "without resources" {
		t.Errorf("%+v, %v", out, err)
	}
}
