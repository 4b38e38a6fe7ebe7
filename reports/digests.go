package reports

import (
	"fmt"
	"reflect"

	"github.com/linkassay/linkassay/probes"
)

// CheckRaw says whether raw holds just what the report names by digest.
func (r *Report) CheckRaw(raw *Raw) error {
	messages, certificates := map[string]bool{}, map[string]bool{}
	for _, l := range r.Links {
		named(reflect.ValueOf(l.Observation), messages, certificates)
		for _, round := range l.Rounds {
			if round.Observation != l.Observation {
				named(reflect.ValueOf(round.Observation), messages, certificates)
			}
		}
	}
	for _, x := range []struct {
		file, what string
		named      map[string]bool
		there      map[string][]byte
	}{{"dns.txt", "message", messages, raw.Messages}, {"certificates.pem", "certificate", certificates, raw.Certificates}} {
		for id := range x.named {
			if _, ok := x.there[id]; !ok {
				return fmt.Errorf("%s lacks the %s %s that run.json names", x.file, x.what, clean(id))
			}
		}
		for id := range x.there {
			if !x.named[id] {
				return fmt.Errorf("%s holds the %s %s, which run.json does not name", x.file, x.what, id)
			}
		}
	}
	return nil
}

// named gathers the digests that an Observation names.
func named(v reflect.Value, messages, certificates map[string]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			named(v.Elem(), messages, certificates)
		}
	case reflect.Struct:
		switch x := v.Interface().(type) {
		case probes.Lookup:
			if x.WireSHA256 != "" {
				messages[x.WireSHA256] = true
			}
		case probes.Certificate:
			certificates[x.SHA256] = true
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				named(v.Field(i), messages, certificates)
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() != reflect.Uint8 {
			for i := range v.Len() {
				named(v.Index(i), messages, certificates)
			}
		}
	}
}
