package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Version is that of the format that this Gatekeeper reads.
const Version = 1

// Migrated is a configuration that was brought to the newest format.
type Migrated struct {
	// From is the version that it had: 0 for a file that names none.
	From int
	// Steps say in words what was changed, in order; none when nothing had to be.
	Steps []string
	Text  []byte
}

// migration brings a file from one version to the next. It edits the text at the places
// that the nodes tell, so that comments, order and everything else stay as they are.
type migration struct {
	from int
	what string
	edit func(text []byte, root *yaml.Node) ([]byte, error)
}

// migrations are those to every version, oldest first. A file of version n has n of them
// behind it.
func migrations() []migration {
	return []migration{
		{0, "add version: 1, which every file is to name", addVersion},
	}
}

// Migrate brings a configuration to the newest format. What it means stays the same. The
// error is an *Error when the file is not well-formed, or of a newer version.
func Migrate(name string, data []byte) (Migrated, error) {
	return migrate(name, data, migrations())
}

func migrate(name string, data []byte, all []migration) (Migrated, error) {
	c := &checker{file: name}
	root, err := c.top(data)
	if err != nil {
		return Migrated{}, err
	}
	from := c.versionOf(root, len(all))
	if err := c.err(); err != nil {
		return Migrated{}, err
	}
	out := Migrated{From: from, Text: data}
	for _, m := range all[from:] {
		text, err := m.edit(out.Text, root)
		if err != nil {
			return Migrated{}, fmt.Errorf("%s: bring it from version %d to %d: %w", name, m.from, m.from+1, err)
		}
		out.Text, out.Steps = text, append(out.Steps, m.what)
		if root, err = c.top(text); err != nil {
			return Migrated{}, fmt.Errorf("%s: what version %d became is not readable: %w", name, m.from, err)
		}
		if now := c.versionOf(root, len(all)); now != m.from+1 || c.err() != nil {
			return Migrated{}, fmt.Errorf("%s: it is of version %d after it was brought to %d", name, now, m.from+1)
		}
	}
	return out, nil
}

// top is the top of the one document, of which the shape is not looked at.
func (c *checker) top(data []byte) (*yaml.Node, error) {
	if len(data) > fileLimit {
		c.add(nil, "the file is larger than %d bytes", fileLimit)
		return nil, c.err()
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document yaml.Node
	if err := decoder.Decode(&document); err != nil || len(document.Content) == 0 {
		if err == nil || errors.Is(err, io.EOF) {
			c.add(nil, "the file is empty")
		} else {
			c.add(&yaml.Node{Line: lineOf(err)}, "this is not YAML: %s", err)
		}
		return nil, c.err()
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		c.add(root, "the configuration must hold keys: %s", strings.Join(keys(reflect.TypeFor[File]()), ", "))
		return nil, c.err()
	}
	return root, nil
}

// versionOf is the version that a file names, 0 for none. One that is newer than known, or
// no version at all, is a mistake.
func (c *checker) versionOf(root *yaml.Node, known int) int {
	n := child(root, "version")
	if n == nil {
		return 0
	}
	version, err := strconv.Atoi(n.Value)
	switch {
	case n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" || err != nil || version < 1:
		c.add(n, "version must be a whole number from 1 to %d, the newest that this gatekeeper knows", known)
		return 0
	case version > known:
		c.add(n, "version %d is newer than this gatekeeper, which knows versions up to %d; use the gatekeeper that the file was written for, "+
			"or put back the file that this one ran with: what it does not know it cannot bring back", version, known)
		return 0
	}
	return version
}

var errFlow = errors.New("it is one {…} in braces; write version: 1 into it yourself")

// addVersion puts the key first, below a comment at the top of the file that is about all of
// it, and above a comment that is about the key that was first.
func addVersion(text []byte, root *yaml.Node) ([]byte, error) {
	if root.Style&yaml.FlowStyle != 0 || len(root.Content) == 0 {
		return nil, errFlow
	}
	first := root.Content[0]
	lines := strings.SplitAfter(string(text), "\n")
	at := first.Line - 1
	comment := func(line string) bool { return strings.HasPrefix(strings.TrimSpace(line), "#") }
	above := at
	for above > 0 && comment(lines[above-1]) {
		above--
	}
	// Comments that begin the file are about the file.
	if above > 0 && !strings.HasPrefix(lines[above-1], "---") && !strings.HasPrefix(lines[above-1], "%") {
		at = above
	}
	end := "\n"
	if strings.HasSuffix(lines[first.Line-1], "\r\n") {
		end = "\r\n"
	}
	fresh := strings.Repeat(" ", first.Column-1) + "version: 1" + end
	if strings.TrimLeft(lines[first.Line-1][:min(first.Column-1, len(lines[first.Line-1]))], " ") != "" {
		return nil, errFlow // something stands before the key, such as ---
	}
	return []byte(strings.Join(lines[:at], "") + fresh + strings.Join(lines[at:], "")), nil
}
