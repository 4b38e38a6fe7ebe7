package suites

import (
	"testing"

	"github.com/linkassay/linkassay/probes"
)

// How many checks a second one processor judges: make bench measures the same on recorded observations.
func BenchmarkJudge(b *testing.B) {
	broken := healthy()
	faults()[7].make(broken)
	for name, o := range map[string]*probes.Observation{"healthy": healthy(), "broken": broken} {
		b.Run(name, func(b *testing.B) {
			c := Compile(Catalogue())
			all := c.Choose(o.Link.Name, nil)
			for b.Loop() {
				c.Judge(o, all)
			}
			b.ReportMetric(float64(b.N*len(all))/b.Elapsed().Seconds(), "checks/s")
		})
	}
}
