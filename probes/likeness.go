package probes

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
)

// Likeness is a digest of how names and connections were found: of everything that was measured from vantages but
// times, TTLs of positive answers, repeats of DNS questions, raw messages, and HTTP headers and bodies of which the
// link file expects nothing. Checks do not read these, so two Observations that have the same likeness and the same
// control plane are judged alike, as long as nothing runs out between them (certificates, accepted findings, the age of
// what is pending). It is false where two Observations can't be compared so: something could not be measured, or
// silent connections were.
func (o *Observation) Likeness(seed maphash.Seed) (uint64, bool) {
	if o.Interrupted || len(o.Panics) > 0 || o.Reach.Idle != nil && (o.Reach.Idle.Error != nil || len(o.Reach.Idle.Value) > 0) {
		return 0, false
	}
	var l likeness
	l.SetSeed(seed)
	ok := likeItem(&l, o.DNS.Private, likeLookup) && likeItem(&l, o.DNS.Regional, likeLookup) && likeItem(&l, o.DNS.Zonal, likeLookup) &&
		likeItem(&l, o.Reach.TCP, likeAttempt) && likeItem(&l, o.Reach.TLS, likeHandshake) && likeItem(&l, o.Reach.HTTP, likeExchange) &&
		likeItem(&l, o.Reach.Large, likeExchange)
	return l.Sum64(), ok
}

// likeness digests values such that no two different sequences of them look the same.
type likeness struct{ maphash.Hash }

func (l *likeness) number(n int) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(n))
	_, _ = l.Write(b[:])
}

func (l *likeness) yes(b bool) {
	n := byte(0)
	if b {
		n = 1
	}
	_ = l.WriteByte(n)
}

func (l *likeness) texts(all ...string) {
	for _, s := range all {
		l.number(len(s))
		_, _ = l.WriteString(s)
	}
}

func (l *likeness) addr(a netip.Addr) {
	b := a.As16()
	_, _ = l.Write(b[:])
	l.yes(a.Is4())
	l.texts(a.Zone())
}

func (l *likeness) addrPort(a netip.AddrPort) {
	l.addr(a.Addr())
	l.number(int(a.Port()))
}

func (l *likeness) target(t *Target) { l.texts(string(t.Kind), t.Name, t.ZoneID) }

func (l *likeness) try(t *Try) { l.texts(string(t.Outcome), t.Detail) }

func likeItem[T any](l *likeness, it *Item[[]T], one func(l *likeness, v *T)) bool {
	if it == nil {
		l.number(-1)
		return true
	}
	if it.Error != nil {
		return false
	}
	l.texts(string(it.Absent))
	l.number(len(it.Value))
	for i := range it.Value {
		one(l, &it.Value[i])
	}
	return true
}

func likeLookup(l *likeness, v *Lookup) {
	l.texts(v.Vantage, v.Name, v.Type, v.Transport, string(v.Outcome), v.Detail, v.RCode)
	l.addrPort(v.Server)
	l.yes(v.Auth)
	for _, list := range [][]string{v.Chain, v.Texts, v.Hosts} {
		l.number(len(list))
		l.texts(list...)
	}
	l.number(len(v.Addrs))
	for _, a := range v.Addrs {
		l.addr(a)
	}
	if v.Negative != nil {
		l.texts(v.Negative.Zone)
		l.number(int(v.Negative.TTL))
	}
	l.yes(v.Negative != nil)
}

func likeAttempt(l *likeness, v *Attempt) {
	l.texts(v.Vantage)
	l.target(&v.Target)
	l.addrPort(v.Addr)
	l.number(len(v.Tries))
	for i := range v.Tries {
		l.try(&v.Tries[i])
	}
}

func likeHandshake(l *likeness, v *Handshake) {
	l.texts(v.Vantage, v.ServerName, v.Version, v.Cipher, v.VerifyError)
	l.target(&v.Target)
	l.addrPort(v.Addr)
	l.try(&v.Try)
	l.number(len(v.Chain))
	for i := range v.Chain {
		l.texts(v.Chain[i].SHA256)
	}
}

func likeExchange(l *likeness, v *Exchange) {
	l.texts(v.Vantage, v.Method, v.URL, v.EndpointID)
	l.target(&v.Target)
	l.addrPort(v.Addr)
	l.try(&v.Try)
	l.number(v.Status)
	l.yes(v.BodyMatched != nil)
	if v.BodyMatched != nil {
		if l.yes(*v.BodyMatched); !*v.BodyMatched {
			l.number(int(v.BodyBytes)) // what a wrong answer says is told with its size
		}
	}
}
