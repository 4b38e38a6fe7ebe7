package main_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// bare is no lab: an environment without AWS credentials, for commands that need none.
func bare(t *testing.T) *runningLab {
	t.Helper()
	return &runningLab{dir: t.TempDir(), env: []string{"HOME=" + t.TempDir(), "PATH=/usr/bin:/bin", "AWS_EC2_METADATA_DISABLED=true"}}
}

func TestDemoInterrupted(t *testing.T) {
	t.Parallel()
	for _, step := range []string{`provider  .*load balancer`, `verifying from`} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			shell, out := bare(t), filepath.Join(t.TempDir(), "out")
			b := shell.start(t, binary, "demo", "-v", "--out", out)
			b.until(t, step)
			b.signal(t, syscall.SIGINT, 130)
			holds(t, "stderr", b.stderr.String(), "link destroyed, lab is down")
			if strings.Contains(b.stderr.String(), "again to go on") {
				t.Errorf("nothing stays that could be gone on with:\n%s", b.stderr.String())
			}
			if r := readRun(t, out); r.ExitCode != 130 || len(r.ExitReasons) == 0 {
				t.Errorf("run.json: exit code %d, %q", r.ExitCode, r.ExitReasons)
			}
			junit, err := os.ReadFile(filepath.Join(out, "junit.xml"))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(junit), "interrupted") && !strings.Contains(string(junit), "canceled") {
				t.Errorf("junit.xml does not say that the run was interrupted:\n%s", junit)
			}
		})
	}
}

func TestDemoIntoHead(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"demo", "demo --format json", "demo --fault not-allowed", "schema", "list checks", "init"} {
		out, code := bare(t).run(t, "bash", "-c", `set +o pipefail; "$0" `+command+` | head -1`, binary)
		lines := strings.Split(strings.TrimRight(out, "\n"), "\n")
		want := 1
		if strings.Contains(command, "--fault") {
			want = 2 // stderr names what failed
		}
		if code != 0 || len(lines) != want {
			t.Errorf("%s | head -1: exit code %d, %d lines, want %d:\n%s", command, code, len(lines), want, out)
		}
	}
}

// TestSecondProcessSeesWhatDemoSees compares the verdicts of demo, which is inside the lab, with
// those of verify, which comes over the lab's port and SOCKS.
func TestSecondProcessSeesWhatDemoSees(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"private-dns-not-enabled", "listener-missing"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			inside, outside := filepath.Join(dir, "inside"), filepath.Join(dir, "outside")
			b := bare(t).start(t, binary, "demo", "--fault", fault, "--out", inside)
			lab := startLab(t, "--provisioned", "--fault", fault)
			lab.wants(t, 1, "verify", "-f", filepath.Join(lab.dir, "link.yaml"), "--out", outside)
			<-b.ended
			b.exits(t, 1)
			sameRun(t, outside, inside)
		})
	}
	// The same from the beginning: a bare lab, in which the second process builds the link itself.
	t.Run("built by the second process", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		lab := startLab(t)
		link := filepath.Join(lab.dir, "link.yaml")
		lab.wants(t, 0, "apply", "-f", link)
		lab.wants(t, 0, "verify", "-f", link, "--out", filepath.Join(dir, "applied"))
		bare(t).wants(t, 0, "demo", "--out", filepath.Join(dir, "healthy"))
		sameRun(t, filepath.Join(dir, "applied"), filepath.Join(dir, "healthy"))

		endpoints := must(t, lab.clients(t, "consumer").EC2.DescribeVpcEndpoints, &ec2.DescribeVpcEndpointsInput{}).VpcEndpoints
		provider := lab.clients(t, "provider")
		services := must(t, provider.EC2.DescribeVpcEndpointServiceConfigurations, &ec2.DescribeVpcEndpointServiceConfigurationsInput{}).ServiceConfigurations
		must(t, provider.EC2.RejectVpcEndpointConnections, &ec2.RejectVpcEndpointConnectionsInput{
			ServiceId: services[0].ServiceId, VpcEndpointIds: []string{*endpoints[0].VpcEndpointId},
		})
		lab.wants(t, 1, "verify", "-f", link, "--out", filepath.Join(dir, "broken"))
		bare(t).wants(t, 1, "demo", "--fault", "rejected", "--out", filepath.Join(dir, "rejected"))
		sameRun(t, filepath.Join(dir, "broken"), filepath.Join(dir, "rejected"))
		lab.wants(t, 0, "destroy", "-f", link)
	})
}

// sameRun wants the same statuses, blockers and reasons to end in two reports.
func sameRun(t *testing.T, verify, demo string) {
	t.Helper()
	got, want := readRun(t, verify), readRun(t, demo)
	if got.verdicts() == "" || got.verdicts() != want.verdicts() {
		t.Errorf("verify:\n%s\ndemo:\n%s", got.verdicts(), want.verdicts())
	}
	if g, w := strings.Join(got.ExitReasons, "\n"), strings.Join(want.ExitReasons, "\n"); g != w {
		t.Errorf("verify ended for %q, demo for %q", g, w)
	}
}

func TestLabThatCannotStart(t *testing.T) {
	t.Parallel()
	shell := bare(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, stderr := shell.wants(t, 2, "lab", "--dir", filepath.Join(shell.dir, "d"), "--listen", ln.Addr().String())
	holds(t, "stderr", stderr, ln.Addr().String(), "address already in use")
	if _, err := os.Stat(filepath.Join(shell.dir, "d")); err == nil {
		t.Error("the directory of a lab that did not start was made")
	}
	file := filepath.Join(shell.dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, stderr := shell.wants(t, 2, "lab", "--dir", filepath.Join(file, "d"))
	holds(t, "stderr", stderr, file, "not a directory")
	if stdout != "" {
		t.Errorf("a lab that could not write said %q", stdout)
	}
	// A reader who has seen enough does not end the lab.
	out, code := shell.run(t, "bash", "-c", `exec 3> >(head -1 >/dev/null); "$0" lab --dir "$1" >&3 & lab=$!
until [ -e "$1/link.yaml" ]; do kill -0 $lab || exit 1; done; exec 3>&-; kill -0 $lab && kill -TERM $lab && wait $lab`, binary, filepath.Join(shell.dir, "head"))
	if code != 0 {
		t.Errorf("lab | head: exit code %d\n%s", code, out)
	}
}
