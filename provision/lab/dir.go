package lab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// WriteDir writes what clients in other processes need into dir, and returns the paths of the
// files: aws.config and aws.credentials with a profile for each account, env to be sourced by a
// shell, and ca.pem. The keys are invalid at AWS.
func (l *Lab) WriteDir(dir string) ([]string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find the lab's directory: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the lab's directory: %w", err)
	}
	var paths []string
	for _, f := range []struct {
		name string
		data []byte
	}{
		{"aws.config", l.awsConfig()},
		{"aws.credentials", l.awsCredentials()},
		{"env", l.environment(dir)},
		{"ca.pem", l.CA()},
	} {
		if err := writeFile(dir, f.name, f.data); err != nil {
			return nil, err
		}
		paths = append(paths, filepath.Join(dir, f.name))
	}
	return paths, nil
}

// writeFile puts a file in place at once: readers see the old one or the whole new one.
func writeFile(dir, name string, data []byte) error {
	wrap := func(err error) error { return fmt.Errorf("write %s: %w", filepath.Join(dir, name), err) }
	f, err := os.CreateTemp(dir, "."+name+".*") // mode 0600
	if err != nil {
		return wrap(err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		return wrap(errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// awsConfig is a shared configuration file. Beside the services section it has endpoint_url in
// each profile, so that a service that the lab lacks is not called at AWS.
func (l *Lab) awsConfig() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# linkassay lab at %s\n", l.URL())
	for _, a := range l.opts.Accounts {
		fmt.Fprintf(&b, "\n[profile %s]\nregion = %s\nservices = lab\nendpoint_url = %s\n", a.Profile, l.opts.Region, l.URL())
	}
	b.WriteString("\n[services lab]\n")
	for _, s := range []string{"ec2", "elastic_load_balancing_v2", "route_53", "sts"} {
		fmt.Fprintf(&b, "%s =\n  endpoint_url = %s\n", s, l.URL())
	}
	return b.Bytes()
}

func (l *Lab) awsCredentials() []byte {
	var b bytes.Buffer
	b.WriteString("# Keys of the linkassay lab; invalid at AWS.\n")
	for _, a := range l.opts.Accounts {
		if id, secret, ok := l.Credentials(a.Profile); ok {
			fmt.Fprintf(&b, "\n[%s]\naws_access_key_id = %s\naws_secret_access_key = %s\n", a.Profile, id, secret)
		}
	}
	return b.Bytes()
}

// environment is for a POSIX shell to source. It takes away whatever could lead the AWS CLI or an
// SDK to the real AWS, or the lab's requests to a proxy.
func (l *Lab) environment(dir string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# To source: the AWS CLI and SDKs of this shell use the linkassay lab at %s.\n", l.URL())
	fmt.Fprintf(&b, "# Name an account with --profile: %s.\n", strings.Join(l.profiles(), ", "))
	fmt.Fprintf(&b, "unset %s\n", strings.Join([]string{
		"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN",
		"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME", "AWS_WEB_IDENTITY_TOKEN_FILE",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN",
		"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_ENDPOINT_URL_EC2", "AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2", "AWS_ENDPOINT_URL_ROUTE_53",
		"AWS_CA_BUNDLE", "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT",
	}, " "))
	for _, v := range [][2]string{
		{"AWS_CONFIG_FILE", filepath.Join(dir, "aws.config")},
		{"AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, "aws.credentials")},
		{"AWS_ENDPOINT_URL", l.URL()},
		{"AWS_ENDPOINT_URL_STS", l.URL()},
		{"AWS_EC2_METADATA_DISABLED", "true"},
		{"AWS_PAGER", ""},
	} {
		fmt.Fprintf(&b, "export %s=%s\n", v[0], shellQuote(v[1]))
	}
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		fmt.Fprintf(&b, "export %s=\"127.0.0.1,localhost,::1${%s:+,$%s}\"\n", name, name, name)
	}
	// Older AWS CLIs know neither AWS_ENDPOINT_URL nor services sections.
	fmt.Fprintf(&b, "aws() { command aws --endpoint-url %s \"$@\"; }\n", shellQuote(l.URL()))
	return b.Bytes()
}

func (l *Lab) profiles() []string {
	var out []string
	for _, a := range l.opts.Accounts {
		out = append(out, a.Profile)
	}
	return out
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
