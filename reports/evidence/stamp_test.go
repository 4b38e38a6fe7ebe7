package evidence

import (
	"crypto/x509"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"
)

// authority serves openssl ts -reply on loopback, and returns its URL and the PEM file with its root.
func authority(t *testing.T) (url, ca string) {
	t.Helper()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed: there is no time stamping authority to test with")
	}
	dir := t.TempDir()
	run := func(args ...string) ([]byte, error) {
		cmd := exec.Command(openssl, args...)
		cmd.Dir = dir
		return cmd.Output()
	}
	for name, text := range map[string]string{
		"serial":   "01\n",
		"tsa.cnf":  "[tsa]\nserial = serial\ndefault_policy = 1.2.3.4.1\ndigests = sha256\nsigner_digest = sha256\ness_cert_id_alg = sha256\n",
		"leaf.ext": "keyUsage=critical,digitalSignature\nextendedKeyUsage=critical,timeStamping\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, command := range []string{
		"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=root -addext keyUsage=critical,keyCertSign",
		"req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout leaf.key -out leaf.csr -subj /CN=stamps",
		"x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 1 -extfile leaf.ext -out leaf.pem",
	} {
		if out, err := run(strings.Fields(command)...); err != nil {
			t.Fatalf("openssl %s: %v: %s", command, err, out)
		}
	}
	var mu sync.Mutex // openssl counts serial numbers in a file
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		query, err := io.ReadAll(r.Body)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "query"), query, 0o600)
		}
		var answer []byte
		if err == nil {
			answer, err = run(strings.Fields("ts -reply -config tsa.cnf -section tsa -queryfile query -inkey leaf.key -signer leaf.pem")...)
		}
		if err != nil {
			t.Error(err)
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/timestamp-reply")
		_, _ = w.Write(answer)
	}))
	t.Cleanup(s.Close)
	return s.URL, filepath.Join(dir, "ca.pem")
}

func TestTimestamp(t *testing.T) {
	t.Parallel()
	url, ca := authority(t)
	root, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(root)
	seal, options := signed(t)
	seal.Timestamp, seal.TimestampRoots, options.TimestampRoots = url, pool, pool
	// A key that has ended since was good when the signature was stamped.
	options.AllowedSigners = []byte(strings.Replace(string(options.AllowedSigners), "namespaces=",
		`valid-before="`+time.Now().Add(time.Hour).UTC().Format("200601021504Z")+`",namespaces=`, 1))
	options.Now = func() time.Time { return time.Now().Add(24 * time.Hour) }
	dir := bundleOf(t, runOf(t, "identity", "provider-only"), seal)
	r := verified(t, dir, options)
	if r.Timestamp == nil || time.Since(r.Timestamp.Time) > time.Hour || r.Timestamp.Authority != "CN=stamps" {
		t.Errorf("%+v", r.Timestamp)
	}
	for path, data := range map[string][]byte{"allowed_signers": []byte(`ops@example.com ` + strings.SplitN(string(options.AllowedSigners), " ", 3)[2]), "tsa-ca.pem": root} {
		if err := os.WriteFile(filepath.Join(dir, "..", path), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if said := shell(t, dir, "ssh-keygen", "sha256sum", "openssl"); !strings.Contains(said, "Verification: OK") || !strings.Contains(said, `Good "linkassay-evidence"`) {
		t.Error(said)
	}
	// Every byte of the stamp counts, and so does whose it is.
	files := load(t, dir)
	token := files[StampFile].Data
	for i := range token {
		other := maps.Clone(files)
		changed := append([]byte(nil), token...)
		changed[i] ^= 1
		other[StampFile] = &fstest.MapFile{Data: changed, Mode: 0o644}
		if r, err := Verify(other, options); err != nil || r.Verified {
			t.Errorf("byte %d of the stamp: %+v, %v", i, r, err)
		}
	}
	stranger := options
	stranger.TimestampRoots = x509.NewCertPool()
	refused(t, files, stranger, StampFile)
	delete(files, StampFile)
	refused(t, files, options, "was valid before")
	// Without a signature the digests are stamped.
	dir = bundleOf(t, runOf(t, "identity", "provider-only"), SealOptions{Timestamp: url, TimestampRoots: pool})
	if r := verified(t, dir, Options{TimestampRoots: pool}); r.Timestamp == nil || r.Signature.Status != Unsigned {
		t.Errorf("%+v", r)
	}
	if err := os.WriteFile(filepath.Join(dir, "..", "tsa-ca.pem"), root, 0o600); err != nil {
		t.Fatal(err)
	}
	if said := shell(t, dir, "sha256sum", "openssl"); !strings.Contains(said, "Verification: OK") {
		t.Error(said)
	}
	// Where the authority does not answer, the bundle stays marked as incomplete.
	at := filepath.Join(t.TempDir(), "evidence")
	b, err := Create(at)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Seal(t.Context(), runOf(t, "identity", "provider-only"), SealOptions{Timestamp: "http://127.0.0.1:1/"}); err == nil || whole(t, at, Options{}) {
		t.Errorf("sealed without its stamp: %v", err)
	}
}
