package lab_test

import (
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/linkassay/linkassay/provision/lab"
)

func TestWriteDir(t *testing.T) {
	t.Parallel()
	l := start(t, lab.Options{})
	dir := filepath.Join(t.TempDir(), "it's a lab")
	var paths []string
	for range 2 { // again over what is there
		var err error
		if paths, err = l.WriteDir(dir); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory %v, %v", info, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 4 || len(paths) != 4 {
		t.Fatalf("files %v, paths %v, %v", entries, paths, err)
	}
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil || info.Mode().Perm() != 0o600 || !filepath.IsAbs(p) {
			t.Errorf("%s: %v, %v", p, info, err)
		}
	}
	pem, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil || !x509.NewCertPool().AppendCertsFromPEM(pem) {
		t.Errorf("ca.pem: %v", err)
	}

	// The SDK finds the lab with nothing but these files, by the services section alone too.
	plain, err := os.ReadFile(filepath.Join(dir, "aws.config"))
	if err != nil {
		t.Fatal(err)
	}
	var kept []string
	for line := range strings.Lines(string(plain)) {
		if !strings.HasPrefix(line, "endpoint_url") {
			kept = append(kept, line)
		}
	}
	sections := filepath.Join(t.TempDir(), "sections.config")
	if err := os.WriteFile(sections, []byte(strings.Join(kept, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{filepath.Join(dir, "aws.config"), sections} {
		for profile, account := range map[string]string{"provider": "111111111111", "consumer": "222222222222"} {
			cfg, err := config.LoadDefaultConfig(t.Context(),
				config.WithSharedConfigFiles([]string{file}), config.WithSharedCredentialsFiles([]string{filepath.Join(dir, "aws.credentials")}),
				config.WithSharedConfigProfile(profile))
			if err != nil {
				t.Fatal(err)
			}
			if cfg.Region != "ap-southeast-1" {
				t.Errorf("%s: Region %q", profile, cfg.Region)
			}
			l.ResetRequests()
			who, err := sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), nil)
			if err != nil || *who.Account != account {
				t.Errorf("%s: %+v, %v", profile, who, err)
			}
			if _, err := ec2.NewFromConfig(cfg).DescribeVpcs(t.Context(), nil); err != nil {
				t.Errorf("%s: %v", profile, err)
			}
			if _, err := elb.NewFromConfig(cfg).DescribeLoadBalancers(t.Context(), nil); err != nil {
				t.Errorf("%s: %v", profile, err)
			}
			if _, err := route53.NewFromConfig(cfg).ListHostedZones(t.Context(), nil); err != nil {
				t.Errorf("%s: %v", profile, err)
			}
		}
	}
}

// A shell that sources env sends nothing to the real AWS, whatever its environment was.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no sh")
	}
	l := start(t, lab.Options{})
	dir := filepath.Join(t.TempDir(), "it's a lab")
	if _, err := l.WriteDir(dir); err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "aws"), []byte("#!/bin/sh\nprintf 'aws:%s\\n' \"$*\"\nenv\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), sh, "-eu", "-c", `. "$1"; aws --profile consumer ec2 describe-vpcs`, "sh", filepath.Join(dir, "env"))
	cmd.Env = []string{"PATH=" + bin + ":/usr/bin:/bin", "AWS_PROFILE=production", "AWS_ACCESS_KEY_ID=AKIAREAL", "AWS_SECRET_ACCESS_KEY=real", "AWS_SESSION_TOKEN=real", "AWS_REGION=us-east-1", "NO_PROXY=intra"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{
		"aws:--endpoint-url " + l.URL() + " --profile consumer ec2 describe-vpcs\n",
		"AWS_CONFIG_FILE=" + dir + "/aws.config\n", "AWS_SHARED_CREDENTIALS_FILE=" + dir + "/aws.credentials\n",
		"AWS_ENDPOINT_URL=" + l.URL() + "\n", "AWS_ENDPOINT_URL_STS=" + l.URL() + "\n", "AWS_EC2_METADATA_DISABLED=true\n", "AWS_PAGER=\n",
		"NO_PROXY=127.0.0.1,localhost,::1,intra\n", "no_proxy=127.0.0.1,localhost,::1\n",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	for _, gone := range []string{"production", "AKIAREAL", "real", "AWS_REGION"} {
		if strings.Contains(string(out), gone) {
			t.Errorf("%q is left in\n%s", gone, out)
		}
	}
}
