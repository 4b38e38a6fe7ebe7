package suites

import (
	"crypto/sha256"
	"fmt"
)

// Digest names a catalogue by its checks and their revisions, in order: the SHA-256 in hex. Runs that were
// judged by equal catalogues have equal verdicts on equal Observations.
func Digest(catalogue []Check) string {
	h := sha256.New()
	for _, c := range catalogue {
		fmt.Fprintf(h, "%s %d\n", c.ID, c.Revision)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}
