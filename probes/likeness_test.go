package probes

import (
	"hash/maphash"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"
)

// Every field of what is measured either makes two Observations differ or is named here as one that doesn't: a new
// field can't be forgotten.
func TestLikenessCoversEveryField(t *testing.T) {
	t.Parallel()
	ignored := []string{
		"Lookup.Started", "Lookup.Duration", "Lookup.Attempts", "Lookup.TTL", "Lookup.Wire", "Lookup.WireSHA256",
		"Try.Started", "Try.Duration", "Exchange.Headers", "Exchange.BodyBytes", "Exchange.BodySHA256",
		"Certificate.Subject", "Certificate.Issuer", "Certificate.DNSNames", "Certificate.NotBefore", "Certificate.NotAfter", "Certificate.DER", // its digest says it
	}
	measured := func() *Observation {
		at := netip.MustParseAddrPort("10.0.0.1:443")
		yes := true
		lookups := func() *Item[[]Lookup] {
			return &Item[[]Lookup]{Value: []Lookup{{Name: "n", Addrs: []netip.Addr{at.Addr()}, Negative: &Negative{Zone: "z", TTL: 1}}}}
		}
		return &Observation{
			DNS: DNS{Private: lookups(), Regional: lookups(), Zonal: lookups()},
			Reach: Reach{
				TCP:   &Item[[]Attempt]{Value: []Attempt{{Addr: at, Tries: []Try{{Outcome: OK}}}}},
				TLS:   &Item[[]Handshake]{Value: []Handshake{{Addr: at, Chain: []Certificate{{SHA256: "1"}}}}},
				HTTP:  &Item[[]Exchange]{Value: []Exchange{{Addr: at, BodyMatched: &yes}}},
				Large: &Item[[]Exchange]{Value: []Exchange{{Addr: at}}},
			},
		}
	}
	seed := maphash.MakeSeed()
	alike := func(a, b *Observation) bool {
		x, xOK := a.Likeness(seed)
		y, yOK := b.Likeness(seed)
		return x == y && xOK && yOK
	}
	if !alike(measured(), measured()) {
		t.Fatal("the same is not alike")
	}
	var used []string
	var walk func(v reflect.Value, path string, differs func() bool)
	walk = func(v reflect.Value, path string, differs func() bool) {
		switch v.Kind() {
		case reflect.Pointer:
			if v.IsNil() {
				t.Errorf("%s is not set in the test", path)
				return
			}
			walk(v.Elem(), path, differs)
			return
		case reflect.Slice:
			if v.Len() > 0 && v.Type().Elem().Kind() == reflect.Struct && v.Type().Elem().PkgPath() == reflect.TypeFor[Observation]().PkgPath() {
				walk(v.Index(0), path, differs)
				return
			}
		case reflect.Struct:
			if v.Type().PkgPath() == reflect.TypeFor[Observation]().PkgPath() {
				for i := range v.NumField() {
					walk(v.Field(i), v.Type().Name()+"."+v.Type().Field(i).Name, differs)
				}
				return
			}
		}
		before := reflect.New(v.Type()).Elem()
		before.Set(v)
		change(t, v, path)
		skip := slices.Contains(ignored, path)
		if skip {
			used = append(used, path)
		}
		if differs() == skip {
			t.Errorf("%s changed: differs %v", path, !skip)
		}
		v.Set(before)
	}
	o := measured()
	differs := func() bool { return !alike(o, measured()) }
	for name, v := range map[string]reflect.Value{
		"private": reflect.ValueOf(&o.DNS.Private.Value[0]), "regional": reflect.ValueOf(&o.DNS.Regional.Value[0]), "zonal": reflect.ValueOf(&o.DNS.Zonal.Value[0]),
		"tcp": reflect.ValueOf(&o.Reach.TCP.Value[0]), "tls": reflect.ValueOf(&o.Reach.TLS.Value[0]), "http": reflect.ValueOf(&o.Reach.HTTP.Value[0]),
	} {
		walk(v, name, differs)
	}
	for _, path := range ignored {
		if !slices.Contains(used, path) {
			t.Errorf("%s is no field", path)
		}
	}
	for name, change := range map[string]func(o *Observation){
		"one more":    func(o *Observation) { o.Reach.Large.Value = append(o.Reach.Large.Value, Exchange{}) },
		"an error":    func(o *Observation) { o.Reach.Large.Error = &Failure{} },
		"absent":      func(o *Observation) { o.Reach.Large = &Item[[]Exchange]{Absent: NoSubject} },
		"none":        func(o *Observation) { o.DNS.Zonal = nil },
		"silences":    func(o *Observation) { o.Reach.Idle = &Item[[]Silence]{Value: []Silence{{}}} },
		"a panic":     func(o *Observation) { o.Panics = []string{"x"} },
		"interrupted": func(o *Observation) { o.Interrupted = true },
		"a body that does not match, of another size": func(o *Observation) {
			no := false
			o.Reach.HTTP.Value[0].BodyMatched, o.Reach.HTTP.Value[0].BodyBytes = &no, 7
		},
	} {
		o := measured()
		change(o)
		if alike(o, measured()) {
			t.Errorf("%s: alike", name)
		}
	}
}

// change gives a field another value.
func change(t *testing.T, v reflect.Value, path string) {
	t.Helper()
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		*x = x.Add(time.Hour)
		return
	case *netip.AddrPort:
		*x = netip.MustParseAddrPort("10.9.9.9:1")
		return
	case *[]netip.Addr:
		*x = []netip.Addr{netip.MustParseAddr("10.9.9.9")}
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("other")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int, reflect.Int64:
		v.SetInt(v.Int() + 7)
	case reflect.Uint32:
		v.SetUint(v.Uint() + 7)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), v.Len()+1, v.Len()+1))
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"other": "1"}))
	default:
		t.Fatalf("%s: a %s can't be changed here", path, v.Type())
	}
}
