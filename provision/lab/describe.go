package lab

import "github.com/linkassay/linkassay/provision/lab/internal/wire"

// listing is an EC2 Describe operation: by ids or all of the caller's, filtered, oldest first, in
// pages.
type listing[T resource, X any] struct {
	ids     string                            // the request's list of ids, such as VpcId
	all     map[string]T                      // where they are
	find    func(id string) (T, error)        // the error for an unknown id
	filters []string                          // names that AWS knows, beside the tags
	values  func(r T, filter string) []string // of one resource
	show    func(r T) X                       // its element
}

func (l listing[T, X]) run(c *call) (*wire.Set[X], string, error) {
	f, err := filtersFrom(c, l.filters...)
	if err != nil {
		return nil, "", err
	}
	ids := c.params.List(l.ids)
	var found []T
	seen := map[string]bool{}
	for _, id := range ids {
		r, err := l.find(id)
		if err != nil {
			return nil, "", err
		}
		if !seen[id] {
			seen[id] = true
			found = append(found, r)
		}
	}
	if len(ids) == 0 {
		found = mine(c, l.all)
	} else {
		byAge(found)
	}
	if err := dryRun(c); err != nil {
		return nil, "", err
	}
	var kept []T
	for _, r := range found {
		if f.match(func(name string) []string {
			if v := r.record().tags.filter(name); v != nil {
				return v
			}
			return l.values(r, name)
		}) {
			kept = append(kept, r)
		}
	}
	kept, next, err := page(c, kept, 5, 1000)
	if err != nil {
		return nil, "", err
	}
	out := make([]X, 0, len(kept))
	for _, r := range kept {
		out = append(out, l.show(r))
	}
	return wire.SetOf(out), next, nil
}
