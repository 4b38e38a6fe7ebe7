// Package examples holds link files to copy from; this test keeps them loadable.
package examples

import (
	"path/filepath"
	"testing"

	"github.com/linkassay/linkassay/provision"
)

func TestExamplesLoad(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) < 2 {
		t.Fatalf("%d examples, %v", len(files), err)
	}
	for _, name := range files {
		if _, err := provision.LoadFile(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
