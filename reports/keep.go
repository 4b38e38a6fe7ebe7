package reports

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

// hidden stands for what is not kept: it may be a secret, and no verdict rests on it.
const hidden = "(not recorded)"

// Raw is what an Observation holds by its digest alone: large, and read by no check.
type Raw struct {
	Messages     map[string][]byte // DNS messages by the SHA-256 of their wire format, in hex
	Certificates map[string][]byte // DER, by its SHA-256 in hex
}

func newRaw() *Raw {
	return &Raw{Messages: map[string][]byte{}, Certificates: map[string][]byte{}}
}

// Add takes in what another one holds.
func (r *Raw) Add(other *Raw) {
	if other == nil {
		return
	}
	for k, v := range other.Messages {
		r.Messages[k] = v
	}
	for k, v := range other.Certificates {
		r.Certificates[k] = v
	}
}

// Keep makes of an Observation what a report keeps of it, by encoding and decoding it: without external ids, values of
// request headers, start-up scripts and other secrets, and with DNS messages and certificates by their digest. What is
// to be judged is what Keep returns: then what was judged is what is kept. Each value that may go into
// a file is a field of a type in probes or provision, of which testdata/kept.txt lists all.
func Keep(o *probes.Observation) (*probes.Observation, *Raw, error) {
	kept, raw, err := redact(o)
	if err != nil {
		return nil, nil, err
	}
	b, err := json.Marshal(kept)
	if err != nil {
		return nil, nil, fmt.Errorf("encode the observation of %s: %w", o.Link.Name, err)
	}
	again := new(probes.Observation)
	if err := json.Unmarshal(b, again); err != nil {
		return nil, nil, fmt.Errorf("read the observation of %s again: %w", o.Link.Name, err)
	}
	return again, raw, nil
}

// HasSecrets says whether the link file holds what Keep looks for in all that a remote end sent back.
func HasSecrets(l *provision.Link) bool { return len(secretsOf(l)) > 0 }

// redact returns a copy of o without secrets, and what it holds by digest.
func redact(o *probes.Observation) (*probes.Observation, *Raw, error) {
	raw := newRaw()
	if o == nil {
		return nil, raw, nil
	}
	b, err := json.Marshal(o)
	if err != nil {
		return nil, nil, fmt.Errorf("encode the observation of %s: %w", o.Link.Name, err)
	}
	kept := new(probes.Observation)
	if err := json.Unmarshal(b, kept); err != nil {
		return nil, nil, fmt.Errorf("read the observation of %s again: %w", o.Link.Name, err)
	}
	r := redaction{raw: raw, secrets: secretsOf(&o.Link)}
	hideLink(&kept.Link)
	for field, v := range reflect.ValueOf(kept).Elem().Fields() {
		if field.Name != "Link" { // its owner's own words, of which the secret ones are hidden by now
			r.walk(v)
		}
	}
	return kept, raw, nil
}

// hideLink hides what a link file holds that is nobody else's business.
func hideLink(l *provision.Link) {
	for i := range l.Ports {
		h := l.Ports[i].HTTP
		if h == nil {
			continue
		}
		for name := range h.Headers {
			h.Headers[name] = hidden
		}
		h.Path = withoutQuery(h.Path)
	}
	if b := l.Provider.Build; b != nil && b.Instances != nil && b.Instances.UserData != "" {
		b.Instances.UserData = hidden
	}
	for i := range l.Vantages {
		l.Vantages[i].From = withoutUser(l.Vantages[i].From)
	}
	l.PublicDNS.From = withoutUser(l.PublicDNS.From)
}

// withoutQuery hides the values of a query: an address may carry a token.
func withoutQuery(s string) string {
	path, query, ok := strings.Cut(s, "?")
	if !ok || query == "" {
		return s
	}
	parts := strings.Split(query, "&")
	for i, p := range parts {
		name, _, _ := strings.Cut(p, "=")
		if name == p && i == 0 && len(parts) == 1 {
			return path + "?…" // no name: all of it is the value
		}
		parts[i] = name + "=…"
	}
	return path + "?" + strings.Join(parts, "&")
}

// withoutUser takes user and password out of an address.
func withoutUser(s string) string {
	if !strings.Contains(s, "@") {
		return s
	}
	if u, err := url.Parse(s); err == nil && u.User != nil {
		u.User = nil
		return u.String()
	}
	return hidden
}

// leastSecret is the length from which on a text is looked for everywhere: a shorter one would be found by chance.
const leastSecret = 8

// secretsOf are the secrets of a link file that a remote end may send back: external ids, and the request headers that
// are secret by their name. Each part of a value counts: "Bearer TOKEN".
func secretsOf(l *provision.Link) []string {
	var all []string
	add := func(s string) {
		if len(s) >= leastSecret && s != hidden {
			all = append(all, s)
			if escaped := url.QueryEscape(s); escaped != s {
				all = append(all, escaped)
			}
		}
	}
	for _, p := range []provision.Party{l.Provider.Party, l.Consumer.Party} {
		if p.Role != nil {
			add(p.Role.ExternalID)
		}
	}
	secret := regexp.MustCompile(`(?i)auth|token|key|secret|cookie|pass|session|cred|sign`)
	for _, p := range l.Ports {
		if p.HTTP == nil {
			continue
		}
		for name, value := range p.HTTP.Headers {
			if !secret.MatchString(name) {
				continue
			}
			add(value)
			for _, part := range strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(" ;,=:", r) }) {
				add(part)
			}
		}
		_, query, _ := strings.Cut(p.HTTP.Path, "?")
		for part := range strings.SplitSeq(query, "&") {
			_, value, _ := strings.Cut(part, "=")
			add(value)
			if meant, err := url.QueryUnescape(value); err == nil && meant != value {
				add(meant)
			}
		}
	}
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	return all
}

type redaction struct {
	raw     *Raw
	secrets []string
}

// walk visits every value once.
func (r *redaction) walk(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			r.walk(v.Elem())
		}
	case reflect.Struct:
		switch x := v.Addr().Interface().(type) {
		case *probes.Lookup:
			if len(x.Wire) > 0 {
				x.WireSHA256 = put(r.raw.Messages, x.Wire)
				x.Wire = nil
			}
		case *probes.Certificate:
			if len(x.DER) > 0 {
				x.SHA256 = put(r.raw.Certificates, x.DER)
				x.DER = nil
			}
		case *probes.Exchange:
			x.URL = withoutQuery(x.URL)
		}
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				r.walk(f)
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return
		}
		for i := range v.Len() {
			r.walk(v.Index(i))
		}
	case reflect.Map:
		if len(r.secrets) == 0 {
			return
		}
		for _, k := range v.MapKeys() {
			if e := v.MapIndex(k); e.Kind() == reflect.String {
				v.SetMapIndex(k, reflect.ValueOf(r.clean(e.String())).Convert(e.Type()))
			}
		}
	case reflect.String:
		if len(r.secrets) > 0 {
			v.SetString(r.clean(v.String()))
		}
	}
}

func (r *redaction) clean(s string) string {
	for _, secret := range r.secrets {
		s = strings.ReplaceAll(s, secret, hidden)
		// A text that was cut may end in the beginning of one.
		if i := strings.LastIndex(s, secret[:leastSecret]); i >= 0 && strings.HasPrefix(secret, strings.TrimSuffix(s[i:], "…")) {
			s = s[:i] + hidden
		}
	}
	return s
}

func put(into map[string][]byte, b []byte) string {
	sum := sha256.Sum256(b)
	id := hex.EncodeToString(sum[:])
	into[id] = b
	return id
}
