package imagediff

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
	sigs "sigs.k8s.io/yaml"
)

// Touches says whether a change that is not image may nevertheless bring an image
// that was not there, or another version of one: with other changes, under another
// name, in a new file, or in a way that cannot be read. It errs on the side of
// true. Safe for concurrent use.
func Touches(f File, rules Rules) (touches bool) {
	// A parser that gives up on somebody's file must not take the program with it.
	defer func() {
		if recover() != nil {
			touches = true
		}
	}()
	where := newPlaces(f.Path, &rules)
	switch {
	case f.Modes.After == "":
		return false
	case f.Modes.After != modeFile && f.Modes.After != modeProgram:
		return true // a link leads to what may hold images under any name
	case where.kind == fileOther:
		return false
	case len(f.After) > MaxFile || !isText(f.After):
		return true
	}
	after, ok := imagesOf(f.After, where)
	if !ok {
		return true
	}
	before := map[string]string{}
	if f.Modes.Before == modeFile || f.Modes.Before == modeProgram {
		if len(f.Before) > MaxFile || !isText(f.Before) {
			return len(after) > 0
		}
		if before, ok = imagesOf(f.Before, where); !ok {
			before = nil
		}
	}
	for place, image := range after {
		if before[place] != image {
			return true
		}
	}
	return false
}

// imagesOf finds all images of a file as Helm and Argo CD read it: with anchors and
// merge keys resolved, the last of two equal keys. The keys of the result are
// places, the values what is written there and beside it.
func imagesOf(data []byte, where places) (map[string]string, bool) {
	t, err := readText(data)
	if err != nil {
		return nil, false
	}
	found := map[string]string{}
	for i := range t.docs {
		plain, err := sigs.Marshal(t.docs[i].value)
		if err != nil {
			return nil, false
		}
		var doc document
		if err := doc.read(plain); err != nil {
			return nil, false
		}
		collectImages(doc.root, doc.root, nil, where, strconv.Itoa(i), found)
	}
	return found, true
}

// collectImages walks a document. Its depth was bounded when it was read.
func collectImages(root, n *yaml.Node, path []step, where places, doc string, found map[string]string) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			collectImages(root, n.Content[i+1], append(path, key(n.Content[i].Value)), where, doc, found)
		}
	case yaml.SequenceNode:
		for i, c := range n.Content {
			collectImages(root, c, append(path, index(i)), where, doc, found)
		}
	case yaml.ScalarNode:
		p := where.find(root, path)
		if p.slot == slotNone && !namesImage(path, where) {
			return
		}
		value := n.Value
		if p.slot == slotTag || p.slot == slotDigest {
			look := p.lookup(root)
			parts := []string{value, look("registry")}
			for _, name := range p.names {
				parts = append(parts, look(name))
			}
			value = strings.Join(parts, "\x00")
		}
		found[doc+"\x00"+pathText(path)] = value
	default:
	}
}

// namesImage says whether a value says where an image comes from, when its version
// may be said elsewhere, for example by the chart.
func namesImage(path []step, where places) bool {
	if len(path) < 2 {
		return len(path) == 1 && slices.Contains(alone, path[0].key)
	}
	last, above := path[len(path)-1], path[len(path)-2]
	if where.kind == fileKustomization {
		return len(path) == 3 && path[0] == key("images") && (last == key("newName") || last == key("name"))
	}
	if !where.values && where.kind != fileOverride {
		return false
	}
	return slices.Contains(alone, last.key) || above == key("image") && slices.Contains([]string{"repository", "registry", "name"}, last.key)
}

// alone are keys of Helm values that say where images come from wherever they are.
var alone = []string{"imageRepository", "imageRegistry", "imageName"}
