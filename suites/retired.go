package suites

import (
	_ "embed"
	"fmt"

	"go.yaml.in/yaml/v4"
)

//go:embed retired.yaml
var retiredFile []byte

// RetiredCheck is an id that no check may have again.
type RetiredCheck struct {
	ID    string `yaml:"id"`
	Since string `yaml:"since"` // the first version without it
	Why   string `yaml:"why"`   // and what is asked instead
}

// Retired returns the ids that are no longer in use.
func Retired() ([]RetiredCheck, error) {
	var all []RetiredCheck
	if err := yaml.Unmarshal(retiredFile, &all); err != nil {
		return nil, fmt.Errorf("read the retired checks: %w", err)
	}
	return all, nil
}
