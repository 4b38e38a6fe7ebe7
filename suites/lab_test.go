package suites_test

import (
	"cmp"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/awsapi"
	"github.com/linkassay/linkassay/provision/lab"
	"github.com/linkassay/linkassay/suites"
)

// labLink is the walk-through's link in a lab of its own.
type labLink struct {
	lab  *lab.Lab
	link provision.Link
}

// startLink starts a lab with the walk-through's link in it; it ends with the test.
func startLink(t *testing.T, prepare ...func(*lab.Options)) labLink {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	l, err := lab.Start(ctx, options(prepare...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("stop the lab: %v", err)
		}
	})
	link, err := l.Provision(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	return labLink{l, link}
}

// observe observes the link from a vantage in each consumer subnet, after change has been made to
// its link file.
func (l labLink) observe(t *testing.T, change func(*provision.Link)) *probes.Observation {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	o, err := observeLab(ctx, l.lab, change)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func observeLab(ctx context.Context, l *lab.Lab, change func(*provision.Link), with ...func(*probes.Options)) (*probes.Observation, error) {
	link := l.Believed()
	src := probes.Sources{PublicDNS: l.Internet()}
	for _, spec := range link.Vantages {
		v, err := l.Place(spec.From)
		if err != nil {
			return nil, err
		}
		src.Vantages = append(src.Vantages, probes.Placed{Spec: spec, Vantage: v})
	}
	for _, s := range l.Subnets(link.Consumer.Account) {
		v, err := l.Vantage(s.ID)
		if err != nil {
			return nil, err
		}
		spec := provision.Vantage{Name: "consumer-" + s.ZoneID, From: "lab", Zone: s.ZoneID}
		link.Vantages = append(link.Vantages, spec)
		src.Vantages = append(src.Vantages, probes.Placed{Spec: spec, Vantage: v})
	}
	if change != nil {
		change(&link)
		src.Vantages = slices.DeleteFunc(src.Vantages, func(p probes.Placed) bool {
			return !slices.ContainsFunc(link.Vantages, func(v provision.Vantage) bool { return v.Name == p.Spec.Name })
		})
		for i, p := range src.Vantages {
			at := slices.IndexFunc(link.Vantages, func(v provision.Vantage) bool { return v.Name == p.Spec.Name })
			src.Vantages[i].Spec = link.Vantages[at]
		}
	}
	link = openSides(ctx, link, &src, l.Open)
	o := probes.Options{ReadFile: l.ReadFile}
	for _, change := range with {
		change(&o)
	}
	return probes.Observe(ctx, link, src, o), nil
}

// openSides opens each side by itself and finds the link's ids there, as the verify command does: a side that
// can't be asked is for the checks to tell.
func openSides(ctx context.Context, link provision.Link, src *probes.Sources, open func(context.Context, provision.Party, string) (*awsapi.Clients, error)) provision.Link {
	find := func(alone provision.Link) (provision.Link, provision.Sides, error) {
		sides, err := provision.Open(ctx, &alone, open)
		if err == nil {
			alone, err = provision.Discover(ctx, &alone, sides)
		}
		return alone, sides, err
	}
	ofProvider, ofConsumer := link, link
	ofProvider.Consumer.Access, ofConsumer.Provider.Access = provision.AccessNone, provision.AccessNone
	ofProvider, provider, err := find(ofProvider)
	src.Provider, src.ProviderErr = provider.Provider, err
	ofConsumer, consumer, err := find(ofConsumer)
	src.Consumer, src.ConsumerErr = consumer.Consumer, err
	link.Provider.ServiceID = cmp.Or(link.Provider.ServiceID, ofProvider.Provider.ServiceID, ofConsumer.Provider.ServiceID)
	link.Provider.ServiceName = cmp.Or(link.Provider.ServiceName, ofProvider.Provider.ServiceName, ofConsumer.Provider.ServiceName)
	link.Consumer.EndpointID = cmp.Or(link.Consumer.EndpointID, ofConsumer.Consumer.EndpointID)
	return link
}

// with returns the checks with a status, for messages.
func with(verdicts []suites.Verdict, statuses ...suites.Status) []string {
	var out []string
	for _, v := range verdicts {
		if slices.Contains(statuses, v.Status) {
			out = append(out, string(v.Status)+" "+v.Check+": "+v.Reason)
		}
	}
	return out
}

func TestHealthyLinkFailsNothing(t *testing.T) {
	t.Parallel()
	o := startLink(t).observe(t, nil)
	verdicts := suites.Judge(o, suites.Catalogue(), nil)
	for _, s := range with(verdicts, suites.Failed, suites.Untold, suites.Blocked) {
		t.Error(s)
	}
	if left := suites.NotVerified(verdicts); len(left) > 0 {
		t.Errorf("not verified: %v", left)
	}
	if len(verdicts) < 25 {
		t.Errorf("only %d checks", len(verdicts))
	}
}

// A side or a vantage that the link file leaves out is skipped with its reason, and fails nothing.
func TestOneSidedLinks(t *testing.T) {
	t.Parallel()
	l := startLink(t)
	for _, c := range []struct {
		name   string
		change func(*provision.Link)
		reason probes.Absence
	}{
		{"consumer only", func(k *provision.Link) {
			k.Provider = provision.Provider{Party: provision.Party{Access: provision.AccessNone, Account: k.Provider.Account}, ServiceName: l.link.Provider.ServiceName}
		}, probes.NoProviderAccess},
		{"provider only", func(k *provision.Link) {
			k.Consumer = provision.Consumer{Party: provision.Party{Access: provision.AccessNone, Account: k.Consumer.Account}}
			k.Vantages = nil
		}, probes.NoConsumerAccess},
		{"control plane only", func(k *provision.Link) { k.Vantages = nil }, probes.NoVantage},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			verdicts := suites.Judge(l.observe(t, c.change), suites.Catalogue(), nil)
			for _, s := range with(verdicts, suites.Failed, suites.Untold, suites.Blocked) {
				t.Error(s)
			}
			var skipped, passed int
			for _, v := range verdicts {
				switch {
				case v.Status == suites.Passed:
					passed++
				case v.Status == suites.Skipped && v.Reason == string(c.reason):
					skipped++
				}
			}
			if skipped == 0 || passed == 0 {
				t.Errorf("%d passed, %d skipped for %q; want some of each", passed, skipped, c.reason)
			}
			if len(suites.NotVerified(verdicts)) == 0 {
				t.Error("the report would not say what was not verified")
			}
		})
	}
}

// The suite of TestSuites judges the links of LINKASSAY_LINK: a link file of a lab, through its port
// and SOCKS listeners, in another process.
func TestSuiteOnALinkFile(t *testing.T) {
	t.Parallel()
	l := startLink(t)
	dir := t.TempDir()
	if _, err := l.lab.WriteDir(dir); err != nil {
		t.Fatal(err)
	}
	file, err := l.lab.LinkFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "link.yaml")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	credentials := filepath.Join(dir, "aws.credentials")
	suite := func(credentials string) (string, error) {
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestSuites$", "-test.v", "--ginkgo.no-color")
		cmd.Env = append(
			stranger(), "LINKASSAY_LINK="+path, "AWS_CONFIG_FILE="+filepath.Join(dir, "aws.config"),
			"AWS_SHARED_CREDENTIALS_FILE="+credentials, "AWS_EC2_METADATA_DISABLED=true",
		)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := suite(credentials); err != nil || !strings.Contains(out, "SUCCESS!") {
		t.Fatalf("the suite on a healthy link: %v\n%s", err, out)
	}
	// Credentials that are not taken are the one cause of all that could not be told, on each side, here as in
	// linkassay verify. They end nothing.
	keys, err := os.ReadFile(credentials)
	if err != nil {
		t.Fatal(err)
	}
	wrong := filepath.Join(t.TempDir(), "aws.credentials")
	keys = regexp.MustCompile(`(aws_secret_access_key = )\S+`).ReplaceAll(keys, []byte("${1}wrong"))
	if err := os.WriteFile(wrong, keys, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := suite(wrong)
	if err == nil || !strings.Contains(out, "identity.provider-credentials") || !strings.Contains(out, "Summarizing 2 Failures") {
		t.Errorf("the suite with wrong credentials: %v\n%s", err, out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := l.lab.Inject(ctx, "listener-missing", l.link); err != nil {
		t.Fatal(err)
	}
	out, err = suite(credentials)
	if err == nil || !strings.Contains(out, "[FAIL]") || !strings.Contains(out, "connection.listener-on-each-port") {
		t.Errorf("the suite on a broken link: %v\n%s", err, out)
	}
}

// stranger is the environment without what leads to a link or to AWS: whoever runs the tests may have sourced
// another lab's env file, as one that is set here stands for.
func stranger() []string {
	env := append(os.Environ(), "AWS_ENDPOINT_URL=http://127.0.0.1:1", "AWS_PROFILE=nobody")
	return slices.DeleteFunc(env, func(kv string) bool {
		return strings.HasPrefix(kv, "AWS_") || strings.HasPrefix(kv, "LINKASSAY_")
	})
}
