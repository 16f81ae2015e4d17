package imagediff

import (
	"cmp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// moved is a change that is one of an image.
type moved struct {
	change
	from, to     image
	start, end   int // in the new version
	bStart, bEnd int // in the old one
}

// judge settles a file in which no doubt is left but whether all changes are of
// images.
func (c *comparison) judge() {
	if c.cut {
		c.v.config("too much changed in it")
	}
	var list []moved
	for _, ch := range c.changes {
		m, ok := c.image(ch)
		if ok {
			list = append(list, m)
		}
	}
	if c.v.why != "" {
		return
	}
	// Keys keep their order, so the order of places is that of both versions.
	slices.SortFunc(list, func(x, y moved) int { return cmp.Compare(x.start, y.start) })
	var outside cuts
	for _, m := range list {
		outside.b = append(outside.b, [2]int{m.bStart, m.bEnd})
		outside.a = append(outside.a, [2]int{m.start, m.end})
	}
	if !outside.same(c.before.data, c.after.data) {
		c.v.config("something beside the values changed: comments, spaces, quotes or line ends")
		return
	}
	c.v.moves = c.moves(list)
	if len(c.v.moves) > maxMoves {
		c.v.config("it moves too many images")
	}
	c.v.image = c.v.why == ""
}

// image checks one change. When it is not one of an image, the file is settled.
func (c *comparison) image(ch change) (moved, bool) {
	where := pathText(ch.path)
	if where == "" {
		where = "the top"
	}
	if ch.before == nil || ch.place.slot == slotNone {
		c.v.config("it changes at " + where)
		return moved{}, false
	}
	m := moved{change: ch}
	b, a := &c.before.docs[ch.doc], &c.after.docs[ch.doc]
	if !isString(ch.after, valueAt(a.value, ch.path)) || ch.beforeKey == nil && !isString(ch.before, valueAt(b.value, ch.path)) {
		c.v.refuse(CodeType, "the value of "+where+" is not text for every program, or was not before; quote it")
		return m, false
	}
	if ch.beforeKey != nil && !isString(ch.before, valueAt(b.value, swapped(ch))) {
		c.v.refuse(CodeType, "the value that "+where+" replaces was not text for every program")
		return m, false
	}
	var ok bool
	if m.to, ok = readImage(ch.place.slot, ch.after.Value, ch.place.values); !ok {
		if ch.after.Value == "" {
			c.v.config("the value of " + where + " was removed")
		} else {
			c.v.refuse(CodeGrammar, "the value of "+where+" cannot be that of an image: "+quote(ch.after.Value))
		}
		return m, false
	}
	if !c.spans(&m) {
		c.v.refuse(CodeAmbiguous, "the value of "+where+" is not written as it reads")
		return m, false
	}
	if !c.parameter(&m, where) || !c.origin(&m, where) {
		return m, false
	}
	m.from, m.to = ch.place.context(b.root, m.from), ch.place.context(a.root, m.to)
	return m, true
}

// swapped is the path of the key that was exchanged, as it was before.
func swapped(ch change) []step {
	return append(slices.Clone(ch.path[:len(ch.path)-1]), key(ch.beforeKey.Value))
}

// isString says whether both parsers read a node as this text.
func isString(n *yaml.Node, other any) bool {
	s, ok := other.(string)
	return ok && n.ShortTag() == "!!str" && s == n.Value
}

// origin checks what was there before.
func (c *comparison) origin(m *moved, where string) bool {
	s, value := m.place.slot, m.before.Value
	if m.beforeKey != nil {
		s = map[string]slot{"newTag": slotTag, "digest": slotDigest}[m.beforeKey.Value]
	}
	var ok bool
	m.from, ok = readImage(s, value, m.place.values)
	switch {
	// An empty tag of Helm values is the chart's own version.
	case s == slotTag && value == "" && m.place.values && !m.place.parameter:
	case !ok:
		c.v.config("the value of " + where + " was not that of an image before")
		return false
	case s == slotKustomize && m.from.name != m.to.name, s == slotImage && m.from.repository != m.to.repository:
		c.v.config("the repository changes at " + where)
		return false
	}
	switch {
	case m.to.version == (Version{}):
		c.v.config("no version is left at " + where)
	case s == slotImage && m.place.values && m.from.version == (Version{}):
		c.v.config("there was no version at " + where + ", where a chart may add its own")
	case m.from.version == m.to.version && m.beforeKey == nil:
		c.v.config("only the spelling changes at " + where)
	default:
		return true
	}
	return false
}

// parameter checks what is peculiar to parameters of Helm.
func (c *comparison) parameter(m *moved, where string) bool {
	if !m.place.parameter {
		return true
	}
	root := c.after.docs[m.doc].root
	entry := at(root, m.path[:len(m.path)-1])
	if len(parametersNamed(at(root, m.place.owner), scalar(child(entry, "name")))) != 1 {
		c.v.refuse(CodeAmbiguous, "two parameters have the name of "+where)
		return false
	}
	force := child(entry, "forceString")
	forced := force != nil && force.ShortTag() == "!!bool" && force.Value == "true"
	if !forced && (coerced(m.before.Value) || coerced(m.after.Value)) {
		c.v.refuse(CodeType, "the value of "+where+" is not text for Helm without forceString")
		return false
	}
	return true
}

// spans finds the bytes of the values, and of the keys when they were exchanged.
func (c *comparison) spans(m *moved) bool {
	var ok, alsoOK bool
	m.bStart, m.bEnd, ok = c.before.entry(m.doc, m.beforeKey, m.before)
	m.start, m.end, alsoOK = c.after.entry(m.doc, m.afterKey, m.after)
	return ok && alsoOK
}

// entry is where a value is, together with its key if there is one.
func (t *text) entry(doc int, k, value *yaml.Node) (start, end int, ok bool) {
	d := &t.docs[doc]
	start, end, ok = t.span(d, value)
	if k == nil || !ok {
		return start, end, ok
	}
	from, keyEnd, ok := t.span(d, k)
	if !ok || keyEnd > start {
		return 0, 0, false
	}
	between, found := strings.CutPrefix(string(t.data[keyEnd:start]), ":")
	return from, end, found && strings.Trim(between, " ") == ""
}

// moves puts together what belongs to one image.
func (c *comparison) moves(list []moved) []Move {
	type group struct {
		doc  int
		name string
	}
	var moves []Move
	found := map[group]int{}
	for _, m := range list {
		g := group{m.doc, m.place.group(m.path)}
		d, n := &c.after.docs[m.doc], m.after
		if m.afterKey != nil {
			n = m.afterKey
		}
		e := Edit{
			Line: d.line + n.Line, Column: n.Column, Start: m.start, End: m.end,
			Old: string(c.before.data[m.bStart:m.bEnd]), Path: pathText(m.path),
		}
		i, ok := found[g]
		if !ok {
			i = len(moves)
			found[g] = i
			moves = append(moves, Move{
				Document: m.doc, Line: e.Line, Column: e.Column, Path: e.Path,
				Repository: m.to.repository, From: m.from.version, To: m.to.version,
				Flags: flags(m.from.version, m.to.version),
			})
		}
		moves[i].Edits = append(moves[i].Edits, e)
	}
	return moves
}
