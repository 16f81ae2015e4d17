package imagediff

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Content is a file as it is.
type Content struct {
	Path string
	// Mode is git's octal mode.
	Mode string
	Data []byte
	// Rank orders files: an image is looked for in those of the lowest rank that name
	// it. Values that an Application lists come before the defaults of its chart.
	Rank int
}

// Site is where a file names an image.
type Site struct {
	File         string
	Document     int
	Line, Column int
	// Path is that of the first value, as in Move.
	Path string
	// Repository is normalised; empty when the file does not say it.
	Repository string
	Version    Version
}

// String is "file:line path".
func (s Site) String() string {
	return fmt.Sprintf("%s:%d %s", oneLine(s.File), s.Line, s.Path)
}

// site is a Site with the values that make it up: one, or a tag and a digest that
// stand apart.
type site struct {
	Site
	rank   int
	leaves []leaf
	// doubt says why nothing may be written there.
	doubt string
}

// leaf is one value of an image in a document.
type leaf struct {
	node  *yaml.Node
	place place
	path  []step
	// value is what the node reads as.
	value string
	// to is what it shall be, once that is known.
	to string
}

// sitesOf finds all images of one file. The text is nil when the file cannot be read,
// and then why says so.
func sitesOf(c Content, rules *Rules) (list []*site, t *text, why string) {
	// A parser that gives up on somebody's file must not take the program with it.
	defer func() {
		if recover() != nil {
			list, t, why = nil, nil, "it cannot be read: a parser failed"
		}
	}()
	where := newPlaces(c.Path, rules)
	switch {
	case where.kind == fileOther:
		return nil, nil, "no image is looked for in a file of this name"
	case c.Mode != modeFile && c.Mode != modeProgram:
		return nil, nil, "it is no ordinary file"
	case len(c.Data) > MaxFile:
		return nil, nil, fmt.Sprintf("it is larger than %d bytes", MaxFile)
	case !isText(c.Data):
		return nil, nil, "it has a byte order mark, a NUL byte, or is not UTF-8"
	case path.Ext(c.Path) == ".json" && !json.Valid(c.Data):
		return nil, nil, "it is not valid JSON"
	}
	t, err := readText(c.Data)
	if err != nil {
		return nil, nil, oneLine(err.Error())
	}
	f := finder{content: c, where: where, text: t, found: map[string]*site{}}
	for i := range t.docs {
		f.doc = i
		f.walk(t.docs[i].root, nil)
	}
	if f.looked > maxLooked {
		return nil, nil, "there are too many values in it that may be those of images"
	}
	if len(t.doubts) > 0 {
		for _, s := range f.list {
			s.doubt = "programs read the file differently: " + t.first
		}
	}
	return f.list, t, ""
}

// finder walks through the documents of a file.
type finder struct {
	content Content
	where   places
	text    *text
	doc     int
	list    []*site
	found   map[string]*site
	looked  int // how often a place was looked up
}

// maxLooked bounds the values of a file that may be those of images: looking one up
// takes a time that grows with the file.
const maxLooked = maxChanges

// mayBePlace says whether a path can be a place of images, by its end alone.
func (f *finder) mayBePlace(at []step) bool {
	if len(at) == 0 {
		return false
	}
	switch last := at[len(at)-1]; last.key {
	case "image", "tag", "digest", "imageTag", "imageDigest", "newTag":
		return true
	case "value":
		return len(at) >= 3 && at[len(at)-3].key == "parameters" || len(f.where.rules.Paths) > 0
	default:
		return !last.isKey() || len(f.where.rules.Paths) > 0
	}
}

func (f *finder) walk(n *yaml.Node, at []step) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			f.walk(n.Content[i+1], append(at, key(n.Content[i].Value)))
		}
	case yaml.SequenceNode:
		for i, c := range n.Content {
			f.walk(c, append(at, index(i)))
		}
	case yaml.ScalarNode:
		f.scalar(n, at)
	default:
	}
}

// scalar takes a value in that is at a place of images and can be one.
func (f *finder) scalar(n *yaml.Node, at []step) {
	if !f.mayBePlace(at) {
		return
	}
	if f.looked++; f.looked > maxLooked {
		return
	}
	root := f.text.docs[f.doc].root
	p := f.where.find(root, at)
	if p.slot == slotNone {
		return
	}
	at = slices.Clone(at)
	i, ok := readImage(p.slot, n.Value, p.values)
	switch {
	// An empty tag of Helm values is the chart's own version.
	case p.slot == slotTag && n.Value == "" && p.values && !p.parameter:
	// A chart may add a version of its own to a reference that has none.
	case !ok, p.slot == slotImage && p.values && i.version == (Version{}):
		return
	}
	i = p.context(root, i)
	group := fmt.Sprint(f.doc, " ", p.group(at))
	s := f.found[group]
	if s == nil {
		s = &site{rank: f.content.Rank, Site: Site{
			File: f.content.Path, Document: f.doc, Line: f.text.docs[f.doc].line + n.Line, Column: n.Column,
			Path: pathText(at), Repository: i.repository, Version: i.version,
		}}
		f.found[group] = s
		f.list = append(f.list, s)
	}
	if s.doubt == "" && !isString(n, valueAt(f.text.docs[f.doc].value, at)) {
		s.doubt = "the value of " + pathText(at) + " is not text for every program; quote it first, in a change of its own"
	}
	s.leaves = append(s.leaves, leaf{node: n, place: p, path: at, value: n.Value})
}

// at says whether a path names the image: that of one of its values, or of the mapping
// that has them.
func (s *site) at(text string) bool {
	for _, l := range s.leaves {
		if pathText(l.path) == text || len(l.path) > 1 && pathText(l.path[:len(l.path)-1]) == text {
			return true
		}
	}
	return false
}

// set finds out what the values have to be so that the image has this version, and
// says in words why that cannot be.
func (s *site) set(to Version, pin bool) string {
	for i := range s.leaves {
		l := &s.leaves[i]
		var why string
		switch l.place.slot {
		case slotImage, slotKustomize:
			l.to, why = setReference(l, to, pin)
		case slotTag:
			l.to, why = s.setTag(l, to, pin)
		case slotDigest:
			if l.to = to.Digest; l.to == "" {
				why = unpins
			}
		default:
			why = "nothing is known of this place"
		}
		if why != "" {
			return why
		}
	}
	return ""
}

const unpins = "it is pinned to a digest, and the wanted version has none"

// setReference keeps the name as it is written, and of the version those parts that
// are there already.
func setReference(l *leaf, to Version, pin bool) (string, string) {
	prefix, written := "", l.value
	if i := strings.IndexByte(written, '='); l.place.slot == slotKustomize && i >= 0 {
		prefix, written = written[:i+1], written[i+1:]
	}
	r, ok := parseReference(written)
	switch {
	case !ok:
		return "", "its value is no reference"
	case r.version.Digest != "" && to.Digest == "":
		return "", unpins
	case pin && to.Digest == "":
		return "", "it shall be pinned, and the wanted version has no digest"
	}
	out := prefix + r.name
	withDigest := r.version.Digest != "" || pin || to.Tag == ""
	if to.Tag != "" && (r.version.Tag != "" || !withDigest) {
		out += ":" + to.Tag
	}
	if withDigest {
		out += "@" + to.Digest
	}
	return out, ""
}

// setTag sets a tag that has no repository before it.
func (s *site) setTag(l *leaf, to Version, pin bool) (string, string) {
	if to.Tag == "" {
		return "", "a tag is named there, and the wanted version has none"
	}
	_, _, combined := strings.Cut(l.value, "@")
	apart := slices.ContainsFunc(s.leaves, func(o leaf) bool { return o.place.slot == slotDigest })
	switch {
	case (combined || apart) && to.Digest == "":
		return "", unpins
	case combined:
		return to.Tag + "@" + to.Digest, ""
	case pin && !apart:
		return "", "it shall be pinned, and no digest is named there; add one first, in a change of its own"
	default:
		return to.Tag, ""
	}
}

// version is the one that the values make up once they are set.
func (s *site) version() Version {
	var v Version
	for _, l := range s.leaves {
		i, _ := readImage(l.place.slot, l.to, l.place.values)
		if i.version.Tag != "" {
			v.Tag = i.version.Tag
		}
		if i.version.Digest != "" {
			v.Digest = i.version.Digest
		}
	}
	return v
}
