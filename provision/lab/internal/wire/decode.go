package wire

import (
	"bytes"
	"encoding/xml"
	"net/url"
)

// ParseForm reads the parameters of an ec2 or query request from its URL's query and its body.
func ParseForm(query string, body []byte) (*Params, error) {
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, Errorf(400, "MalformedQueryString", "The request's form could not be read: %s", err)
	}
	if query != "" {
		more, err := url.ParseQuery(query)
		if err != nil {
			return nil, Errorf(400, "MalformedQueryString", "The query string could not be read: %s", err)
		}
		for k, v := range more {
			values[k] = append(values[k], v...)
		}
	}
	return NewParams(values), nil
}

// ParseXML reads a rest-xml request body, whose root must be the named element, into v.
func ParseXML(body []byte, root string, v any) error {
	d := xml.NewDecoder(bytes.NewReader(body))
	for {
		t, err := d.Token()
		if err != nil {
			return Errorf(400, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema: expected %s", root)
		}
		start, ok := t.(xml.StartElement)
		if !ok {
			continue
		}
		if start.Name.Local != root {
			return Errorf(400, "MalformedInput", "%s is not valid, expected %s", start.Name.Local, root)
		}
		if err := d.DecodeElement(v, &start); err != nil {
			return Errorf(400, "MalformedInput", "%s is not valid: %s", root, err)
		}
		return nil
	}
}
