package history

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/linkassay/linkassay/suites/canary"
)

// BenchmarkFleet tells rounds of 10,000 links, each ten seconds, for half an hour: what one round costs, written and all.
func BenchmarkFleet(b *testing.B) {
	const links = 10_000
	c := &clock{at: noon}
	h := open(b, filepath.Join(b.TempDir(), "history.db"), Options{Now: c.now})
	names := make([]string, links)
	for i := range names {
		names[i] = fmt.Sprintf("link-%05d", i)
	}
	r := at("", canary.Good, noon)
	n := 0
	for b.Loop() {
		now := noon.Add(time.Duration(n/links) * 10 * time.Second)
		r.Link, r.Started, r.Finished = names[n%links], now, now.Add(time.Second)
		if err := h.Round(r); err != nil {
			b.Fatal(err)
		}
		n++
	}
	synced(b, h)
	b.ReportMetric(float64(n/links)*10, "s-of-fleet")
	var rows, pages int64
	if err := errors.Join(h.db.QueryRow("SELECT count(*) FROM good").Scan(&rows), h.db.QueryRow("PRAGMA page_count").Scan(&pages)); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(pages*pageSize)/float64(max(rows, 1)), "B/run")
}
