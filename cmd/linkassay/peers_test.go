package main_test

import (
	"encoding/xml"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// junitCounts are those of a whole junit.xml.
func junitCounts(t *testing.T, dir string) (c struct {
	Tests    int `xml:"tests,attr"`
	Failures int `xml:"failures,attr"`
	Errors   int `xml:"errors,attr"`
},
) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "junit.xml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestNegativeTestThatConnects: a vantage that must not get through, and does, fails the run in every report.
func TestNegativeTestThatConnects(t *testing.T) {
	t.Parallel()
	lab := startLab(t, "--provisioned")
	text, err := os.ReadFile(filepath.Join(lab.dir, "link.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	first := regexp.MustCompile(`      - name: (consumer-\S+)\n        from: (socks5://\S+)\n`).FindString(string(text))
	if first == "" {
		t.Fatalf("no vantage in\n%s", text)
	}
	closed := strings.Replace(first, "name: consumer-", "name: closed-", 1) + "        expect: timeout\n"
	link := lab.linkFile(t, first, closed+first)
	for _, format := range []string{"table", "markdown", "json"} {
		dir := filepath.Join(t.TempDir(), "out")
		stdout, stderr := lab.wants(t, 1, "verify", "-f", link, "--format", format, "--out", dir)
		holds(t, "stdout", stdout, "reachability.closed-vantages")
		holds(t, "stderr", stderr, "failed: charts-api reachability.closed-vantages")
		if c := junitCounts(t, dir); c.Failures == 0 {
			t.Errorf("junit.xml has %d failures", c.Failures)
		}
		if code := readRun(t, dir).ExitCode; code != 1 {
			t.Errorf("run.json has exit code %d", code)
		}
	}
}

// TestSetupFailureIsInJUnit: a run that could not begin is not an empty, green suite.
func TestSetupFailureIsInJUnit(t *testing.T) {
	t.Parallel()
	lab := startLab(t, "--provisioned")
	dir := filepath.Join(t.TempDir(), "out")
	lab.wants(t, 3, "verify", "-f", lab.linkFile(t, "profile: provider\n", "profile: nobody\n"), "--out", dir)
	if c := junitCounts(t, dir); c.Tests == 0 || c.Errors+c.Failures == 0 {
		t.Errorf("junit.xml: %+v", c)
	}
}

// TestTimeoutStops: an AWS that takes connections and never answers is given up, with a report.
func TestTimeoutStops(t *testing.T) {
	t.Parallel()
	lab := startLab(t, "--provisioned")
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() }) // the kernel takes the connections, and nobody reads them
	dir := filepath.Join(t.TempDir(), "out")
	config, err := os.ReadFile(filepath.Join(lab.dir, "aws.config"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "aws.config")
	deaf := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).ReplaceAllString(string(config), "http://"+silent.Addr().String())
	if err := os.WriteFile(path, []byte(deaf), 0o600); err != nil {
		t.Fatal(err)
	}
	other := *lab
	other.env = append(append([]string{}, lab.env...), "AWS_CONFIG_FILE="+path, "AWS_ENDPOINT_URL=http://"+silent.Addr().String())
	began := time.Now()
	b := other.start(t, binary, "verify", "-f", lab.linkFile(t, "    publicDNS:\n", "    timeouts: {api: 1s, dns: 5s, connect: 30s, tls: 30s, http: 30s}\n    publicDNS:\n"), "--wait", "3s", "--out", dir)
	select {
	case <-b.ended:
	case <-time.After(2 * time.Minute):
		t.Fatal("it still runs after two minutes")
	}
	b.exits(t, 3)
	if c := junitCounts(t, dir); c.Errors == 0 {
		t.Errorf("after %s junit.xml has no error: %+v", time.Since(began), c)
	}
}
