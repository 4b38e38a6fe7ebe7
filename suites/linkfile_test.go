package suites_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

// linksOf observes each link of a link file.
func linksOf(ctx context.Context, path string) ([]*probes.Observation, error) {
	path, err := fromModule(path)
	if err != nil {
		return nil, fmt.Errorf("LINKASSAY_LINK: %w", err)
	}
	file, err := provision.LoadFile(path)
	if err != nil {
		return nil, err
	}
	var out []*probes.Observation
	for _, link := range file.Links {
		src, err := placesOf(link)
		if err != nil {
			return nil, err
		}
		src, link = sidesOf(ctx, src, link)
		out = append(out, probes.Observe(ctx, link, src, probes.Options{ReadFile: readFromModule}))
		src.Provider.Close()
		src.Consumer.Close()
	}
	return out, nil
}

// placesOf makes the vantages that the link is observed from.
func placesOf(link provision.Link) (src probes.Sources, err error) {
	for _, spec := range link.Vantages {
		v, err := probes.ParseVantage(spec.From)
		if err != nil {
			return src, fmt.Errorf("link %s: vantage %s: %w", link.Name, spec.Name, err)
		}
		src.Vantages = append(src.Vantages, probes.Placed{Spec: spec, Vantage: v})
	}
	if src.PublicDNS, err = probes.ParseVantage(cmp.Or(link.PublicDNS.From, "local")); err != nil {
		return src, fmt.Errorf("link %s: publicDNS: %w", link.Name, err)
	}
	return src, nil
}

// sidesOf opens both sides, and fills the link's ids in. As in linkassay verify, a side that can't be opened or
// asked is an error of that side alone: its checks could not be told.
func sidesOf(ctx context.Context, src probes.Sources, link provision.Link) (probes.Sources, provision.Link) {
	provider, consumer := link, link
	provider.Consumer.Access, consumer.Provider.Access = provision.AccessNone, provision.AccessNone
	var sides provision.Sides
	provider, sides, src.ProviderErr = sideOf(ctx, provider)
	src.Provider = sides.Provider
	consumer, sides, src.ConsumerErr = sideOf(ctx, consumer)
	src.Consumer = sides.Consumer
	link.Provider.ServiceID = cmp.Or(provider.Provider.ServiceID, consumer.Provider.ServiceID)
	link.Provider.ServiceName = cmp.Or(provider.Provider.ServiceName, consumer.Provider.ServiceName)
	link.Consumer.EndpointID = consumer.Consumer.EndpointID
	return src, link
}

func sideOf(ctx context.Context, link provision.Link) (provision.Link, provision.Sides, error) {
	sides, err := provision.Open(ctx, &link, nil)
	if err != nil {
		return link, sides, err
	}
	found, err := provision.Discover(ctx, &link, sides)
	if failed, ok := errors.AsType[*provision.DiscoveryError](err); ok {
		err = cmp.Or(failed.Provider, failed.Consumer) // one side was asked
	}
	return found, sides, err
}

// fromModule finds a file of a relative path. go test and ginkgo run a package's tests in its own directory, while
// whoever calls them stands in the module's root as a rule.
func fromModule(path string) (string, error) {
	if filepath.IsAbs(path) {
		return path, nil
	}
	for _, root := range []string{"..", "."} {
		at := filepath.Join(root, path)
		if _, err := os.Stat(at); !errors.Is(err, fs.ErrNotExist) {
			return at, err
		}
	}
	return "", fmt.Errorf("%s is neither in the module's root nor in the package's directory; give an absolute path", path)
}

// readFromModule reads the certificate files that a link file names.
func readFromModule(path string) ([]byte, error) {
	path, err := fromModule(path)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

func TestRelativeLinkFile(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"go.mod":                filepath.Join("..", "go.mod"),
		"suites/catalogue.go":   filepath.Join("..", "suites", "catalogue.go"),
		"testdata/roots.yaml":   filepath.Join("testdata", "roots.yaml"),
		"/nowhere/at/link.yaml": "/nowhere/at/link.yaml",
	} {
		if got, err := fromModule(path); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", path, got, err, want)
		}
	}
	if got, err := fromModule("no-such-link.yaml"); err == nil {
		t.Errorf("no-such-link.yaml: %q", got)
	}
}
