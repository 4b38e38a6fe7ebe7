package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/linkassay/linkassay/provision"
)

// loadFleet reads a link file, or all of a folder's, and checks them as verify does. Names must be unique in all.
func (a *app) loadFleet(ctx context.Context, path string) ([]provision.Link, error) {
	if path == "" {
		return nil, usageError("no link file: give one with -f FILE, or a folder of them (linkassay init prints an example)")
	}
	paths, err := fleetFiles(path)
	if err != nil {
		return nil, usageError("read the link files: %w", err)
	}
	var all []provision.Link
	from := map[string]string{}
	var errs []error
	for _, p := range paths {
		links, err := a.loadLinks(ctx, p, nil)
		errs = append(errs, err)
		for _, l := range links {
			if first, twice := from[l.Name]; twice && first != p {
				errs = append(errs, usageError("%s: link name %q is used in %s too, expected unique ones in the folder", p, l.Name, first))
			}
			from[l.Name] = p
			if _, err := place(&l); err != nil {
				errs = append(errs, err)
			}
			all = append(all, l)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return all, nil
}

// fleetFiles are the link files at path, in order.
func fleetFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil && path != "-" {
		return nil, err
	}
	if path == "-" || !info.IsDir() {
		return []string{path}, nil
	}
	var paths []string
	for _, pattern := range []string{"*.yaml", "*.yml"} {
		found, err := filepath.Glob(filepath.Join(path, pattern))
		if err != nil {
			return nil, err
		}
		paths = append(paths, found...)
	}
	slices.Sort(paths)
	if len(paths) == 0 {
		return nil, fmt.Errorf("no *.yaml or *.yml in the folder %s", path)
	}
	return paths, nil
}

// printFleet says what would be watched.
func (a *app) printFleet(links []provision.Link) error {
	for _, l := range links {
		c := l.Canary.WithDefaults()
		_, err := fmt.Fprintf(a.out, "%s: ok (each %s, control plane each %s, %d failures of %d rounds, clear after %d, %d maintenance windows%s)\n",
			l.Name, time.Duration(c.Interval), time.Duration(c.ControlInterval), c.Alarm.Failures, c.Alarm.Of, c.Clear, len(c.Maintenance), inMaintenance(c))
		if err != nil {
			return printError(err)
		}
	}
	return nil
}

func inMaintenance(c provision.Canary) string {
	if m, open := c.InMaintenance(time.Now()); open {
		return ", now in one: " + m.Reason
	}
	return ""
}
