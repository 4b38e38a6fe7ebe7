// Package wire speaks the AWS wire protocols from the server's side: the ec2 and query protocols
// (form in, XML out) and rest-xml, with their errors and Signature Version 4.
package wire

import (
	"fmt"
	"net/url"
	"strconv"
)

// Params are the parameters of an ec2 or query request. It remembers which were read, so that a
// request with a parameter that the operation does not know can be told.
type Params struct {
	values url.Values
	read   map[string]bool
}

// NewParams wraps a decoded form.
func NewParams(v url.Values) *Params { return &Params{values: v, read: map[string]bool{}} }

// Has says whether the parameter was sent at all.
func (p *Params) Has(key string) bool {
	p.read[key] = true
	_, ok := p.values[key]
	return ok
}

// String returns the parameter, or "".
func (p *Params) String(key string) string {
	p.read[key] = true
	return p.values.Get(key)
}

// Bool returns a boolean parameter, or def when it was not sent.
func (p *Params) Bool(key string, def bool) (bool, error) {
	switch s := p.String(key); s {
	case "":
		return def, nil
	case "true", "True":
		return true, nil
	case "false", "False":
		return false, nil
	default:
		return def, Errorf(400, "InvalidParameterValue", "Invalid value '%s' for %s: expected true or false", s, key)
	}
}

// Int returns an integer parameter, or def when it was not sent.
func (p *Params) Int(key string, def int) (int, error) {
	s := p.String(key)
	if s == "" {
		return def, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return def, Errorf(400, "InvalidParameterValue", "Invalid value '%s' for %s: expected an integer", s, key)
	}
	return n, nil
}

// List returns an EC2 list: Name.1, Name.2, … (flat).
func (p *Params) List(name string) []string {
	var out []string
	for i := 1; p.Has(fmt.Sprintf("%s.%d", name, i)); i++ {
		out = append(out, p.String(fmt.Sprintf("%s.%d", name, i)))
	}
	return out
}

// Members returns a query-protocol list: Name.member.1, Name.member.2, …
func (p *Params) Members(name string) []string { return p.List(name + ".member") }

// Each calls f with the prefix of each structure in a list, "Name.1", "Name.2", … as long as one
// parameter below that prefix exists. For the query protocol pass "Name.member".
func (p *Params) Each(name string, f func(prefix string) error) error {
	for i := 1; ; i++ {
		prefix := fmt.Sprintf("%s.%d", name, i)
		if !p.below(prefix) {
			return nil
		}
		if err := f(prefix); err != nil {
			return err
		}
	}
}

func (p *Params) below(prefix string) bool {
	for k := range p.values {
		if len(k) > len(prefix) && k[:len(prefix)] == prefix && k[len(prefix)] == '.' || k == prefix {
			return true
		}
	}
	return false
}

// Values gives the raw form, for fingerprints and the request log.
func (p *Params) Values() url.Values { return p.values }

// Unread lists the parameters that nobody asked for, sorted by the caller if order matters.
func (p *Params) Unread() []string {
	var out []string
	for k := range p.values {
		if !p.read[k] {
			out = append(out, k)
		}
	}
	return out
}
