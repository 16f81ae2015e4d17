package imagediff

import (
	"bytes"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
	sigs "sigs.k8s.io/yaml"
)

// Image is an image as a file names it. The zero Image is one that cannot be told.
type Image struct {
	Repository string
	Version
}

// Arrival is an image that a file has after a change and had not before.
type Arrival struct {
	// Path is where it is, with the number of its document.
	Path string
	// From is what was there before, when that is of the same repository.
	From, To Image
	Flags    []Flag
}

// Effect is what a change of a file may do to images, whatever its class. The zero
// Effect is none.
type Effect struct {
	// Touches says that the change may bring an image that was not there, or another
	// version of one: with other changes, under another name, in a new file, by
	// taking away what stood above another, or in a way that cannot be read. It errs
	// on the side of true.
	Touches bool
	// Brings are the images that the file has now and had not before, each once. The
	// zero Image is among them when one cannot be told.
	Brings []Arrival
	// Takes are the images that it had before and has not any more.
	Takes []Image
	// Whole says that Brings are all images of the file, because it could not be told
	// what it had before.
	Whole bool
}

// unseen is the effect of a change of which nothing can be told.
func unseen() Effect { return Effect{Touches: true, Brings: []Arrival{{}}} }

// Look says what a change of one file may do to images. Safe for concurrent use.
func Look(f File, rules Rules) (e Effect) {
	// A parser that gives up on somebody's file must not take the program with it.
	defer func() {
		if recover() != nil {
			e = unseen()
		}
	}()
	where := newPlaces(f.Path, &rules)
	if isLink(f.Modes.After) {
		return unseen() // it leads to what may hold images under any name
	}
	after, afterOK := contentOf(f.After, f.Modes.After, f.Path, where)
	if !afterOK {
		return unseen()
	}
	before, beforeOK := contentOf(f.Before, f.Modes.Before, f.Path, where)
	if isLink(f.Modes.Before) || !beforeOK {
		before, e.Whole = newInventory(), true
		e.Touches = f.Modes.After != "" && isLink(f.Modes.Before)
	}
	e.compare(before, after)
	return e
}

// Touches is that of Look.
func Touches(f File, rules Rules) bool { return Look(f, rules).Touches }

func isLink(mode string) bool { return mode != "" && mode != modeFile && mode != modeProgram }

// inventory is what one version of a file says of images.
type inventory struct {
	// images are those of each place, texts what is written there and beside it, and
	// whatever else has to do with images.
	images map[string]Image
	texts  map[string]string
	// dark are the places whose image cannot be told.
	dark map[string]bool
	// names are the places of images for people.
	names map[string]string
}

func newInventory() inventory {
	return inventory{map[string]Image{}, map[string]string{}, map[string]bool{}, map[string]string{}}
}

// compare finds what is in one content and not in the other.
func (e *Effect) compare(before, after inventory) {
	e.Touches = e.Touches || !maps.Equal(before.texts, after.texts)
	had, has := before.all(), after.all()
	for _, at := range slices.Sorted(maps.Keys(after.images)) {
		to := after.images[at]
		if had[to] || slices.ContainsFunc(e.Brings, func(a Arrival) bool { return a.To == to }) {
			continue
		}
		a := Arrival{Path: after.names[at], To: to}
		if from, ok := before.images[at]; ok && from.Repository == to.Repository {
			a.From = from
		}
		a.Flags = flags(a.From.Version, to.Version)
		e.Brings = append(e.Brings, a)
	}
	for at := range after.dark {
		if !before.dark[at] || before.texts[at] != after.texts[at] {
			e.Brings = append(e.Brings, Arrival{})
			break
		}
	}
	for _, at := range slices.Sorted(maps.Keys(before.images)) {
		if from := before.images[at]; !has[from] && !slices.Contains(e.Takes, from) {
			e.Takes = append(e.Takes, from)
		}
	}
	if len(before.dark) > 0 && len(after.dark) == 0 {
		e.Takes = append(e.Takes, Image{})
	}
}

func (c inventory) all() map[Image]bool {
	out := make(map[Image]bool, len(c.images))
	for _, i := range c.images {
		out[i] = true
	}
	return out
}

// pointer begins what git stores of a file that Git LFS keeps elsewhere. Argo CD
// reads the file itself when a repository says so.
const pointer = "version https://git-lfs.github.com/spec/"

// contentOf reads one version of a file; false when it may say anything.
func contentOf(data []byte, mode, name string, where places) (inventory, bool) {
	c := newInventory()
	switch base := path.Base(name); {
	case mode == "" || isLink(mode):
		return c, true
	case len(data) > MaxFile || bytes.HasPrefix(data, []byte(pointer)):
		return c, false
	case where.kind != fileOther:
		return c, isText(data) && c.read(data, where)
	case base == "Chart.yaml" || base == "requirements.yaml" || base == "Chart.lock" || base == "requirements.lock":
		return c, isText(data) && c.readChart(data)
	case !isText(data):
		// An archive may be a chart, and YAML may be in UTF-16. Nothing else that has
		// such bytes is read as text.
		return c, !slices.ContainsFunc([]string{"\x1f\x8b", "\xff\xfe", "\xfe\xff", "\xef\xbb\xbf"}, func(magic string) bool { return bytes.HasPrefix(data, []byte(magic)) })
	}
	// What kustomize, Helm and Argo CD are told to read may have any name.
	where.kind = filePlain
	readable := c.read(data, where)
	prose := path.Ext(name) == ".md"
	switch {
	case readable && prose:
		maps.DeleteFunc(c.texts, func(at, _ string) bool { _, image := c.images[at]; return !image && !c.dark[at] })
	case !readable && !prose && mentions(string(data)):
		c = newInventory()
		c.texts[""] = string(data)
	case !readable:
		c = newInventory()
	}
	return c, true
}

// readChart takes from a chart's description what charts make tags of, and the
// charts it consists of.
func (c *inventory) readChart(data []byte) bool {
	var chart map[string]any
	if err := sigs.Unmarshal(data, &chart); err != nil {
		return false
	}
	for _, name := range []string{"appVersion", "dependencies"} {
		if value, ok := chart[name]; ok {
			text, err := sigs.Marshal(value)
			if err != nil {
				return false
			}
			c.texts[name], c.dark[name] = string(text), true
		}
	}
	return true
}

// read finds all images of a file as Helm and Argo CD read it: with anchors and merge
// keys resolved, the last of two equal keys.
func (c *inventory) read(data []byte, where places) bool {
	t, err := readText(data)
	if err != nil {
		return false
	}
	for i := range t.docs {
		plain, err := sigs.Marshal(t.docs[i].value)
		if err != nil {
			return false
		}
		var doc document
		if err := doc.read(plain); err != nil {
			return false
		}
		c.collect(doc.root, doc.root, nil, nil, where, strconv.Itoa(i))
	}
	return true
}

// collect walks a document. Its depth was bounded when it was read.
func (c *inventory) collect(root, above, n *yaml.Node, at []step, where places, doc string) {
	if n == nil {
		n = root
	}
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			c.collect(root, n, n.Content[i+1], append(at, key(n.Content[i].Value)), where, doc)
		}
	case yaml.SequenceNode:
		for i, item := range n.Content {
			c.collect(root, n, item, append(at, index(i)), where, doc)
		}
	case yaml.ScalarNode:
		c.scalar(root, above, n.Value, at, where, doc)
	default:
	}
}

// scalar takes from a value what it says of images.
func (c *inventory) scalar(root, above *yaml.Node, value string, at []step, where places, doc string) {
	name := doc + "\x00" + pathKey(at)
	p := where.find(root, at)
	text := value
	switch {
	case p.slot == slotTag || p.slot == slotDigest:
		look := p.lookup(root)
		parts := []string{value, look("registry")}
		for _, beside := range p.names {
			parts = append(parts, look(beside))
		}
		text = strings.Join(parts, "\x00")
		fallthrough
	case p.slot != slotNone:
		image, ok := readImage(p.slot, value, p.values)
		switch {
		case value == "": // what the chart says by itself
		case !ok:
			c.dark[name] = true
		case image.version == (Version{}) && (p.values || p.slot == slotKustomize):
			c.dark[name] = !versioned(above, "imageTag", "imageDigest", "tag", "digest")
		default:
			image = p.context(root, image)
			c.images[name], c.names[name] = Image{image.repository, image.version}, doc+" "+pathText(at)
		}
	case namesImage(at, where):
		c.dark[name] = darkName(above, at[len(at)-1].key)
	case !mentioned(above, at, value):
		return
	}
	if !c.dark[name] {
		delete(c.dark, name)
	}
	c.texts[name] = text
}

// darkName says whether a part of an image is not seen together with its version.
func darkName(above *yaml.Node, last string) bool {
	switch last {
	case "repository", "registry", "name", "newName", "newTag", "digest":
		return child(above, "tagSuffix") != nil || !versioned(above, "tag", "digest", "newTag")
	case "imageRepository":
		return !versioned(above, "imageTag", "imageDigest")
	default:
		return true
	}
}

// versioned says whether one of these entries of a mapping has a value.
func versioned(n *yaml.Node, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return scalar(child(n, name)) != "" })
}

// namesImage says whether a value says where an image comes from, when its version
// may be said elsewhere, for example by the chart.
func namesImage(path []step, where places) bool {
	if len(path) < 2 {
		return len(path) == 1 && slices.Contains(alone, path[0].key)
	}
	last, above := path[len(path)-1], path[len(path)-2]
	if where.kind == fileKustomization {
		return len(path) == 3 && path[0] == key("images") && slices.Contains([]string{"newName", "name", "newTag", "digest", "tagSuffix"}, last.key)
	}
	if !where.values && where.kind != fileOverride {
		return false
	}
	return slices.Contains(alone, last.key) || above == key("image") && slices.Contains([]string{"repository", "registry", "name"}, last.key)
}

// alone are keys of Helm values that say where images come from wherever they are.
var alone = []string{"imageRepository", "imageRegistry", "imageName"}

// mentioned says whether a value may have to do with an image in a way that is not
// understood: by its path, by what it says, such as a patch or values inside of
// text, or because what stands beside it says what it is put into.
func mentioned(above *yaml.Node, at []step, value string) bool {
	for _, s := range at {
		if s.isKey() && slices.Contains([]string{"pullpolicy", "imagepullpolicy", "imagepullsecrets", "pullsecrets", "pullsecret"}, strings.ToLower(s.key)) {
			return false
		}
	}
	if mentions(value) || slices.ContainsFunc(at, func(s step) bool { return mentions(s.key) }) {
		return true
	}
	if above == nil || above.Kind != yaml.MappingNode {
		return false
	}
	return slices.ContainsFunc([]string{"path", "fieldPath", "from"}, func(name string) bool { return mentions(scalar(child(above, name))) }) ||
		child(above, "value") != nil && mentions(scalar(child(above, "name")))
}

func mentions(text string) bool { return strings.Contains(strings.ToLower(text), "image") }
