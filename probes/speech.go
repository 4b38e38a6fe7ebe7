package probes

import "github.com/linkassay/linkassay/provision"

// speech is a port with what is needed to talk TLS and HTTP on it.
type speech struct {
	provision.Port
	trust *trust // nil without TLS
	ask   *request
	mute  bool // its files can't be read: TCP only; the items say why
}

// silent says whether nothing is said on the port.
func (s *speech) silent() bool { return s.mute || s.trust == nil && s.ask == nil }

// speeches are the ports of a link, and why some of them can't be spoken to.
type speeches struct {
	from          []provision.Port
	ports         []speech
	noTLS, noHTTP error
}

// of says whether they were made of these very ports.
func (s *speeches) of(ports []provision.Port) bool {
	return s != nil && len(s.from) == len(ports) && (len(ports) == 0 || &s.from[0] == &ports[0])
}

// prepare reads what the ports need. It is not changed afterwards.
func prepare(ports []provision.Port, load func(provision.TLS) (*trust, error)) *speeches {
	said := &speeches{from: ports}
	for _, p := range ports {
		sp := speech{Port: p}
		var err error
		if p.TLS != nil {
			if sp.trust, err = load(*p.TLS); err != nil {
				sp.mute = true
				said.noTLS = firstOf(said.noTLS, err)
			}
		}
		if p.HTTP != nil {
			var bad error
			if sp.ask, bad = newRequest(*p.HTTP); err == nil {
				err = bad
			}
			if err != nil {
				sp.mute = true
				said.noHTTP = firstOf(said.noHTTP, err)
			}
		}
		said.ports = append(said.ports, sp)
	}
	return said
}

func firstOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
