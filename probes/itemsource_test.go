package probes

import "testing"

// explain names what every item comes from.
func TestItemSource(t *testing.T) {
	t.Parallel()
	for _, name := range ItemNames() {
		if s, ok := ItemSource(name); !ok || s == "" {
			t.Errorf("%s: it is not told what it is gathered from", name)
		}
	}
}
