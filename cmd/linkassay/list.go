package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/lab"
	"github.com/linkassay/linkassay/suites"
)

func newList(a *app) *cobra.Command {
	return &cobra.Command{
		Use:       "list checks|faults",
		Short:     "List checks or lab faults, one per line",
		ValidArgs: []string{"checks", "faults"},
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || args[0] != "checks" && args[0] != "faults" {
				return usageError("say what to list: linkassay list checks, or linkassay list faults")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			var b strings.Builder
			switch args[0] {
			case "checks":
				for _, c := range suites.Catalogue() {
					fmt.Fprintln(&b, c.ID)
				}
			case "faults":
				for _, f := range lab.Faults() {
					fmt.Fprintln(&b, f.Name)
				}
			}
			_, err := a.out.Write([]byte(b.String()))
			return printError(err)
		},
	}
}

func newExplain(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "explain CHECK",
		Short: "Say what a check asserts, why it matters, and how to fix it",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError("name one check, such as linkassay explain dns.private-name-resolves; linkassay list checks lists them")
			}
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var ids []string
			for _, c := range suites.Catalogue() {
				ids = append(ids, c.ID)
			}
			return ids, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			for _, c := range suites.Catalogue() {
				if c.ID == args[0] {
					_, err := a.out.Write([]byte(c.Explain()))
					return printError(err)
				}
			}
			if near := nearest(args[0]); near != "" {
				return usageError("no check %q; did you mean %s? linkassay list checks lists them all", args[0], near)
			}
			return usageError("no check %q; linkassay list checks lists them", args[0])
		},
	}
}

// nearest is the id of the check that is most like a wrong one, or "" where none is.
func nearest(wrong string) string {
	if len(wrong) > 100 {
		return ""
	}
	best, least := "", 0
	for _, c := range suites.Catalogue() {
		// Without its area, an id may be all that somebody remembers.
		_, rest, _ := strings.Cut(c.ID, ".")
		d := min(provision.EditDistance(wrong, c.ID), provision.EditDistance(wrong, rest))
		if best == "" || d < least {
			best, least = c.ID, d
		}
	}
	if least > max(2, len(wrong)/3) {
		return ""
	}
	return best
}
