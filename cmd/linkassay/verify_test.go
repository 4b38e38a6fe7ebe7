package main_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/linkassay/linkassay/reports/evidence"
)

// role is a role of one of the lab's accounts, as a link file's lines, with its external id.
func role(account, externalID string) string {
	return "role:\n        arn: arn:aws:iam::" + account + ":role/linkassay\n        externalId: " + externalID
}

// fast bounds what cannot be answered; nothing that is answered takes that long.
const fast = "    timeouts: {api: 4s, dns: 1s, connect: 1s}\n"

// TestVerifyFromAnotherProcess looks at one healthy link in many ways. None of them changes it.
func TestVerifyFromAnotherProcess(t *testing.T) {
	t.Parallel()
	lab := startLab(t, "--provisioned")
	link := filepath.Join(lab.dir, "link.yaml")
	out := filepath.Join(t.TempDir(), "healthy")
	lab.wants(t, 0, "verify", "-f", link, "--out", out)
	healthy := readRun(t, out)
	if healthy.ExitCode != 0 || len(healthy.ExitReasons) > 0 || strings.Contains(healthy.verdicts(), "failed") {
		t.Fatalf("a healthy link: exit code %d %q\n%s", healthy.ExitCode, healthy.ExitReasons, healthy.verdicts())
	}
	ids := healthy.Links[0].Observation.Link
	const (
		providerAccess = "profile: provider\n      build:\n        cidr: 10.0.0.0/16\n"
		consumerAccess = "profile: consumer\n      build:\n        cidr: 10.0.0.0/16\n"
	)
	noVantages := []string{"    publicDNS:\n", "    timeouts: {api: 4s}\n    publicDNS:\n"}
	text, err := os.ReadFile(link)
	if err != nil {
		t.Fatal(err)
	}
	vantages := regexp.MustCompile(`(?s)    vantages:\n.*?    publicDNS:\n`).FindString(string(text))

	for _, c := range []struct {
		name   string
		change []string
		want   []string
	}{
		{
			"consumer-only",
			[]string{providerAccess, "access: none\n      serviceName: " + ids.Provider.ServiceName + "\n"},
			[]string{"no access to the provider side"},
		},
		{
			"provider-only",
			[]string{consumerAccess, "access: none\n      endpointId: " + ids.Consumer.EndpointID + "\n"},
			[]string{"no access to the consumer side"},
		},
		{
			"control-plane-only",
			append([]string{vantages, "    publicDNS:\n"}, noVantages...),
			[]string{"no vantage"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "out")
			stdout, _ := lab.wants(t, 0, "verify", "-f", lab.linkFile(t, c.change...), "--out", dir)
			md, err := os.ReadFile(filepath.Join(dir, "report.md"))
			if err != nil {
				t.Fatal(err)
			}
			holds(t, "the table", stdout, append(c.want, "NOT VERIFIED")...)
			holds(t, "report.md", string(md), c.want...)
			if !strings.Contains(strings.ToLower(string(md)), "not verified") {
				t.Errorf("report.md does not say what was not verified:\n%s", md)
			}
			if got := readRun(t, dir).verdicts(); !strings.Contains(got, "skipped") || strings.Contains(got, "failed") {
				t.Errorf("verdicts:\n%s", got)
			}
		})
	}

	t.Run("role with external id", func(t *testing.T) {
		t.Parallel()
		const externalID = "linkassay-lab"
		path := lab.linkFile(t, "profile: provider\n", "profile: provider\n      "+role("111111111111", externalID)+"\n",
			"profile: consumer\n", "profile: consumer\n      "+role("222222222222", externalID)+"\n")
		dir := filepath.Join(t.TempDir(), "out")
		stdout, stderr := lab.wants(t, 0, "verify", "-v", "-f", path, "--out", dir)
		asked, _ := lab.wants(t, 0, "verify", "-f", path, "--dry-run")
		printed, _ := lab.wants(t, 0, "verify", "-f", path, "--format", "json")
		all := stdout + stderr + asked + printed
		for _, name := range []string{"run.json", "junit.xml", "report.md", "report.html"} {
			data, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			all += string(data)
		}
		if strings.Contains(all, externalID) {
			t.Errorf("the external id is written somewhere")
		}
		holds(t, "the dry run", asked, "role arn:aws:iam::111111111111:role/linkassay")
	})

	t.Run("wrong external id", func(t *testing.T) {
		t.Parallel()
		const wrong = "not-this-one"
		path := lab.linkFile(t, "profile: provider\n", "profile: provider\n      "+role("111111111111", wrong)+"\n")
		dir := filepath.Join(t.TempDir(), "out")
		stdout, stderr := lab.wants(t, 3, "verify", "-v", "-f", path, "--out", dir)
		holds(t, "stderr", stderr, "identity.provider-credentials")
		holds(t, "stdout", stdout, "CAUSE  identity.provider-credentials", "111111111111")
		reasons := ""
		for _, v := range readRun(t, dir).Links[0].Verdicts {
			reasons += v.Reason + "\n"
		}
		holds(t, "run.json", reasons, "AssumeRole")
		if strings.Contains(stdout+stderr, wrong) {
			t.Errorf("the external id is printed:\n%s\n%s", stdout, stderr)
		}
		for _, command := range []string{"apply", "destroy"} {
			stdout, stderr := lab.wants(t, 3, command, "-f", path)
			holds(t, command, stderr, "AssumeRole")
			if strings.Contains(stdout+stderr, wrong) {
				t.Errorf("%s prints the external id:\n%s", command, stderr)
			}
		}
	})

	t.Run("wrong credentials", func(t *testing.T) {
		t.Parallel()
		data, err := os.ReadFile(filepath.Join(lab.dir, "aws.credentials"))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "credentials")
		wrong := regexp.MustCompile(`(aws_secret_access_key = )\S+`).ReplaceAll(data, []byte("${1}wrong"))
		if err := os.WriteFile(path, wrong, 0o600); err != nil {
			t.Fatal(err)
		}
		stranger := &runningLab{dir: lab.dir, env: append(append([]string(nil), lab.env...), "AWS_SHARED_CREDENTIALS_FILE="+path)}
		dir := filepath.Join(t.TempDir(), "out")
		stdout, _ := stranger.wants(t, 3, "verify", "-f", link, "--out", dir)
		holds(t, "stdout", stdout, "credentials")
		r := readRun(t, dir)
		if r.ExitCode != 3 {
			t.Errorf("exit code %d\n%s", r.ExitCode, r.verdicts())
		}
		for _, v := range r.Links[0].Verdicts {
			if v.Status == "failed" && !strings.HasPrefix(v.Check, "identity.") {
				t.Errorf("%s failed, though nobody could be asked: %s", v.Check, v.Reason)
			}
		}
		_, stderr := stranger.wants(t, 3, "apply", "-f", link)
		holds(t, "apply", stderr, "SignatureDoesNotMatch")
		// No such profile at all.
		_, stderr = lab.wants(t, 3, "apply", "-f", lab.linkFile(t, "profile: provider\n", "profile: nobody\n"))
		holds(t, "apply", stderr, "nobody")
		lab.wants(t, 3, "verify", "-f", lab.linkFile(t, "profile: provider\n", "profile: nobody\n"))
	})

	t.Run("vantage out of reach", func(t *testing.T) {
		t.Parallel()
		path := lab.linkFile(t, lab.socks(t), "127.0.0.1:1", "    vantages:\n", fast+"    vantages:\n")
		stdout, stderr := lab.wants(t, 3, "verify", "-f", path)
		holds(t, "stderr", stderr, "could not tell")
		holds(t, "stdout", stdout, "(socks5://127.0.0.1:1): connection refused", "ssh -D?")
		if above, _, _ := strings.Cut(stdout, "\nSTATUS "); strings.Count(above, "\nUNTOLD ") != 1 {
			t.Errorf("a vantage is told of in more than one block:\n%s", above)
		}
	})

	t.Run("nothing selected", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(t.TempDir(), "out")
		stdout, stderr := lab.wants(t, 2, "verify", "-v", "-f", link, "--label-filter", "nonsense", "--out", dir)
		holds(t, "stderr", stderr, "nothing selected", "linkassay list checks")
		if stdout != "" || strings.Contains(stderr, "observing") {
			t.Errorf("the link was observed first:\n%s\n%s", stdout, stderr)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Error("the reports directory was made")
		}
		// One of two links is enough.
		two := lab.linkFile(t, "links:\n", "links:\n"+anotherLink("other", ""))
		lab.wants(t, 0, "verify", "-f", two, "--link", "charts-api", "--label-filter", "link:charts-api && dns")
	})

	t.Run("interrupted with all codes", func(t *testing.T) {
		t.Parallel()
		proxy, accepted := silentProxy(t)
		path := lab.linkFile(t, lab.socks(t), proxy, "links:\n", "links:\n"+anotherLink("absent", "")+
			anotherLink("stranger", role("111111111111", "wrong")), "    vantages:\n", "    timeouts: {dns: 1m, connect: 1m}\n    vantages:\n")
		dir := filepath.Join(t.TempDir(), "out")
		b := lab.start(t, binary, "verify", "-f", path, "--out", dir, "-v")
		// Interrupted when nothing moves any more: every probe hangs in the proxy, and all else is done.
		for wait, quiet := 30*time.Second, false; !quiet; wait = time.Second {
			select {
			case <-accepted:
			case <-time.After(wait):
				if quiet = wait == time.Second; !quiet {
					t.Fatalf("no probe reached the proxy; stderr:\n%s", b.stderr.String())
				}
			}
		}
		// The other two links are done when their API calls are; the third hangs until then and longer.
		b.until(t, `observed absent[\s\S]*observed stranger|observed stranger[\s\S]*observed absent`)
		b.signal(t, syscall.SIGINT, 130)
		want := []string{"interrupted", "failed: absent connection.service-exists", "could not tell: ", "exit code 130 (of 1, 3, 130)"}
		holds(t, "stderr", b.stderr.String(), want...)
		r := readRun(t, dir)
		holds(t, "run.json", strings.Join(r.ExitReasons, "\n"), want...)
		if r.ExitCode != 130 || len(r.Links) != 3 || !r.Links[2].Observation.Interrupted {
			t.Errorf("run.json: exit code %d, %d links, want the third to be interrupted", r.ExitCode, len(r.Links))
		}
		// What was observed before is there: the control plane of the link whose vantage hangs.
		holds(t, "run.json", r.verdicts(), "charts-api connection.endpoint-available: passed")
		for _, name := range []string{"junit.xml", "report.md", "report.html"} {
			data, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			holds(t, name, string(data), "interrupted")
		}
	})

	t.Run("no working directory", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(t.TempDir(), "out")
		gone := filepath.Join(t.TempDir(), "gone")
		stdout, code := lab.run(t, "bash", "-c", `mkdir "$1" && cd "$1" && rmdir "$1" && exec "$2" verify -f "$3" --out "$4"`, "bash", gone, binary, link, dir)
		if code != 3 {
			t.Errorf("exit code %d, want 3: Ginkgo could not run\n%s", code, stdout)
		}
		r := readRun(t, dir)
		if r.ExitCode != 3 || !strings.Contains(strings.Join(r.ExitReasons, "\n"), "judged without Ginkgo") {
			t.Errorf("run.json, which is written beside Ginkgo: exit code %d, %q", r.ExitCode, r.ExitReasons)
		}
		if got := r.verdicts(); got != healthy.verdicts() {
			t.Errorf("judged without Ginkgo:\n%s\nwith Ginkgo:\n%s", got, healthy.verdicts())
		}
	})

	t.Run("no room for reports", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(t.TempDir(), "out")
		said, code := lab.run(t, "bash", "-c", `ulimit -f 8; exec "$1" verify -f "$2" --out "$3"`, "bash", binary, link, dir)
		if code != 3 {
			t.Errorf("exit code %d, want 3\n%s", code, said)
		}
		holds(t, "stderr", said, "--out "+dir, "run.json: ", "file too large", "WORKS")
		if left, err := os.ReadDir(dir); err != nil || len(left) != 1 || left[0].Name() != evidence.IncompleteFile {
			t.Errorf("half-written, and not told so: %v, %v", left, err)
		}
		if _, err := os.Stat("/dev/full"); err == nil {
			said, code := lab.run(t, "bash", "-c", `exec "$1" verify -f "$2" >/dev/full`, "bash", binary, link)
			if code != 3 || !strings.Contains(said, "no space left on device") {
				t.Errorf("a full disk behind stdout: exit code %d, want 3\n%s", code, said)
			}
		}
	})
}

// anotherLink is a link of the lab's accounts that nobody built; more are further lines of its provider.
func anotherLink(name, more string) string {
	if more != "" {
		more = "      " + more + "\n"
	}
	return `  - name: ` + name + `
    region: ap-southeast-1
    provider:
      account: "111111111111"
      profile: provider
` + more + `      build: {}
    consumer:
      account: "222222222222"
      profile: consumer
      build: {}
    ports: [{port: 80}]
`
}
