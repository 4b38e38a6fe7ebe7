// Package moto starts moto_server, which speaks the protocols of many AWS services, for the tests of what the lab does not
// have: KMS, S3, SNS, Security Hub. It is for tests alone.
package moto

import (
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// startTime bounds the start, which imports much Python on a machine that others use too.
const startTime = time.Minute

// Start starts a moto_server that ends with the test, and returns its URL. Where there is none the test is skipped; without
// says what is not tried then.
func Start(t testing.TB, without string) string {
	t.Helper()
	path, err := exec.LookPath("moto_server")
	if err != nil {
		t.Skip("moto_server is not installed: " + without)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().(*net.TCPAddr)
	_ = l.Close()
	c := exec.Command(path, "-H", "127.0.0.1", "-p", strconv.Itoa(address.Port))
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	for end := time.Now().Add(startTime); ; {
		conn, err := net.Dial("tcp", address.String())
		if err == nil {
			_ = conn.Close()
			return "http://" + address.String()
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Credentials are environment variables by which a process asks moto, and nothing of this machine's AWS.
func Credentials(t testing.TB) map[string]string {
	t.Helper()
	none := filepath.Join(t.TempDir(), "none")
	return map[string]string{
		"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none,
	}
}
