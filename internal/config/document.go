package config

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v4"
)

// LoadWithoutSecrets is Load for where the secrets are not: everything is checked,
// that each secret's file is named included, but no secret is read. Such a
// configuration can be judged but not run.
func LoadWithoutSecrets(path string) (Config, error) {
	data, err := readFile(path)
	if err != nil {
		return Config{}, err
	}
	file, root, err := Parse(path, data)
	if err != nil {
		return Config{}, err
	}
	c := &checker{file: path}
	cfg := Config{File: file, dir: filepath.Dir(path)}
	cfg.Policies = c.check(&cfg.File, root)
	c.secrets(cfg.File, root, cfg.dir, func(string) (Secret, error) { return Secret{}, nil })
	if err := c.err(); err != nil {
		return Config{}, err
	}
	return cfg, nil
}

// Document is another file that was decoded as strictly as a configuration. It
// collects mistakes about what the file means, each at its line.
type Document struct {
	c    checker
	root *yaml.Node
}

// DecodeStrict decodes one YAML document into a struct of structs, slices, maps by
// name, pointers, texts, whole numbers and truth values. What names the content,
// least the keys that it must have; both are for messages. The error is an *Error
// with every mistake in the file's shape.
func DecodeStrict(name, what string, data []byte, into any, least string) (*Document, error) {
	d := &Document{c: checker{file: name, what: what}}
	var err error
	d.root, err = d.c.decode(data, into, least)
	if err != nil {
		return nil, err
	}
	return d, nil
}

// At is a place in a document: keys and indices from the top.
type At []any

// Down is a place below.
func (a At) Down(steps ...any) At { return append(slices.Clip(a), steps...) }

// Mistake adds a mistake, once. What is missing is reported at the nearest place
// above.
func (d *Document) Mistake(where At, format string, args ...any) {
	before := len(d.c.mistakes)
	d.c.add(at(d.root, where...), format, args...)
	if slices.Contains(d.c.mistakes[:before], d.c.mistakes[before]) {
		d.c.mistakes = d.c.mistakes[:before]
	}
}

// Line is the line of a place, from 1.
func (d *Document) Line(where At) int {
	return at(d.root, where...).Line
}

// Err is an *Error with all mistakes, by line, or nil.
func (d *Document) Err() error { return d.c.err() }

// decode decodes one document strictly and returns its top, for positions.
func (c *checker) decode(data []byte, into any, least string) (*yaml.Node, error) {
	if len(data) > fileLimit {
		c.add(nil, "the file is larger than %d bytes", fileLimit)
		return nil, c.err()
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document yaml.Node
	if err := decoder.Decode(&document); err != nil || len(document.Content) == 0 {
		switch {
		case err == nil || errors.Is(err, io.EOF):
			c.add(nil, "the file is empty; write at least %s", least)
		default:
			c.add(&yaml.Node{Line: lineOf(err)}, "this is not YAML: %s", err)
		}
		return nil, c.err()
	}
	var second yaml.Node
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		c.add(firstContent(&second), "there is a second document after \"---\"; %s is one document, remove the rest", c.kind())
		return nil, c.err()
	}
	root := document.Content[0]
	c.shape(root, reflect.TypeOf(into).Elem(), "")
	if err := c.err(); err != nil {
		return nil, err
	}
	if err := root.Decode(into); err != nil {
		c.add(root, "%s", err)
		return nil, c.err()
	}
	return root, nil
}

// kind is what the file is, with an article.
func (c *checker) kind() string {
	if c.what == "" {
		return "a configuration"
	}
	return c.what
}
