package awsapi

import "reflect"

// words are texts that occur again and again in a listing, such as the id of a VPC or the name of a zone: they are kept
// once.
type words map[string]*string

// maxWord bounds what is looked up: what is longer hardly comes twice.
const maxWord = 200

// share goes through structures as the SDK makes them, and lets equal texts be one. v is not copied.
func (w words) share(v any) { w.walk(reflect.ValueOf(v)) }

func (w words) walk(v reflect.Value) {
	switch v.Kind() {
	case reflect.Slice:
		for i := range v.Len() {
			w.walk(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				w.walk(v.Field(i))
			}
		}
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		if p, ok := v.Interface().(*string); ok {
			if v.CanSet() {
				v.Set(reflect.ValueOf(w.of(*p)))
			}
			return
		}
		w.walk(v.Elem())
	case reflect.String:
		if v.CanSet() {
			v.SetString(*w.of(v.String()))
		}
	}
}

func (w words) of(s string) *string {
	if len(s) > maxWord {
		return &s
	}
	if p, ok := w[s]; ok {
		return p
	}
	w[s] = &s
	return &s
}
