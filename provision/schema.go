package provision

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	reflector "github.com/invopop/jsonschema"
	validator "github.com/santhosh-tekuri/jsonschema/v6"
)

// schemaID names the schema of the link file; it is not fetched.
const schemaID = "https://github.com/linkassay/linkassay/provision/link.schema.json"

// durationPattern is what time.ParseDuration reads, without signs.
const durationPattern = `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`

// Schema returns the JSON schema of the link file, made from the Go types. A copy is kept in
// link.schema.json for editors.
func Schema() ([]byte, error) {
	r := reflector.Reflector{
		FieldNameTag:   "yaml",
		ExpandedStruct: true,
		Anonymous:      true,
		Mapper: func(t reflect.Type) *reflector.Schema {
			if t == reflect.TypeFor[Duration]() {
				return &reflector.Schema{Type: "string", Pattern: durationPattern}
			}
			return nil
		},
	}
	s := r.Reflect(&File{})
	s.ID = schemaID
	s.Title = "linkassay link file"
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the link file's JSON schema: %w", err)
	}
	return append(text, '\n'), nil
}

// linkSchema is the schema ready to validate, and as plain JSON. It never changes once made.
type linkSchema struct {
	compiled *validator.Schema
	plain    any
}

var compiledSchema = sync.OnceValues(func() (*linkSchema, error) {
	text, err := Schema()
	if err != nil {
		return nil, err
	}
	plain, err := validator.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("read the link file's JSON schema: %w", err)
	}
	c := validator.NewCompiler()
	if err := c.AddResource(schemaID, plain); err != nil {
		return nil, fmt.Errorf("add the link file's JSON schema: %w", err)
	}
	s, err := c.Compile(schemaID)
	if err != nil {
		return nil, fmt.Errorf("compile the link file's JSON schema: %w", err)
	}
	return &linkSchema{compiled: s, plain: plain}, nil
})

// keys are the keys that the part of the schema at url allows.
func (s *linkSchema) keys(url string) []string {
	_, fragment, _ := strings.Cut(url, "#")
	at := s.plain
	for part := range strings.SplitSeq(strings.Trim(fragment, "/"), "/") {
		if m, ok := at.(map[string]any); ok && part != "" {
			at = m[part]
		}
	}
	m, _ := at.(map[string]any)
	properties, _ := m["properties"].(map[string]any)
	return slices.Sorted(maps.Keys(properties))
}
