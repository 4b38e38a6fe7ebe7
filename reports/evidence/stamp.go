package evidence

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/linkassay/linkassay/reports/evidence/internal/timestamp"
)

// Timestamp says when the signature of a bundle, or without one its digests, existed at the latest, and by whom.
type Timestamp struct {
	Time      time.Time     `json:"time"`
	Accuracy  time.Duration `json:"accuracy,omitempty"` // nanoseconds; 0: not said
	Policy    string        `json:"policy"`             // object identifier
	Authority string        `json:"authority"`          // subject of its certificate
}

// stamp has the signature stamped, or without one SHA256SUMS.
func stamp(ctx context.Context, o SealOptions, sealed []byte) ([]byte, error) {
	c := timestamp.Client{URL: o.Timestamp, Roots: o.TimestampRoots}
	token, _, err := c.Stamp(ctx, sealed)
	if err != nil {
		return nil, fmt.Errorf("seal the bundle: %w", err)
	}
	return token, nil
}

// timestamp checks the time stamp, where there is one.
func (v *verification) timestamp() error {
	token, err := readBounded(v.fsys, StampFile, timestamp.MaxToken)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	sealed := v.list
	if v.armoured != nil {
		sealed = v.armoured
	}
	s, err := timestamp.Verify(token, sealed, v.o.TimestampRoots)
	if err != nil {
		return refuse("%s: %v", StampFile, err)
	}
	v.result.Timestamp = &Timestamp{s.Time, s.Accuracy, s.Policy, s.Authority}
	return nil
}
