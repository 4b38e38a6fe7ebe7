package reports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// ErrNewer says that a run.json is of a format, or has something in it, that this build does not know.
var ErrNewer = errors.New("made by a newer linkassay than this one")

// Decode reads run.json. What Encode would not write is an error: a field that is there twice or under another
// name, a summary that does not follow from the verdicts. A format or a field that this build does not know
// is ErrNewer.
func Decode(b []byte) (*Report, error) {
	wrap := func(err error) error { return fmt.Errorf("read run.json: %w", err) }
	var x run
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	err := d.Decode(&x)
	if format := x.Format; err != nil || format != Format {
		var head struct {
			Format string `json:"format"`
		}
		if err := json.Unmarshal(b, &head); err == nil {
			format = head.Format
		}
		switch {
		case strings.HasPrefix(format, "linkassay.run/v") && format != Format:
			return nil, wrap(fmt.Errorf("its format is %s, this build reads %s: %w", clean(format), Format, ErrNewer))
		case err != nil && strings.Contains(err.Error(), "unknown field"): // the package has no type for it
			return nil, wrap(fmt.Errorf("%s: %w", clean(strings.TrimPrefix(err.Error(), "json: ")), ErrNewer))
		case err != nil:
			return nil, wrap(err)
		}
		return nil, wrap(fmt.Errorf("its format is %q, not %s", clean(format), Format))
	}
	if len(bytes.TrimSpace(b[d.InputOffset():])) > 0 {
		return nil, wrap(errors.New("there is more after its end"))
	}
	r := Report(x.plain)
	for i := range r.Links {
		l := &r.Links[i]
		if l.Observation == nil {
			return nil, wrap(fmt.Errorf("link %d has no observation", i+1))
		}
		l.Raw = newRaw()
		for k := range l.Rounds {
			if l.Rounds[k].Observation == nil {
				l.Rounds[k].Observation = l.Observation
			}
		}
	}
	same := comparing{rest: b}
	if err := encode(&same, &r); err != nil {
		return nil, wrap(err)
	}
	// The same bytes, or at least the same values: another build may write them in another order.
	if same.other || len(same.rest) > 0 {
		again, err := Encode(&r)
		if err != nil {
			return nil, wrap(err)
		}
		if err := sameValues(b, again); err != nil {
			return nil, wrap(err)
		}
	}
	return &r, nil
}

// comparing compares what is written with what is known.
type comparing struct {
	rest  []byte
	other bool
}

func (c *comparing) Write(p []byte) (int, error) {
	rest, ok := bytes.CutPrefix(c.rest, p)
	c.rest, c.other = rest, c.other || !ok
	return len(p), nil
}

// sameValues says where the values of b differ from those of what was made of it. A field that b lacks is none.
func sameValues(b, again []byte) error {
	if err := refuseDuplicates(b); err != nil {
		return err
	}
	var x, y any
	for _, v := range []struct {
		b  []byte
		to *any
	}{{b, &x}, {again, &y}} {
		d := json.NewDecoder(bytes.NewReader(v.b))
		d.UseNumber()
		if err := d.Decode(v.to); err != nil {
			return err
		}
	}
	if at, ok := within(x, y); !ok {
		return fmt.Errorf("%s is not what follows from the rest of it", clean(at))
	}
	return nil
}

// within says whether all of x is in y, or else where it is not.
func within(x, y any) (at string, ok bool) {
	switch x := x.(type) {
	case map[string]any:
		y, isMap := y.(map[string]any)
		if !isMap {
			return "", false
		}
		for k, v := range x {
			w, there := y[k]
			if !there && v != nil {
				return "." + k, false
			}
			if at, ok := within(v, w); !ok {
				return "." + k + at, false
			}
		}
		return "", true
	case []any:
		y, isList := y.([]any)
		if !isList || len(x) != len(y) {
			return "", false
		}
		for i := range x {
			if at, ok := within(x[i], y[i]); !ok {
				return fmt.Sprintf("[%d]%s", i, at), false
			}
		}
		return "", true
	}
	return "", x == y
}

// refuseDuplicates finds what encoding/json passes over: a name twice in an object.
func refuseDuplicates(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	type level struct {
		object bool
		key    bool // a key comes next
		names  []string
	}
	var stack []level
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var top *level
		if len(stack) > 0 {
			top = &stack[len(stack)-1]
		}
		if name, isName := token.(string); isName && top != nil && top.object && top.key {
			if slices.Contains(top.names, name) {
				return fmt.Errorf("%q stands there twice", clean(name))
			}
			top.names, top.key = append(top.names, name), false
			continue
		}
		if token == json.Delim('}') || token == json.Delim(']') {
			stack = stack[:len(stack)-1]
			continue
		}
		if top != nil {
			top.key = top.object
		}
		if token == json.Delim('{') || token == json.Delim('[') {
			stack = append(stack, level{object: token == json.Delim('{'), key: true})
		}
	}
}
