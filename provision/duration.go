package provision

import (
	"fmt"
	"time"

	"go.yaml.in/yaml/v4"
)

// String writes d as Go does ("3s", "1m30s").
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText writes d as Go does ("3s", "1m30s"); JSON uses it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("duration %q: expected a number with a unit, such as 3s or 1m30s", text)
	}
	*d = Duration(v)
	return nil
}

// MarshalYAML writes d as MarshalText does.
func (d Duration) MarshalYAML() (any, error) { return d.String(), nil }

// UnmarshalYAML reads what MarshalYAML writes.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: expected a duration such as 3s", n.Line)
	}
	return d.UnmarshalText([]byte(n.Value))
}
