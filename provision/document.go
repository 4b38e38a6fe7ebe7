package provision

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// Bounds of a link file.
const (
	maxFileBytes = 1 << 20
	maxNodes     = 100_000 // with aliases written out
	maxDepth     = 50
)

// document is a parsed link file: its nodes by place, and what is wrong so far. A place is a JSON
// pointer such as /links/0/name.
type document struct {
	name     string
	lines    []string
	root     *yaml.Node
	nodes    map[string]*yaml.Node // values
	keys     map[string]*yaml.Node // mapping keys
	value    any                   // the same as JSON, for the schema
	oddInts  []string              // places of whole numbers that are not plain decimal
	problems []Problem
	wrong    map[string]bool // places with a problem
	count    int
	broken   bool // the tree itself cannot be used: loops, or too large
}

// parse reads YAML. The document's problems tell what is wrong; when root is nil there is nothing to look
// into further.
func parse(r io.Reader, name string) (*document, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read link file %s: %w", name, err)
	}
	d := &document{name: name, nodes: map[string]*yaml.Node{}, keys: map[string]*yaml.Node{}, wrong: map[string]bool{}}
	switch {
	case len(text) > maxFileBytes:
		d.add(1, 1, "the file is larger than 1 MiB, expected a link file")
		return d, nil
	case bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")):
		d.add(1, 1, "the file is UTF-16, expected UTF-8: save it again as UTF-8")
		return d, nil
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	// YAML takes a lone carriage return for a line break too; lines must count alike here.
	plain := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(text))
	d.lines = strings.Split(plain, "\n")
	if !d.checkCharacters(plain) {
		return d, nil
	}

	loader, err := yaml.NewLoader(strings.NewReader(plain))
	if err != nil {
		return nil, fmt.Errorf("read link file %s: %w", name, err)
	}
	var first yaml.Node
	err = loader.Load(&first)
	if errors.Is(err, io.EOF) || err == nil && first.Kind == 0 {
		d.add(1, 1, "the file is empty, expected apiVersion and links")
		return d, nil
	}
	if err != nil {
		d.addYAMLError(err)
		return d, nil
	}
	var second yaml.Node
	if err := loader.Load(&second); err == nil {
		d.add(max(second.Line, 1), max(second.Column, 1), "a second YAML document, expected one document: put all links into one list")
	} else if !errors.Is(err, io.EOF) {
		d.addYAMLError(err)
	}
	if first.Kind == yaml.DocumentNode && len(first.Content) == 1 {
		d.root = first.Content[0]
		d.value = d.build(d.root, "", nil)
	}
	return d, nil
}

// checkCharacters refuses what YAML refuses, but says where.
func (d *document) checkCharacters(text string) bool {
	line, col := 1, 1
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD"):
			d.add(line, col, "a byte that is not UTF-8, expected UTF-8 text")
			return false
		case r == '\n':
			line, col = line+1, 0
		case r < ' ' && r != '\t', r == 0x7f, r >= 0x80 && r < 0xa0 && r != 0x85, r == 0xfeff:
			d.add(line, col, fmt.Sprintf("a control character (U+%04X), expected text", r))
			return false
		}
		col++
	}
	return true
}

// addYAMLError turns an error of the YAML parser into a problem with a place.
func (d *document) addYAMLError(err error) {
	var load *yaml.LoadError
	if !errors.As(err, &load) {
		d.add(1, 1, "not YAML: "+oneLine(err.Error()))
		return
	}
	line, col := max(load.Mark.Line, 1), max(load.Mark.Column, 1)
	// An unclosed bracket is noticed at the end of the file; where it was opened helps more.
	if line > len(d.lines) || line == len(d.lines) && d.line(line) == "" {
		if load.ContextMark.Line > 0 {
			line, col = load.ContextMark.Line, max(load.ContextMark.Column, 1)
		} else {
			line, col = max(len(d.lines)-1, 1), 1
		}
	}
	source := d.line(line)
	if indent := source[:len(source)-len(strings.TrimLeft(source, " \t"))]; strings.Contains(indent, "\t") {
		d.add(line, strings.Index(indent, "\t")+1, "a tab in the indentation, expected spaces")
		return
	}
	message := "not YAML: " + oneLine(load.Message)
	if load.ContextMsg != "" {
		message += " " + oneLine(load.ContextMsg)
	}
	d.add(line, col, message)
}

func (d *document) line(n int) string {
	if n < 1 || n > len(d.lines) {
		return ""
	}
	return d.lines[n-1]
}

func (d *document) add(line, col int, message string) {
	d.problems = append(d.problems, hideSecrets(Problem{Line: line, Col: col, Message: printable(message), Source: d.line(line)}))
}

// addAt adds a problem at the value in place, or at the nearest thing around it that exists.
func (d *document) addAt(place, message string) {
	n := d.nodes[place]
	for p := place; n == nil; {
		i := strings.LastIndexByte(p, '/')
		if i < 0 {
			d.add(1, 1, message)
			return
		}
		p = p[:i]
		n = d.nodes[p]
	}
	d.wrong[place] = true
	d.add(n.Line, n.Column, message)
}

// addAtKey adds a problem at the key of the value in place.
func (d *document) addAtKey(place, message string) {
	k := d.keys[place]
	if k == nil {
		d.addAt(place, message)
		return
	}
	d.wrong[place] = true
	d.add(k.Line, k.Column, message)
}

// isWrong says whether there is a problem at the place or around it.
func (d *document) isWrong(place string) bool {
	for {
		if d.wrong[place] {
			return true
		}
		i := strings.LastIndexByte(place, '/')
		if i < 0 {
			return false
		}
		place = place[:i]
	}
}

var plainInt = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)

// build notes the place of every node below n and returns n as a JSON value. Aliases are written
// out, within bounds. Pairs that are refused are taken out of the tree, so that they
// do not stop the decoder.
func (d *document) build(n *yaml.Node, place string, above []*yaml.Node) any {
	if d.count++; d.count > maxNodes {
		d.broken = true
		if d.count == maxNodes+1 {
			d.add(n.Line, n.Column, fmt.Sprintf("more than %d values with aliases written out, expected a link file", maxNodes))
		}
		return nil
	}
	if len(above) > maxDepth {
		d.broken = true
		d.add(n.Line, n.Column, fmt.Sprintf("nested deeper than %d levels, expected a link file", maxDepth))
		return nil
	}
	for _, a := range above {
		if a == n {
			d.broken = true
			d.add(n.Line, n.Column, "an alias that holds itself, expected a value")
			return nil
		}
	}
	if _, ok := d.nodes[place]; !ok {
		d.nodes[place] = n
	}
	above = append(above[:len(above):len(above)], n)
	switch n.Kind {
	case yaml.AliasNode:
		if n.Alias == nil {
			return nil
		}
		return d.build(n.Alias, place, above)
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for i, c := range n.Content {
			list = append(list, d.build(c, place+"/"+strconv.Itoa(i), above))
		}
		return list
	case yaml.MappingNode:
		return d.buildMapping(n, place, above)
	default:
		return d.scalar(n, place)
	}
}

func (d *document) buildMapping(n *yaml.Node, place string, above []*yaml.Node) any {
	m := make(map[string]any, len(n.Content)/2)
	kept := n.Content[:0:0]
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind == yaml.ScalarNode && k.ShortTag() == "!!merge" {
			d.add(k.Line, k.Column, "a merge key (<<), expected the keys themselves")
			continue
		}
		if k.Kind != yaml.ScalarNode {
			d.add(k.Line, k.Column, "a key that is not text, expected a name")
			continue
		}
		p := place + "/" + escape(k.Value)
		if first, double := d.keys[p]; double && m != nil {
			if _, here := m[k.Value]; here {
				d.add(k.Line, k.Column, fmt.Sprintf("%s stands here a second time, expected once (first on line %d)", show(k.Value), first.Line))
				continue
			}
		}
		d.keys[p] = k
		m[k.Value] = d.build(v, p, above)
		kept = append(kept, k, v)
	}
	n.Content = kept
	return m
}

// scalar returns a scalar's JSON value. What is not one of JSON's types becomes text or a problem.
func (d *document) scalar(n *yaml.Node, place string) any {
	switch tag := n.ShortTag(); tag {
	case "!!str", "!!timestamp":
		return n.Value
	case "!!null":
		return nil
	case "!!bool":
		var b bool
		if n.Decode(&b) == nil {
			return b
		}
		return n.Value
	case "!!int":
		var i int64
		if n.Decode(&i) != nil {
			return n.Value
		}
		if !plainInt.MatchString(n.Value) {
			d.oddInts = append(d.oddInts, place)
		}
		return json.Number(strconv.FormatInt(i, 10))
	case "!!float":
		var f float64
		if n.Decode(&f) != nil || f != f || f > 1e15 || f < -1e15 {
			return n.Value
		}
		return json.Number(strconv.FormatFloat(f, 'f', -1, 64))
	default:
		d.addAt(place, fmt.Sprintf("the YAML tag %s, expected a plain value", show(tag)))
		return n.Value
	}
}

// escape writes a key as a part of a JSON pointer.
func escape(key string) string {
	return strings.ReplaceAll(strings.ReplaceAll(key, "~", "~0"), "/", "~1")
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
