// Package yamlfile reads YAML as dyno takes it, for every file in that form:
// scenarios, targets, --config. The file may come from a stranger, so that its
// size, depth and what its aliases amount to are bounded, and it may come from
// any editor: a byte-order mark and line ends of Windows are no content.
//
// The document is walked by hand rather than unmarshalled: the YAML library
// takes 1.5 for an integer, 010 for eight and nothing for "<nil>", and forgets
// where a value stood. Read makes a tree of Nodes that know their places, with
// aliases and merge keys resolved, and a Decoder fills in a program's own
// types, gathering all faults.
package yamlfile

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/dynobench/dyno/internal/file"
)

// Bounds of a document. The parser's time grows with the square of the number
// of keys, and its stack with the depth.
const (
	MaxSize   = 1 << 20 // bytes
	maxTokens = 50_000
	maxDepth  = 64
	maxNodes  = 100_000 // once each alias has been replaced by what it stands for
)

// Error is a fault in a file: what is wrong, where, and what to do.
type Error struct {
	File         string
	Line, Column int // from 1; 0 where a fault has no place
	Msg          string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Msg
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Msg)
}

// Kind is what a Node is.
type Kind int

// The kinds of nodes. A Number is whatever YAML takes for one.
const (
	Null Kind = iota
	Bool
	Number
	Text
	List
	Map
)

// Node is a value and where it begins.
type Node struct {
	Kind         Kind
	Line, Column int
	Text         string  // of a Text, Number or Bool, as it is written
	Items        []*Node // of a List
	Pairs        []Pair  // of a Map, in the order of the file

	size, depth int // nodes and levels, aliases replaced
}

// Pair is a key of a Map and its value.
type Pair struct {
	Key   *Node // a Text
	Value *Node
}

// ReadFile returns the content of the file at path, if it is not too large.
func ReadFile(path string) ([]byte, error) {
	return file.Read(path, MaxSize)
}

// Parse reads the one document of a file. An empty one is a Null. The error,
// name being the file in its message, is an *Error.
func Parse(name string, data []byte) (root *Node, err error) {
	// The library panics on some input that no one writes in earnest, such as
	// a tag before a scalar where a sequence is wanted (found by fuzzing).
	defer func() {
		if r := recover(); r != nil {
			root, err = nil, &Error{File: name, Msg: fmt.Sprintf("cannot be read as YAML: %v", r)}
		}
	}()
	text, err := plain(name, data)
	if err != nil {
		return nil, err
	}
	tokens := lexer.Tokenize(text)
	if err := bounded(name, tokens); err != nil {
		return nil, err
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey()) // the conversion finds them, as they were meant
	if err != nil {
		var at yaml.Error
		if errors.As(err, &at) {
			return nil, fault(name, at.GetToken(), at.GetMessage()+"; not valid YAML")
		}
		return nil, &Error{File: name, Msg: err.Error()}
	}
	var docs []ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil && doc.Body.Type() != ast.CommentType && doc.Body.Type() != ast.DirectiveType {
			docs = append(docs, doc.Body)
		}
	}
	switch {
	case len(docs) == 0:
		return &Node{Line: 1, Column: 1}, nil
	case len(docs) > 1:
		return nil, fault(name, start(docs[1]), "a second document; put each into a file of its own")
	}
	c := &converter{name: name, anchors: map[string]*Node{}}
	root = c.node(docs[0], 0)
	if c.fault != nil {
		return nil, c.fault
	}
	return root, nil
}

// plain returns data as text without what only editors put there.
func plain(name string, data []byte) (string, error) {
	switch {
	case len(data) > MaxSize:
		return "", &Error{File: name, Msg: fmt.Sprintf("larger than %d MiB; it is no file for dyno", MaxSize>>20)}
	case strings.HasPrefix(string(data[:min(len(data), 2)]), "\xff\xfe"), strings.HasPrefix(string(data[:min(len(data), 2)]), "\xfe\xff"):
		return "", &Error{File: name, Line: 1, Column: 1, Msg: "written in UTF-16 (or UTF-32), by its byte-order mark; save it as UTF-8"}
	}
	text := strings.TrimPrefix(string(data), "\ufeff")
	line, column := 1, 1
	for i, r := range text {
		what := ""
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)):
			what = fmt.Sprintf("byte 0x%02x is not UTF-8; save the file as UTF-8", text[i])
		case r == 0:
			what = "a NUL byte; save the file as text in UTF-8"
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r == 0x7f, 0x80 <= r && r < 0xa0 && r != 0x85:
			what = fmt.Sprintf(`control character U+%04X; write it as \x%02x in double quotes`, r, r)
		}
		if what != "" {
			return "", &Error{File: name, Line: line, Column: column, Msg: what}
		}
		column++
		if r == '\n' {
			line, column = line+1, 1
		}
	}
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n"), nil
}

// bounded refuses what the parser, which calls itself for each level, would
// take too much time or stack for.
func bounded(name string, tokens token.Tokens) error {
	if len(tokens) > maxTokens {
		return &Error{File: name, Msg: fmt.Sprintf("more than %d tokens: too large for dyno", maxTokens)}
	}
	flow, line, inLine, indents := 0, 0, 0, []int{}
	for _, t := range tokens {
		if t.Position.Line != line {
			line, inLine = t.Position.Line, 0
			for len(indents) > 0 && indents[len(indents)-1] >= t.Position.Column {
				indents = indents[:len(indents)-1]
			}
			indents = append(indents, t.Position.Column)
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow = max(0, flow-1)
		case token.SequenceEntryType, token.MappingKeyType, token.TagType, token.AnchorType:
			inLine++
		case token.CollectEntryType:
			inLine = 0
		}
		if flow > maxDepth || inLine > maxDepth || len(indents) > maxDepth {
			return fault(name, t, fmt.Sprintf("nested more than %d levels deep: too deep for dyno", maxDepth))
		}
	}
	return nil
}

func fault(name string, at *token.Token, msg string) *Error {
	e := &Error{File: name, Msg: msg}
	if at != nil && at.Position != nil {
		e.Line, e.Column = at.Position.Line, at.Position.Column
	}
	return e
}

// start is where a value begins. The token of a mapping in block style is its
// first colon, which nobody would look for.
func start(n ast.Node) *token.Token {
	switch m := n.(type) {
	case *ast.MappingNode:
		if !m.IsFlowStyle && len(m.Values) > 0 {
			return m.Values[0].Key.GetToken()
		}
	case *ast.MappingValueNode:
		return m.Key.GetToken()
	}
	return n.GetToken()
}

// converter makes Nodes of the library's. Only the first fault is kept: what
// follows from it is no news.
type converter struct {
	name    string
	anchors map[string]*Node
	fault   *Error
}

func (c *converter) fail(n ast.Node, format string, args ...any) *Node {
	at := start(n)
	if c.fault == nil {
		c.fault = fault(c.name, at, fmt.Sprintf(format, args...))
	}
	return &Node{size: 1}
}

func (c *converter) node(n ast.Node, level int) *Node {
	if c.fault != nil {
		return &Node{}
	}
	if level > maxDepth {
		return c.fail(n, "nested more than %d levels deep: too deep for dyno", maxDepth)
	}
	out := &Node{size: 1, depth: 1}
	if at := start(n); at != nil && at.Position != nil {
		out.Line, out.Column = at.Position.Line, at.Position.Column
	}
	add := func(child *Node) {
		out.size += child.size
		out.depth = max(out.depth, child.depth+1)
	}
	switch v := n.(type) {
	case *ast.NullNode:
	case *ast.BoolNode:
		out.Kind, out.Text = Bool, v.GetToken().Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		out.Kind, out.Text = Number, v.GetToken().Value
	case *ast.StringNode:
		out.Kind, out.Text = Text, v.Value
	case *ast.LiteralNode:
		out.Kind, out.Text = Text, v.Value.Value
	case *ast.SequenceNode:
		out.Kind = List
		for _, item := range v.Values {
			child := c.node(item, level+1)
			out.Items = append(out.Items, child)
			add(child)
		}
	case *ast.MappingNode:
		c.pairs(out, v.Values, level, add)
	case *ast.MappingValueNode:
		c.pairs(out, []*ast.MappingValueNode{v}, level, add)
	case *ast.AnchorNode:
		out = c.node(v.Value, level+1)
		c.anchors[v.Name.GetToken().Value] = out
	case *ast.AliasNode:
		target, ok := c.anchors[v.Value.GetToken().Value]
		if !ok {
			return c.fail(n, "alias *%s: nothing before it has the anchor &%[1]s", v.Value.GetToken().Value)
		}
		named := *target // at the place of the alias, where the value is used
		named.Line, named.Column = out.Line, out.Column
		out = &named
	case *ast.TagNode:
		return c.fail(n, "tag %s; write the value without it, in quotes where it is text", v.GetToken().Value)
	default:
		return c.fail(n, "%s: dyno does not support this part of YAML", n.GetToken().Value)
	}
	if out.size > maxNodes {
		return c.fail(n, "its aliases expand to more than %d values: too large for dyno", maxNodes)
	}
	if level+out.depth > 2*maxDepth {
		return c.fail(n, "nested more than %d levels deep: too deep for dyno", 2*maxDepth)
	}
	return out
}

// pairs fills a Map. A merge key (<<) brings the pairs of other maps, of which
// those written out, before it or after, take precedence.
func (c *converter) pairs(out *Node, values []*ast.MappingValueNode, level int, add func(*Node)) {
	out.Kind = Map
	first := map[string]*Node{}
	var merged []*Node
	for _, v := range values {
		if _, ok := v.Key.(*ast.MergeKeyNode); ok {
			from := c.node(v.Value, level+1)
			add(from)
			maps := []*Node{from}
			if from.Kind == List {
				maps = from.Items
			}
			for _, m := range maps {
				if m.Kind != Map && c.fault == nil {
					c.fail(v.Value, "<<: %s; write an alias of a mapping, or a list of such", m)
				}
			}
			merged = append(merged, maps...)
			continue
		}
		key := c.key(v.Key)
		if at, ok := first[key.Text]; ok && c.fault == nil {
			c.fail(v.Key, "key %q is already at %d:%d; leave one out", key.Text, at.Line, at.Column)
		}
		first[key.Text] = key
		value := c.node(v.Value, level+1)
		out.Pairs = append(out.Pairs, Pair{key, value})
		add(value)
	}
	for _, m := range merged {
		for _, p := range m.Pairs {
			if first[p.Key.Text] == nil {
				first[p.Key.Text] = p.Key
				out.Pairs = append(out.Pairs, p)
			}
		}
	}
}

// key is a word, whatever YAML would read it as.
func (c *converter) key(k ast.Node) *Node {
	switch v := k.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode, *ast.InfinityNode, *ast.NanNode:
		at := k.GetToken()
		return &Node{Kind: Text, Text: at.Value, Line: at.Position.Line, Column: at.Position.Column, size: 1}
	default:
		c.fail(v, "a key that is not a word; write key: value")
		return &Node{Kind: Text}
	}
}

// Get returns the value of a key of a Map, or nil.
func (n *Node) Get(key string) *Node {
	i := slices.IndexFunc(n.Pairs, func(p Pair) bool { return p.Key.Text == key })
	if i < 0 {
		return nil
	}
	return n.Pairs[i].Value
}

// String describes the value in a message.
func (n *Node) String() string {
	switch n.Kind {
	case Null:
		return "no value"
	case Text:
		return fmt.Sprintf("%q", n.Text)
	case List:
		return "a list"
	case Map:
		return "a mapping"
	}
	return n.Text
}
