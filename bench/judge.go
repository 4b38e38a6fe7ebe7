package main

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/lab"
	"github.com/linkassay/linkassay/suites"
)

// judging measures how many checks a second one processor judges, garbage collection included: on the Observation of a healthy link and of
// one whose endpoint's security group is closed.
func judging(ctx context.Context, b *book) error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	return withLink(ctx, func(l *lab.Lab, link provision.Link, src probes.Sources) error {
		compiled := suites.Compile(suites.Catalogue())
		all := compiled.Choose(link.Name, nil)
		for _, state := range []string{"healthy", "security-group-closed"} {
			if state != "healthy" {
				if err := l.Inject(ctx, state, link); err != nil {
					return err
				}
			}
			o := probes.Observe(ctx, link, src, probes.Options{ReadFile: l.ReadFile})
			var rates []float64
			for range 5 {
				began, n := time.Now(), 0
				for ; time.Since(began) < 400*time.Millisecond; n++ {
					if len(compiled.Judge(o, all)) != len(all) {
						return errors.New("not all checks were judged")
					}
				}
				rates = append(rates, float64(n*len(all))/time.Since(began).Seconds())
			}
			b.add(state, "checks/s", atLeast(100_000), rates...)
		}
		return nil
	})
}
