package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/reports"
	"github.com/linkassay/linkassay/suites"
)

// flowFlags are what diagnose is asked.
type flowFlags struct {
	path, to, format string
	from, only       []string

	host string
	port uint16
}

func newDiagnose(a *app) *cobra.Command {
	var flags flowFlags
	cmd := &cobra.Command{
		Use:   "diagnose -f FILE --to HOST:PORT",
		Short: "Walk one connection hop by hop and show where it ends",
		Long: `diagnose observes a link as verify does and walks the way of one connection: the vantage, the
name, routes, security groups and network ACLs, the endpoint, the service, the load balancer's
node, its listener, the targets, and what TCP, TLS and HTTP really did. The checks of verify
decide where it ends, each zone judged for itself. Nothing is written, to AWS or to disk.

HOST is the private DNS name, a name that AWS gave the endpoint, or the address of one of its
interfaces. PORT may be one that the link file does not have: it is then tried over TCP.

Exit codes: 0 the connection works; 1 it ends somewhere, in one zone or all; 2 wrong usage, or a
HOST that is not the link's; 3 could not tell; 130 interrupted. With -v each hop tells all it
knows, not what fits on a screen.`,
		Example: `  linkassay diagnose -f link.yaml --to api.example.com:443
  linkassay diagnose -f link.yaml --to 10.0.16.4:443 --from consumer-a
  linkassay diagnose -f link.yaml --to api.example.com:8443 --format json`,
		Args: flagsOnly,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := flags.check(); err != nil {
				return err
			}
			links, err := a.loadLinks(cmd.Context(), flags.path, flags.only)
			if err != nil {
				return err
			}
			if links, err = flags.narrow(links); err != nil {
				return err
			}
			ways := make([]way, len(links))
			for i := range links {
				if ways[i], err = place(&links[i]); err != nil {
					return err
				}
			}
			return a.diagnose(cmd.Context(), a.observeAll(cmd.Context(), links, ways, &judgeFlags{}), flags)
		},
	}
	cmd.Flags().StringVarP(&flags.path, "file", "f", "", "link file, - for standard input")
	cmd.Flags().StringVar(&flags.to, "to", "", "HOST:PORT to walk to; IPv6 addresses in brackets")
	cmd.Flags().StringSliceVar(&flags.from, "from", nil, "only from these vantages of the file, by name; default: all that should reach the link")
	cmd.Flags().StringSliceVar(&flags.only, "link", nil, "only these links of the file, by name; repeat it or separate with commas")
	cmd.Flags().StringVar(&flags.format, "format", "table", "what to print: table or json")
	completeNames(cmd, "link", func(l provision.Link) []string { return []string{l.Name} })
	completeNames(cmd, "from", func(l provision.Link) (names []string) {
		for _, v := range l.Vantages {
			names = append(names, v.Name)
		}
		return names
	})
	return cmd
}

// completeNames makes the shell offer names from the link file that -f gives.
func completeNames(cmd *cobra.Command, flag string, of func(provision.Link) []string) {
	err := cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		var names []string
		if path, err := cmd.Flags().GetString("file"); err == nil && path != "" && path != "-" {
			if file, err := provision.LoadFile(path); err == nil {
				for _, l := range file.Links {
					names = append(names, of(l)...)
				}
			}
		}
		slices.Sort(names)
		return slices.Compact(names), cobra.ShellCompDirectiveNoFileComp
	})
	if err != nil {
		panic(err) // the flag is there: it is registered beside this
	}
}

// check reads --to and refuses wrong flags before anything is touched.
func (f *flowFlags) check() error {
	if f.format != reports.TableFormat && f.format != reports.JSONFormat {
		return usageError("--format %q: expected table or json", f.format)
	}
	if f.to == "" {
		return usageError("no destination: give one with --to HOST:PORT, such as --to api.example.com:443")
	}
	host, port, err := net.SplitHostPort(f.to)
	if err != nil || host == "" {
		return usageError("--to %q: expected HOST:PORT, such as api.example.com:443 or [fd00::4]:443", f.to)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return usageError("--to %q: port %q: expected a number from 1 to 65535", f.to, port)
	}
	f.host, f.port = host, uint16(n)
	return nil
}

// narrow keeps the links that the host may belong to, each with the vantages that were asked for, and with the port.
func (f *flowFlags) narrow(links []provision.Link) ([]provision.Link, error) {
	_, notAddr := netip.ParseAddr(f.host)
	anyLink := notAddr == nil || suites.IsAWSName(f.host) // whose it is, only AWS knows
	var kept []provision.Link
	var names, vantages []string
	for _, l := range links {
		if l.PrivateDNSName != "" {
			names = append(names, l.PrivateDNSName)
		}
		if !anyLink && !suites.IsPrivateName(l, f.host) {
			continue
		}
		for _, v := range l.Vantages {
			vantages = append(vantages, v.Name)
		}
		if l, ok := f.withFlow(l); ok {
			kept = append(kept, l)
		}
	}
	for _, name := range f.from {
		if len(vantages) > 0 && !slices.Contains(vantages, name) {
			return nil, usageError("--from %s: no such vantage; there is %s", name, abbreviate(vantages))
		}
	}
	switch {
	case len(kept) > 0:
		return kept, nil
	case len(f.from) > 0 && anyLink:
		return nil, usageError("--from %s: the link file has no vantages", abbreviate(f.from))
	}
	return nil, usageError("--to: %q is %w; it has %s, the names under vpce.amazonaws.com and the addresses of its interfaces",
		f.host, suites.ErrNotOfLink, abbreviate(append(names, "no private DNS name")[:max(1, len(names))]))
}

// withFlow is the link as it is observed for the flow: with the vantages that were asked for, which are to get
// through whatever the link file expects of them, and with the port.
func (f *flowFlags) withFlow(l provision.Link) (provision.Link, bool) {
	all := l.Vantages
	l.Vantages = nil
	for _, v := range all {
		switch {
		case slices.Contains(f.from, v.Name):
			v.Expect = provision.ExpectReach
		case len(f.from) > 0 || v.Expect == provision.ExpectTimeout:
			continue
		}
		l.Vantages = append(l.Vantages, v)
	}
	if !slices.ContainsFunc(l.Ports, func(p provision.Port) bool { return p.Port == f.port }) {
		l.Ports = append(slices.Clone(l.Ports), provision.Port{Port: f.port})
	}
	return l, len(f.from) == 0 || len(l.Vantages) > 0
}

// diagnose walks the flow on what was observed of the links, and prints where it ends.
func (a *app) diagnose(ctx context.Context, links []looked, flags flowFlags) error {
	var all []suites.Diagnosis
	var strangers, errs []error
	for _, l := range links {
		to, err := suites.FlowTo(l.observation, flags.host, flags.port)
		if err != nil {
			strangers = append(strangers, usageError("--to: %w", err))
			continue
		}
		err = guard("diagnose "+l.observation.Link.Name, func() error {
			all = append(all, suites.Diagnose(l.observation, to))
			return nil
		})
		errs = append(errs, withCode(exitUntold, err))
	}
	if ctx.Err() != nil {
		errs = append(errs, withCode(exitInterrupted, errors.New("interrupted: the walk is of what was observed until then")))
	}
	if len(all) == 0 { // it may be one link's alone
		return errors.Join(append(errs, strangers...)...)
	}
	for _, d := range all {
		errs = append(errs, flowError(d))
	}
	options := a.printOptions()
	options.Full = a.verbose
	errs = append(errs, printError(reports.PrintDiagnoses(a.out, all, flags.format, options)))
	return errors.Join(errs...)
}

// flowError turns what became of a flow into the exit code that it leads to.
func flowError(d suites.Diagnosis) error {
	what := fmt.Sprintf("%s to %s", d.Link, net.JoinHostPort(d.To.Host, strconv.Itoa(int(d.To.Port))))
	switch d.Outcome() {
	case suites.FlowWorks:
		return nil
	case suites.FlowUntold:
		return withCode(exitUntold, fmt.Errorf("could not tell: %s", what))
	}
	var at []string
	for _, w := range d.Walks {
		if (w.Outcome == suites.FlowEnds || w.Outcome == suites.FlowInPart) && !slices.Contains(at, w.EndsAt) {
			at = append(at, w.EndsAt)
		}
	}
	return withCode(exitFailed, fmt.Errorf("%s ends at: %s", what, abbreviate(at)))
}
