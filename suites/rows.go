package suites

import (
	_ "embed"
	"fmt"

	"go.yaml.in/yaml/v4"
)

//go:embed rows.yaml
var rowsFile []byte

// Row is one known failure mode of an endpoint-service link.
type Row struct {
	ID      string `yaml:"id"`      // PL-AREA-NNN
	Symptom string `yaml:"symptom"` // what its victims see
	// Why says why no run can find it; empty when a check does.
	Why string `yaml:"why"`
}

// Rows returns the known failure modes, in the order of a link's life.
func Rows() ([]Row, error) {
	var rows []Row
	if err := yaml.Unmarshal(rowsFile, &rows); err != nil {
		return nil, fmt.Errorf("read the failure modes: %w", err)
	}
	return rows, nil
}
