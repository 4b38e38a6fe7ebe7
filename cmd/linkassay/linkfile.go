package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/suites"
)

// loadLinks reads a link file ("-" is standard input), checks the files that it names, and keeps the links
// that were asked for by name, all when none were.
func (a *app) loadLinks(ctx context.Context, path string, only []string) ([]provision.Link, error) {
	file, links, err := a.chosen(ctx, path, only)
	if err != nil {
		return nil, err
	}
	if err := file.CheckFiles(only...); err != nil {
		return nil, withCode(exitUsage, err)
	}
	return links, nil
}

// loadToDestroy is loadLinks without a look at the files that the link file names: they are not needed any more.
func (a *app) loadToDestroy(ctx context.Context, path string, only []string) ([]provision.Link, error) {
	_, links, err := a.chosen(ctx, path, only)
	return links, err
}

// chosen reads a link file, and finds the links of it that were asked for by name.
func (a *app) chosen(ctx context.Context, path string, only []string) (*provision.File, []provision.Link, error) {
	if path == "" {
		return nil, nil, usageError("no link file: give one with -f FILE (linkassay init prints an example)")
	}
	file, err := a.loadFile(ctx, path)
	if err != nil {
		return nil, nil, err
	}
	if err := knownChecks(file); err != nil {
		return nil, nil, err
	}
	if len(only) == 0 {
		return file, file.Links, nil
	}
	byName := map[string]provision.Link{}
	var names []string
	for _, l := range file.Links {
		byName[l.Name] = l
		names = append(names, l.Name)
	}
	var links []provision.Link
	for _, name := range only {
		l, ok := byName[name]
		if !ok {
			return nil, nil, usageError("%s has no link %q; it has %s", path, name, abbreviate(names))
		}
		links = append(links, l)
	}
	return file, links, nil
}

// loadFile reads a link file until the context ends. Opening a FIFO and reading a terminal cannot be
// called off: an interrupt leaves the read behind, for the end of the process.
func (a *app) loadFile(ctx context.Context, path string) (*provision.File, error) {
	type loaded struct {
		file *provision.File
		err  error
	}
	done := make(chan loaded, 1)
	go func() {
		var l loaded
		if path == "-" {
			l.file, l.err = provision.Load(a.in, "<stdin>")
		} else {
			l.file, l.err = provision.LoadFile(path)
		}
		done <- l
	}()
	select {
	case <-ctx.Done():
		return nil, withCode(exitInterrupted, fmt.Errorf("interrupted while reading the link file %s", path))
	case l := <-done:
		return l.file, withCode(exitUsage, l.err)
	}
}

// knownChecks refuses a link file that accepts findings of checks that there are not: it would accept nothing.
func knownChecks(file *provision.File) error {
	catalogue := suites.Catalogue()
	retired, err := suites.Retired()
	if err != nil {
		return withCode(exitUsage, err)
	}
	var errs []error
	for _, l := range file.Links {
		for _, a := range l.Accept {
			if _, ok := suites.Find(catalogue, a.Check); ok {
				continue
			}
			why := "linkassay list checks lists them"
			for _, r := range retired {
				if r.ID == a.Check {
					why = "it was retired in " + r.Since + ": " + r.Why
				}
			}
			errs = append(errs, usageError("link %s: accept: no check %q; %s", l.Name, a.Check, why))
		}
	}
	return errors.Join(errs...)
}

func newInit(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "init",
		Short: "Print a commented example of a link file",
		Example: `  linkassay init > link.yaml
  linkassay validate -f link.yaml`,
		Args: flagsOnly,
		RunE: func(*cobra.Command, []string) error {
			_, err := a.out.Write(provision.Example())
			return printError(err)
		},
	}
}

func newValidate(a *app) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "validate -f FILE",
		Short: "Check a link file without touching any network",
		Args:  flagsOnly,
		RunE: func(cmd *cobra.Command, _ []string) error {
			links, err := a.loadLinks(cmd.Context(), path, nil)
			if err != nil {
				return err
			}
			for _, l := range links {
				if _, err := fmt.Fprintf(a.out, "%s: ok (%s, %s, %s)\n", l.Name, l.Region, counted(len(l.Ports), "port"), counted(len(l.Vantages), "vantage")); err != nil {
					return printError(err)
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&path, "file", "f", "", "link file, - for standard input")
	return cmd
}

func newSchema(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON schema of link files, for editors and CI",
		Args:  flagsOnly,
		RunE: func(*cobra.Command, []string) error {
			schema, err := provision.Schema()
			if err != nil {
				return withCode(exitUsage, fmt.Errorf("build the schema: %w", err))
			}
			if !json.Valid(schema) {
				return withCode(exitUsage, errors.New("build the schema: not JSON"))
			}
			_, err = a.out.Write(schema)
			return printError(err)
		},
	}
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
