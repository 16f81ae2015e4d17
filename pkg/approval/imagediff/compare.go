package imagediff

import (
	"bytes"
	"slices"

	"go.yaml.in/yaml/v4"
)

// comparison finds what differs between two versions of a file.
type comparison struct {
	before, after *text
	where         places
	v             *verdict
	changes       []change
	// touched says that something changed at a place of an image.
	touched bool
	// cut says that there were more changes than are kept.
	cut bool
}

// change is something that differs between two documents.
type change struct {
	doc   int
	path  []step
	place place
	// before and after are scalars; nil when the difference is of another kind.
	before, after *yaml.Node
	// beforeKey and afterKey are set when newTag and digest were exchanged.
	beforeKey, afterKey *yaml.Node
}

// maxChanges bounds the differences of a file; more are no image change.
const maxChanges = 2 * maxMoves

func (c *comparison) document(i int) {
	b, a := &c.before.docs[i], &c.after.docs[i]
	x, _ := objectOf(b.root)
	if y, _ := objectOf(a.root); x != y {
		c.v.config("the documents of the file are other objects, or in another order")
	}
	c.walk(i, nil, b.root, a.root)
}

func (c *comparison) add(ch change) {
	if len(c.changes) >= maxChanges {
		c.cut = true
	} else {
		ch.path = slices.Clone(ch.path)
		if ch.path != nil {
			ch.place = c.where.find(c.after.docs[ch.doc].root, ch.path)
			if ch.place.slot == slotNone {
				// Something may have been an image before.
				if p := c.where.find(c.before.docs[ch.doc].root, ch.path); p.slot != slotNone {
					c.touched = true
				}
			}
		}
		c.touched = c.touched || ch.place.slot != slotNone
		c.changes = append(c.changes, ch)
	}
}

// walk compares two nodes at one path.
func (c *comparison) walk(doc int, path []step, b, a *yaml.Node) {
	switch {
	case c.cut:
	case b.Kind != a.Kind:
		c.add(change{doc: doc, path: path})
	case b.Kind == yaml.MappingNode:
		c.walkMapping(doc, path, b, a)
	case b.Kind == yaml.SequenceNode:
		for i := range min(len(b.Content), len(a.Content)) {
			c.walk(doc, append(path, index(i)), b.Content[i], a.Content[i])
		}
		if len(b.Content) != len(a.Content) {
			c.add(change{doc: doc, path: path})
		}
	case b.Kind == yaml.ScalarNode:
		if b.Value != a.Value || b.ShortTag() != a.ShortTag() {
			c.add(change{doc: doc, path: path, before: b, after: a})
		}
	case b.Value != a.Value:
		c.add(change{doc: doc, path: path})
	}
}

func (c *comparison) walkMapping(doc int, path []step, b, a *yaml.Node) {
	if sameKeys(b, a) {
		for i := 0; i+1 < len(a.Content); i += 2 {
			c.walk(doc, append(path, key(a.Content[i].Value)), b.Content[i+1], a.Content[i+1])
		}
		return
	}
	if i, ok := c.exchanged(doc, path, b, a); ok {
		c.add(change{
			doc: doc, path: append(path, key(a.Content[i].Value)), before: b.Content[i+1], after: a.Content[i+1],
			beforeKey: b.Content[i], afterKey: a.Content[i],
		})
		for j := 0; j+1 < len(a.Content); j += 2 {
			if j != i {
				c.walk(doc, append(path, key(a.Content[j].Value)), b.Content[j+1], a.Content[j+1])
			}
		}
		return
	}
	// It is no image change any more; what else changed is looked for to find out
	// whether an image is part of it.
	for i := 0; i+1 < len(a.Content); i += 2 {
		at := append(path, key(a.Content[i].Value))
		if n := child(b, a.Content[i].Value); n != nil {
			c.walk(doc, at, n, a.Content[i+1])
		} else {
			c.add(change{doc: doc, path: at})
		}
	}
	for i := 0; i+1 < len(b.Content); i += 2 {
		if child(a, b.Content[i].Value) == nil {
			c.add(change{doc: doc, path: append(path, key(b.Content[i].Value))})
		}
	}
	c.add(change{doc: doc, path: path})
}

func sameKeys(b, a *yaml.Node) bool {
	if len(b.Content) != len(a.Content) {
		return false
	}
	for i := 0; i+1 < len(a.Content); i += 2 {
		x, y := b.Content[i], a.Content[i]
		if x.Kind != yaml.ScalarNode || y.Kind != yaml.ScalarNode || x.Value != y.Value || x.ShortTag() != y.ShortTag() {
			return false
		}
	}
	return true
}

// exchanged finds newTag replaced by digest, or the other way, in an image of a
// kustomization: the one change of keys that is an image change.
func (c *comparison) exchanged(doc int, path []step, b, a *yaml.Node) (int, bool) {
	if c.where.kind != fileKustomization || len(b.Content) != len(a.Content) {
		return 0, false
	}
	found := -1
	for i := 0; i+1 < len(a.Content); i += 2 {
		x, y := b.Content[i].Value, a.Content[i].Value
		switch {
		case x == y:
		case found < 0 && (x == "newTag" && y == "digest" || x == "digest" && y == "newTag"):
			found = i
		default:
			return 0, false
		}
	}
	if found < 0 || b.Content[found+1].Kind != yaml.ScalarNode || a.Content[found+1].Kind != yaml.ScalarNode {
		return 0, false
	}
	at := append(path, key(a.Content[found].Value))
	return found, c.where.find(c.after.docs[doc].root, at).slot != slotNone
}

// cuts are the parts of both versions that differ, in their order.
type cuts struct{ b, a [][2]int }

// same says whether everything outside of the cuts is equal.
func (c cuts) same(before, after []byte) bool {
	x, y := 0, 0
	for i := range c.b {
		if c.b[i][0] < x || c.a[i][0] < y || !bytes.Equal(before[x:c.b[i][0]], after[y:c.a[i][0]]) {
			return false
		}
		x, y = c.b[i][1], c.a[i][1]
	}
	return bytes.Equal(before[x:], after[y:])
}
