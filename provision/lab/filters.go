package lab

import (
	"slices"
	"strings"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// filterSet is an EC2 request's Filter.N list: every filter must match, by any of its values.
type filterSet []filter

type filter struct {
	name   string
	values []string
}

// filtersFrom reads Filter.N.Name and Filter.N.Value.M. Names that are not allowed are refused;
// tag:KEY, tag-key and tag-value are always allowed.
func filtersFrom(c *call, allowed ...string) (filterSet, error) {
	var out filterSet
	err := c.params.Each("Filter", func(prefix string) error {
		f := filter{name: c.params.String(prefix + ".Name"), values: c.params.List(prefix + ".Value")}
		switch {
		case f.name == "":
			return wire.Errorf(400, "InvalidParameterValue", "The filter 'null' is invalid")
		case strings.HasPrefix(f.name, "tag:") || f.name == "tag-key" || f.name == "tag-value":
		case !slices.Contains(allowed, f.name):
			return wire.Errorf(400, "InvalidParameterValue", "The filter '%.128s' is invalid", f.name)
		}
		if len(f.values) == 0 {
			return wire.Errorf(400, "InvalidParameterValue", "The filter '%.128s' has no values", f.name)
		}
		if len(f.values) > 200 {
			return wire.Errorf(400, "FilterLimitExceeded", "The maximum number of filter values specified on a single call is 200")
		}
		out = append(out, f)
		return nil
	})
	return out, err
}

// match says whether a resource passes; get gives the resource's values for a filter's name, and
// is asked for tags as "tag:KEY" and "tag-key" (see tags.filter).
func (f filterSet) match(get func(name string) []string) bool {
	for _, wanted := range f {
		have := get(wanted.name)
		if !slices.ContainsFunc(wanted.values, func(pattern string) bool {
			return slices.ContainsFunc(have, func(v string) bool { return wildcard(pattern, v) })
		}) {
			return false
		}
	}
	return true
}

// wildcard matches as EC2 filters do: * for any characters, ? for one, \ before either makes it
// plain. It takes time proportional to the product of the lengths at worst: patterns are remote.
func wildcard(pattern, s string) bool {
	p, t := []rune(pattern), []rune(s)
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(t) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
			continue
		case i+1 < len(p) && p[i] == '\\' && p[i+1] == t[j]:
			i, j = i+2, j+1
			continue
		case i < len(p) && (p[i] == '?' || p[i] == t[j] && p[i] != '\\'):
			i, j = i+1, j+1
			continue
		case i < len(p) && p[i] == '\\' && t[j] == '\\' && (i+1 == len(p) || p[i+1] != '*' && p[i+1] != '?' && p[i+1] != '\\'):
			i, j = i+1, j+1
			continue
		case star >= 0:
			mark++
			i, j = star+1, mark
			continue
		}
		return false
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}

// one makes a filter's value list of a single value; none when it is empty.
func one(v string) []string {
	if v == "" {
		return nil
	}
	return []string{v}
}

// yes writes a boolean as filters and attributes have it.
func yes(b bool) string {
	if b {
		return "true"
	}
	return "false"
}
