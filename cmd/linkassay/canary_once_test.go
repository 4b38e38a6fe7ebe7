package main_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/linkassay/linkassay/provision/awsapi"
	"github.com/linkassay/linkassay/provision/awsapi/moto"
)

// lateResolver is a resolver that tells when it was asked, and answers when it is released: that it can't.
type lateResolver struct {
	net.PacketConn
	asked, release chan struct{}
}

func startLateResolver(t *testing.T) *lateResolver {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	r := &lateResolver{c, make(chan struct{}, 1), make(chan struct{})}
	go func() {
		query := make([]byte, 4096)
		for {
			n, from, err := c.ReadFrom(query)
			if err != nil {
				return
			}
			select {
			case r.asked <- struct{}{}:
			default:
			}
			if n < 12 {
				continue
			}
			answer := bytes.Clone(query[:n])
			answer[2] |= 0x80                 // an answer
			answer[3] = answer[3]&0xf0 | 0x02 // SERVFAIL
			go func() { <-r.release; _, _ = c.WriteTo(answer, from) }()
		}
	}()
	return r
}

// onceLink is a link file whose one link asks a resolver for at most so long.
func onceLink(t *testing.T, resolver string, wait time.Duration) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "link.yaml")
	text := fmt.Sprintf(`apiVersion: linkassay/v1
canary: {interval: 1s, controlInterval: 1m, alarm: {failures: 2, of: 3}, clear: 2}
links:
- name: a
  region: us-east-1
  provider: {access: none, account: "111111111111", serviceName: com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0}
  consumer: {access: none, account: "222222222222", endpointId: vpce-0123456789abcdef0}
  privateDNSName: api.example.com
  ports: [{port: 443}]
  vantages: [{name: here, from: local, resolver: %q}]
  publicDNS: {from: "socks5://127.0.0.1:1"}
  timeouts: {dns: %s}
`, resolver, wait)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Through the built binary: X of Y over invocations with the state in S3, alerts to a topic, and of two at once the one that
// ends last is refused.
func TestCanaryOnceWithItsStateInS3(t *testing.T) {
	address := moto.Start(t, "canary --once is tried with a state file only")
	env := append(os.Environ(), "AWS_ENDPOINT_URL="+address, "AWS_REGION=eu-west-1")
	for name, value := range moto.Credentials(t) {
		t.Setenv(name, value) // for this process too
		env = append(env, name+"="+value)
	}
	client, done, err := awsapi.OpenS3(t.Context(), awsapi.Access{Region: "eu-west-1"}, address)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{
		Bucket: aws.String("canaries"), CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: "eu-west-1"},
	}); err != nil {
		t.Fatal(err)
	}
	topics, err := awsapi.OpenSNS(t.Context(), awsapi.Access{Region: "eu-west-1"}, awsapi.WithStatic(address, "test", "test"))
	if err != nil {
		t.Fatal(err)
	}
	topic, err := topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("alerts")})
	if err != nil {
		t.Fatal(err)
	}
	start := func(ctx context.Context, file string) (*exec.Cmd, *bytes.Buffer) {
		cmd := exec.CommandContext(ctx, binary, "canary", "-f", file, "--once", "--state", "s3://canaries/eu/state.json?endpoint="+address, "--alert-sns", *topic.TopicArn)
		var said bytes.Buffer
		cmd.Env, cmd.Stdout, cmd.Stderr = env, &said, &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd, &said
	}
	ends := func(cmd *exec.Cmd, said *bytes.Buffer, code int, want string) {
		t.Helper()
		_ = cmd.Wait()
		if got := cmd.ProcessState.ExitCode(); got != code || !strings.Contains(said.String(), want) || strings.Contains(said.String(), "alert opened of") {
			t.Fatalf("exit code %d, expected %d and %q:\n%s", got, code, want, said)
		}
	}
	nobody := onceLink(t, "127.0.0.1:1", 100*time.Millisecond)
	late := startLateResolver(t)

	slow, slowSaid := start(t.Context(), onceLink(t, late.LocalAddr().String(), 50*time.Second))
	<-late.asked // it has read the state, which is not there yet
	cmd, said := start(t.Context(), nobody)
	ends(cmd, said, 0, `"outcome":"bad"`)
	close(late.release)
	ends(slow, slowSaid, 3, "s3://canaries/eu/state.json: another canary has this state")

	cmd, said = start(t.Context(), nobody)
	ends(cmd, said, 1, "open incidents: dns.resolver-answers/")
	cmd, said = start(t.Context(), nobody)
	ends(cmd, said, 1, "open incidents: dns.resolver-answers/")
	if strings.Contains(said.String(), `"kind":"opened"`) {
		t.Errorf("told again:\n%s", said)
	}
}
