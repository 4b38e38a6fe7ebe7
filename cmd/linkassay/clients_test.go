package main_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// runningLab is a `linkassay lab` in another process.
type runningLab struct {
	dir string
	env []string // that of a shell which sourced DIR/env, without this machine's AWS settings
}

// startLab starts the built binary's lab and waits until it is ready; it ends with the test.
func startLab(t *testing.T, args ...string) *runningLab {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command(binary, append([]string{"lab", "--dir", dir}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		buf := make([]byte, 4096)
		for {
			n, err := stdout.Read(buf)
			if n > 0 {
				lines <- string(buf[:n])
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		for range lines { // drained so that Wait may close the pipe
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the lab ended with %v; stderr:\n%s", err, stderr.String())
		}
	})
	var out strings.Builder
	deadline := time.After(time.Minute)
	for !strings.Contains(out.String(), "ready: ") {
		select {
		case s, ok := <-lines:
			if !ok {
				t.Fatalf("the lab ended before it was ready; stdout:\n%s\nstderr:\n%s", out.String(), stderr.String())
			}
			out.WriteString(s)
		case <-deadline:
			t.Fatalf("the lab is not ready after a minute; stdout:\n%s", out.String())
		}
	}
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "AWS_") {
			env = append(env, kv)
		}
	}
	env = append(
		env, "HOME="+dir, "AWS_CONFIG_FILE="+filepath.Join(dir, "aws.config"),
		"AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(dir, "aws.credentials"), "AWS_EC2_METADATA_DISABLED=true",
		"PATH=/usr/bin:/bin", // Debian's AWS CLI, whatever stands first on PATH
	)
	return &runningLab{dir: dir, env: env}
}

// run runs a command against the lab and returns its output and exit code.
func (l *runningLab) run(t *testing.T, name string, args ...string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 7*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = l.env
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatalf("run %s: %v", name, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// aws runs a script that has sourced the lab's env file.
func (l *runningLab) aws(t *testing.T, script string) string {
	t.Helper()
	out, code := l.run(t, "bash", "-euo", "pipefail", "-c", ". "+l.dir+"/env\n"+script)
	if code != 0 {
		t.Fatalf("exit code %d of\n%s\n%s", code, script, out)
	}
	return strings.TrimSpace(out)
}

// verify runs linkassay verify on the lab's own link file.
func (l *runningLab) verify(t *testing.T, args ...string) (string, int) {
	t.Helper()
	return l.run(t, binary, append([]string{"verify", "-f", filepath.Join(l.dir, "link.yaml")}, args...)...)
}

// socks is the address of the first consumer vantage.
func (l *runningLab) socks(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(l.dir, "link.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`socks5://(\S+)`).FindSubmatch(data)
	if m == nil {
		t.Fatalf("no SOCKS vantage in\n%s", data)
	}
	return string(m[1])
}

// need skips the test, with the reason, where a tool is missing.
func need(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := os.Stat(tool); err != nil {
			t.Skipf("%s is not installed: %v", tool, err)
		}
	}
}

func TestWalkThroughTypedWithTheAWSCLI(t *testing.T) {
	need(t, "/usr/bin/aws", "/usr/bin/curl")
	lab := startLab(t)
	// Begun before the parallel tests, which it takes longer than: a call of the CLI is slow to start.
	b := lab.start(t, "bash", "testdata/walkthrough.sh", lab.dir)
	t.Parallel()
	select {
	case <-b.ended:
	case <-time.After(7 * time.Minute):
		t.Fatalf("still running after 7 minutes\n%s\n%s", b.stdout.String(), b.stderr.String())
	}
	b.exits(t, 0)
	holds(t, "stdout", b.stdout.String(), "walk-through complete")
}

func TestResponsesAgainstBotocoreModels(t *testing.T) {
	t.Parallel()
	need(t, "/usr/bin/python3", "/usr/lib/python3/dist-packages/boto3")
	lab := startLab(t)
	url := lab.aws(t, `printf '%s\n' "$AWS_ENDPOINT_URL"`)
	lab.env = append(lab.env, "AWS_PROFILE=provider", "AWS_DEFAULT_REGION=ap-southeast-1")
	out, code := lab.run(t, "/usr/bin/python3", "testdata/check_response.py", url)
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	var checked int
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		if strings.HasPrefix(line, "botocore") {
			continue
		}
		checked++
		if strings.HasSuffix(line, ": clean") {
			continue
		}
		for _, f := range untolerated(line) {
			t.Error(f)
		}
	}
	if checked < 30 {
		t.Errorf("only %d operations were checked:\n%s", checked, out)
	}
}

func TestCurlThroughSOCKS(t *testing.T) {
	t.Parallel()
	need(t, "/usr/bin/curl")
	lab := startLab(t, "--provisioned")
	socks := lab.socks(t)
	for _, url := range []string{"http://api-svc.intra.chartsinvestor.com/", "https://api-svc.intra.chartsinvestor.com/"} {
		out, code := lab.run(t, "curl", "-sS", "--max-time", "10", "--socks5-hostname", socks, "--cacert", filepath.Join(lab.dir, "ca.pem"), url)
		if code != 0 || !strings.Contains(out, "linkassay target") {
			t.Errorf("curl %s: exit code %d\n%s", url, code, out)
		}
	}
	// Without the lab's CA the certificate is not trusted: 60 in curl.
	if out, code := lab.run(t, "curl", "-sS", "--max-time", "10", "--socks5-hostname", socks, "https://api-svc.intra.chartsinvestor.com/"); code != 60 {
		t.Errorf("curl without the CA: exit code %d, want 60\n%s", code, out)
	}
}

func TestRevokedRuleTimesOut(t *testing.T) {
	t.Parallel()
	need(t, "/usr/bin/curl")
	lab := startLab(t, "--provisioned")
	socks := lab.socks(t)
	curl := func(patience string) (string, int) {
		return lab.run(t, "curl", "-sS", "--connect-timeout", patience, "--max-time", patience, "--socks5-hostname", socks, "http://api-svc.intra.chartsinvestor.com/")
	}
	if out, code := curl("20"); code != 0 {
		t.Fatalf("curl on a healthy link: exit code %d\n%s", code, out)
	}
	consumer := lab.clients(t, "consumer")
	endpoints := must(t, consumer.EC2.DescribeVpcEndpoints, &ec2.DescribeVpcEndpointsInput{}).VpcEndpoints
	group := endpoints[0].Groups[0].GroupId
	rules := must(t, consumer.EC2.DescribeSecurityGroups, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{*group}}).SecurityGroups[0].IpPermissions
	must(t, consumer.EC2.RevokeSecurityGroupIngress, &ec2.RevokeSecurityGroupIngressInput{GroupId: group, IpPermissions: rules})
	// 28 is curl's own timeout; 97 is the proxy's answer, whose code stands in the message: 5 is a refusal.
	out, code := curl("3")
	proxied := regexp.MustCompile(`SOCKS5 connection to .*\((\d+)\)`).FindStringSubmatch(out)
	if code != 28 && (code != 97 || proxied == nil || proxied[1] == "5") {
		t.Errorf("curl after the rule was revoked: exit code %d, want a timeout, not a refusal\n%s", code, out)
	}
	out, code = lab.verify(t)
	if code != 1 || !regexp.MustCompile(`CAUSE +connection\.endpoint-security-group\b`).MatchString(out) {
		t.Errorf("verify: exit code %d, want 1 and connection.endpoint-security-group as the cause\n%s", code, out)
	}
}

// A refusal through SOCKS looks unlike a timeout: the test above could tell.
func TestRefusalThroughSOCKS(t *testing.T) {
	t.Parallel()
	need(t, "/usr/bin/curl")
	lab := startLab(t, "--provisioned", "--fault", "listener-missing")
	out, code := lab.run(t, "curl", "-sS", "--connect-timeout", "20", "--socks5-hostname", lab.socks(t), "https://api-svc.intra.chartsinvestor.com/")
	if code != 97 || !strings.Contains(out, "(5)") {
		t.Errorf("curl to a port without listener: exit code %d, want 97 and the proxy's code 5\n%s", code, out)
	}
}

// A change made by hand, which verify must name.
func TestVerifyNamesWhatWasBrokenByHand(t *testing.T) {
	t.Parallel()
	lab := startLab(t, "--provisioned")
	if out, code := lab.verify(t); code != 0 {
		t.Fatalf("verify on a healthy link: exit code %d\n%s", code, out)
	}
	provider := lab.clients(t, "provider")
	endpoints := must(t, lab.clients(t, "consumer").EC2.DescribeVpcEndpoints, &ec2.DescribeVpcEndpointsInput{}).VpcEndpoints
	services := must(t, provider.EC2.DescribeVpcEndpointServiceConfigurations, &ec2.DescribeVpcEndpointServiceConfigurationsInput{}).ServiceConfigurations
	must(t, provider.EC2.RejectVpcEndpointConnections, &ec2.RejectVpcEndpointConnectionsInput{
		ServiceId: services[0].ServiceId, VpcEndpointIds: []string{*endpoints[0].VpcEndpointId},
	})
	if out, code := lab.verify(t); code != 1 || !strings.Contains(out, "connection.accepted") {
		t.Errorf("exit code %d, want 1 and connection.accepted\n%s", code, out)
	}
}

func TestTwoLabsDoNotMeet(t *testing.T) {
	t.Parallel()
	need(t, "/usr/bin/aws")
	one, two := startLab(t, "--provisioned"), startLab(t)
	query := `aws --profile consumer --output text ec2 describe-vpc-endpoints --query 'length(VpcEndpoints)'`
	if got := one.aws(t, query) + " " + two.aws(t, query); got != "1 0" {
		t.Errorf("endpoints in the two labs: %s, want 1 0", got)
	}
	// One lab's keys are strangers in the other.
	out, code := two.run(t, "bash", "-c", fmt.Sprintf(". %s/env; AWS_SHARED_CREDENTIALS_FILE=%s/aws.credentials; aws --profile consumer sts get-caller-identity", two.dir, one.dir))
	if code == 0 {
		t.Errorf("the second lab took the first one's keys: %s", out)
	}
}
