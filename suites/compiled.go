package suites

import (
	"slices"
	"sync"

	"github.com/onsi/gomega"

	"github.com/linkassay/linkassay/probes"
)

// Compiled is a catalogue made ready to judge many Observations: checks and items are known by index in it, not by
// name. It does not change, and is safe for concurrent use.
type Compiled struct {
	checks []compiledCheck
	index  map[string]int // of the checks, by id
	items  []string       // names of all items
	sides  []Side         // whose API each item rests on
	gomega gomega.Gomega
	spare  sync.Pool // of *judging
}

// compiledCheck is a check with indices in place of the names.
type compiledCheck struct {
	*Check
	items           []int // that the body may read
	set             probes.ItemSet
	needs, needsOne []int
	after, because  []int
}

// Compile makes a catalogue ready. Names of checks that it does not have are ignored.
func Compile(catalogue []Check) *Compiled {
	c := &Compiled{index: make(map[string]int, len(catalogue)), items: probes.ItemNames(), gomega: asserting()}
	for _, item := range c.items {
		c.sides = append(c.sides, sideOf(item))
	}
	for i := range catalogue {
		c.index[catalogue[i].ID] = i
	}
	for i := range catalogue {
		k := &catalogue[i]
		names := slices.Concat(k.Needs, k.NeedsOne, k.Wants)
		c.checks = append(c.checks, compiledCheck{
			Check: k, items: c.itemsOf(names), set: probes.Items(names...), needs: c.itemsOf(k.Needs), needsOne: c.itemsOf(k.NeedsOne),
			after: c.checksOf(k.After), because: c.checksOf(k.Because),
		})
	}
	return c
}

func (c *Compiled) itemsOf(names []string) []int {
	var out []int
	for _, name := range names {
		if i := slices.Index(c.items, name); i >= 0 {
			out = append(out, i)
		}
	}
	return out
}

func (c *Compiled) checksOf(ids []string) []int {
	var out []int
	for _, id := range ids {
		if i, ok := c.index[id]; ok {
			out = append(out, i)
		}
	}
	return out
}

// Choice says of each check, by its place in the catalogue, whether it is judged.
type Choice []bool

// Choose asks the selection once for each check of a link; nil selects all.
func (c *Compiled) Choose(link string, selection Selection) Choice {
	choice := make(Choice, len(c.checks))
	for i := range choice {
		choice[i] = selection == nil || selection(link, *c.checks[i].Check)
	}
	return choice
}

// Judge is as the function of that name, for a choice made before.
func (c *Compiled) Judge(o *probes.Observation, choice Choice) []Verdict {
	j := c.judging(o)
	defer j.leave()
	return j.verdicts(choice)
}
