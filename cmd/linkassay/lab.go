package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/linkassay/linkassay/provision/lab"
)

func newLab(a *app) *cobra.Command {
	var (
		dir, listen, fault string
		policies           []string
		provisioned        bool
		seed               uint64
	)
	cmd := &cobra.Command{
		Use:   "lab --dir DIR",
		Short: "Run the embedded AWS until interrupted, for the AWS CLI, boto3, curl and linkassay itself",
		Long: `lab runs several AWS accounts in this process: the APIs on one loopback port, the networks behind
SOCKS5 listeners. When it is ready it names on stdout what it wrote to DIR:

  aws.config, aws.credentials   profiles provider and consumer; keys that are invalid at AWS
  env                           to source: points the AWS CLI and SDKs at the lab
  ca.pem                        the CA of the targets' certificates
  link.yaml                     the walk-through's link, with SOCKS vantages

It ends on SIGINT or SIGTERM, with exit code 0. A directory serves one running lab at a time.`,
		Example: `  linkassay lab --dir /tmp/lab --provisioned &
  . /tmp/lab/env && aws --profile consumer ec2 describe-vpc-endpoints
  linkassay verify -f /tmp/lab/link.yaml`,
		Args: flagsOnly,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" {
				return usageError("no directory: give one with --dir DIR")
			}
			if fault != "" && !provisioned {
				return usageError("--fault needs --provisioned: a fault breaks a link that works")
			}
			opts := lab.Options{Listen: listen, Seed: seed, Log: a.log()}
			if err := prepareFault(fault, &opts); err != nil {
				return err
			}
			documents, err := readPolicies(policies)
			if err != nil {
				return err
			}
			return a.runLab(cmd.Context(), dir, opts, provisioned, fault, documents)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "directory for the configuration files that clients need")
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:0", "loopback address of the AWS API; port 0 takes a free one")
	cmd.Flags().BoolVar(&provisioned, "provisioned", false, "start with the walk-through's link already built")
	cmd.Flags().StringVar(&fault, "fault", "", "break the provisioned link in this way (linkassay list faults)")
	completeFaults(cmd)
	cmd.Flags().StringArrayVar(&policies, "policy", nil, "PROFILE=FILE: identity policy (JSON) of the profile's user, once the lab is ready; may be given more than once")
	cmd.Flags().Uint64Var(&seed, "seed", 0, "make ids and zone mappings repeatable; 0 takes a random seed")
	return cmd
}

// completeFaults makes the shell offer the faults' names for --fault.
func completeFaults(cmd *cobra.Command) {
	err := cmd.RegisterFlagCompletionFunc("fault", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var names []string
		for _, f := range lab.Faults() {
			names = append(names, f.Name+"\t"+f.Text)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	})
	if err != nil {
		panic(err) // the flag is there: it is registered beside this
	}
}

// prepareFault refuses a fault that the lab does not have, and changes the lab's options to those that
// it needs.
func prepareFault(name string, opts *lab.Options) error {
	if name == "" {
		return nil
	}
	f, ok := lab.FindFault(name)
	if !ok {
		return usageError("no fault %q; linkassay list faults lists them", name)
	}
	if f.Prepare != nil {
		f.Prepare(opts)
	}
	return nil
}

// readPolicies reads the documents of --policy by profile.
func readPolicies(flags []string) (map[string][]string, error) {
	documents := map[string][]string{}
	for _, f := range flags {
		profile, path, ok := strings.Cut(f, "=")
		if !ok || profile == "" || path == "" {
			return nil, usageError("--policy %q: expected PROFILE=FILE", f)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, usageError("--policy: %v", err)
		}
		documents[profile] = append(documents[profile], string(b))
	}
	return documents, nil
}

func (a *app) runLab(ctx context.Context, dir string, opts lab.Options, provisioned bool, fault string, policies map[string][]string) (err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return usageError("--dir: %v", err)
	}
	l, err := lab.Start(ctx, opts)
	if err != nil {
		return withCode(exitUsage, fmt.Errorf("start the lab: %w", err))
	}
	defer func() {
		if cerr := l.Close(); cerr != nil && err == nil {
			err = withCode(exitUntold, fmt.Errorf("stop the lab: %w", cerr))
		}
	}()
	release, err := lab.ClaimDir(dir)
	if err != nil {
		return usageError("--dir: %w", err)
	}
	defer func() { err = errors.Join(err, withCode(exitUntold, release())) }()
	if provisioned {
		link, err := l.Provision(ctx, a.newProgress().event)
		if err == nil && fault != "" {
			err = l.Inject(ctx, fault, link)
		}
		if ctx.Err() != nil {
			return nil // interrupted while it was starting: the normal end of a lab
		}
		if err != nil {
			return withCode(exitUntold, fmt.Errorf("provision the lab: %w", err))
		}
	}
	for profile, documents := range policies {
		if err := l.SetPolicies(profile, documents...); err != nil {
			return usageError("--policy: %v", err)
		}
	}
	files, err := l.WriteDir(dir)
	if err != nil {
		return withCode(exitUsage, err)
	}
	link, err := l.LinkFile(dir)
	if err != nil {
		return withCode(exitUntold, err)
	}
	linkPath := filepath.Join(dir, "link.yaml")
	if err := os.WriteFile(linkPath, link, 0o600); err != nil {
		return withCode(exitUsage, fmt.Errorf("write the link file: %w", err))
	}
	ready := fmt.Sprintf("%s\nready: AWS API at %s; stop with Ctrl-C\n", strings.Join(append(files, linkPath), "\n"), l.URL())
	// One write, and one whose reader may have gone: lab | head must not end the lab.
	if _, err := io.WriteString(a.out, ready); err != nil && !errors.Is(printError(err), errOutputClosed) {
		return printError(err)
	}
	<-ctx.Done()
	return nil
}
