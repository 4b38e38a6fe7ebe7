package provision

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	validator "github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"go.yaml.in/yaml/v4"
)

// validate adds the document's deviations from the JSON schema to its problems.
func (d *document) validate() error {
	schema, err := compiledSchema()
	if err != nil {
		return err
	}
	err = schema.compiled.Validate(d.value)
	if failed, ok := errors.AsType[*validator.ValidationError](err); ok {
		d.addDeviations(schema, failed)
	} else if err != nil {
		return err
	}
	for _, place := range d.oddInts {
		if !d.wrong[place] {
			d.addAt(place, fmt.Sprintf("%s %s is not plain decimal, expected a whole number without leading zeros",
				keyOf(place), d.nodes[place].Value))
		}
	}
	return nil
}

func (d *document) addDeviations(schema *linkSchema, e *validator.ValidationError) {
	for _, c := range e.Causes {
		d.addDeviations(schema, c)
	}
	place := placeOf(e.InstanceLocation)
	key := subject(place)
	switch k := e.ErrorKind.(type) {
	case *kind.Schema, *kind.Reference, *kind.Group, *kind.AllOf:
		// What holds other deviations says nothing itself.
	case *kind.AdditionalProperties:
		known := schema.keys(e.SchemaURL)
		for _, p := range k.Properties {
			d.addAtKey(place+"/"+escape(p), unknownKey(p, known))
		}
	case *kind.Required:
		for _, p := range k.Missing {
			message := fmt.Sprintf("%s is missing", p)
			if in := keyOf(place); in != "" {
				message = fmt.Sprintf("%s has no %s", in, p)
			}
			d.addMissing(place, p, message+", expected "+expectation(p))
		}
	case *kind.Type:
		d.addAt(place, d.wrongType(place, k))
	case *kind.Enum:
		var want []string
		for _, w := range k.Want {
			want = append(want, fmt.Sprint(w))
		}
		d.addAt(place, fmt.Sprintf("%s is %s, expected %s", key, show(fmt.Sprint(k.Got)), strings.Join(want, " or ")))
	case *kind.Pattern:
		d.addAt(place, fmt.Sprintf("%s is %s, expected %s", key, show(k.Got), expectation(key)))
	case *kind.MinItems:
		d.addAt(place, fmt.Sprintf("%s is empty, expected at least %d", key, k.Want))
	case *kind.Minimum:
		d.addAt(place, fmt.Sprintf("%s is %s, expected %s or more", key, k.Got.RatString(), k.Want.RatString()))
	case *kind.Maximum:
		d.addAt(place, fmt.Sprintf("%s is %s, expected at most %s", key, k.Got.RatString(), k.Want.RatString()))
	default:
		if len(e.Causes) == 0 {
			d.addAt(place, fmt.Sprintf("%s is wrong: %s", key, oneLine(e.Error())))
		}
	}
}

// addMissing adds a problem about a key that is not there, at the mapping that should hold it. The
// mapping itself is not wrong: the rest of it is still checked.
func (d *document) addMissing(place, key, message string) {
	n := d.nodes[place]
	if n == nil {
		d.add(1, 1, message)
		return
	}
	d.wrong[place+"/"+escape(key)] = true
	d.add(n.Line, n.Column, message)
}

// wrongType says that a value has the wrong type. A value that only lacks quotes is the usual case.
func (d *document) wrongType(place string, k *kind.Type) string {
	key, n := subject(place), d.nodes[place]
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	wantText := slices.Contains(k.Want, "string")
	if n == nil || n.Kind != yaml.ScalarNode {
		return fmt.Sprintf("%s is %s, expected %s", key, typeName(k.Got), expectedType(key, k.Want))
	}
	tag := n.ShortTag()
	switch {
	case tag == "!!null":
		if slices.Contains(k.Want, "object") {
			return fmt.Sprintf("%s has no value, expected a mapping ({} for its defaults)", key)
		}
		return fmt.Sprintf("%s has no value, expected %s", key, expectedType(key, k.Want))
	case wantText && key == "account":
		return fmt.Sprintf("account %s is not quoted, expected \"%s\": unquoted it is a number, whose digits may be changed",
			n.Value, n.Value)
	case wantText && (tag == "!!int" || tag == "!!float" || tag == "!!bool"):
		if want := expectation(key); strings.Contains(want, "duration") {
			return fmt.Sprintf("%s is %s, expected %s", key, n.Value, want)
		}
		return fmt.Sprintf("%s is %s without quotes, which is not text, expected \"%s\"", key, n.Value, n.Value)
	}
	return fmt.Sprintf("%s is %s, expected %s", key, show(n.Value), expectedType(key, k.Want))
}

func typeName(jsonType string) string {
	switch jsonType {
	case "object":
		return "a mapping"
	case "array":
		return "a list"
	case "string":
		return "text"
	case "integer", "number":
		return "a number"
	case "boolean":
		return "true or false"
	}
	return "nothing"
}

func expectedType(key string, want []string) string {
	var names []string
	for _, w := range want {
		switch w {
		case "object":
			names = append(names, "a mapping (key: value)")
		case "array":
			names = append(names, "a list (- item)")
		case "integer":
			names = append(names, "a whole number")
		case "string":
			if e := expectation(key); e != "a value" {
				names = append(names, e)
			} else {
				names = append(names, "text")
			}
		default:
			names = append(names, typeName(w))
		}
	}
	return strings.Join(names, " or ")
}

// expectation says in words what the schema says in patterns.
func expectation(key string) string {
	switch key {
	case "apiVersion":
		return APIVersion
	case "links":
		return "a list of links"
	case "name":
		return "1 to 40 lower-case letters, digits and inner hyphens"
	case "account":
		return "12 digits in quotes"
	case "region":
		return "a Region such as ap-southeast-1"
	case "arn":
		return "a role such as arn:aws:iam::111111111111:role/NAME"
	case "serviceId":
		return "an endpoint service id such as vpce-svc-0123456789abcdef0"
	case "endpointId":
		return "an endpoint id such as vpce-0123456789abcdef0"
	case "vpcId":
		return "a VPC id such as vpc-0123456789abcdef0"
	case "instance":
		return "an instance id such as i-0123456789abcdef0"
	case "api", "dns", "connect", "tls", "http", "interval", "controlInterval", "duration":
		return "a duration such as 3s"
	case "start":
		return "a time such as 2026-12-31T22:00:00Z, or 22:00 in UTC"
	case "weekdays":
		return "a list of days such as [sunday]"
	case "provider", "consumer":
		return "a mapping with the account of that side"
	case "ports":
		return "a list of ports"
	case "port":
		return "a number from 1 to 65535"
	case "check":
		return "a check's id such as resilience.two-zones"
	case "reason":
		return "why the finding may stand"
	case "expires":
		return "a date such as 2026-12-31"
	case "from":
		return "local or socks5://HOST:PORT"
	}
	return "a value"
}

func unknownKey(key string, known []string) string {
	message := fmt.Sprintf("unknown key %s, expected one of %s", show(key), strings.Join(known, ", "))
	best, distance := "", 3
	for _, k := range known {
		if n := EditDistance(strings.ToLower(key), strings.ToLower(k)); n < distance {
			best, distance = k, n
		}
	}
	if best != "" {
		message += fmt.Sprintf(" (did you mean %s?)", best)
	}
	return message
}

// EditDistance is how many bytes must be put in, taken out or changed to make b of a (Levenshtein), for keys and ids: those
// of more than 100 bytes are never alike, and 100 bytes apart.
func EditDistance(a, b string) int {
	const most = 100
	if len(a) > most || len(b) > most {
		return most
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		previous := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := previous
			if a[i] != b[j] {
				cost = 1 + min(previous, row[j], row[j+1])
			}
			previous, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

func placeOf(location []string) string {
	var b strings.Builder
	for _, part := range location {
		b.WriteByte('/')
		b.WriteString(escape(part))
	}
	return b.String()
}

// keyOf names the value in place as a reader would: its key, or the list's name with a number counted
// from 1.
func keyOf(place string) string {
	parts := strings.Split(strings.TrimPrefix(place, "/"), "/")
	last := parts[len(parts)-1]
	if i, err := strconv.Atoi(last); err == nil && len(parts) > 1 {
		list := parts[len(parts)-2]
		return fmt.Sprintf("%s number %d", singular(list), i+1)
	}
	return strings.ReplaceAll(strings.ReplaceAll(last, "~1", "/"), "~0", "~")
}

// subject is what a message is about: the value's key, or for the document itself, the file.
func subject(place string) string {
	if key := keyOf(place); key != "" {
		return key
	}
	return "the file"
}

func singular(list string) string {
	switch list {
	case "status":
		return list
	}
	return strings.TrimSuffix(list, "s")
}
