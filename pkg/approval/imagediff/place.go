package imagediff

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// slot is what the value at a place of images is.
type slot uint8

const (
	slotNone      slot = iota
	slotImage          // a reference
	slotTag            // a tag, in Helm values also "tag@digest"
	slotDigest         // a digest
	slotKustomize      // "[old=]name:tag@digest" of an Application
)

// place says what a path is to images. The zero place is no image.
type place struct {
	slot slot
	// owner is the path of the mapping, or of the list of parameters, that has the
	// other parts of the image, and prefix what their names begin with.
	owner  []step
	prefix string
	// tag, digest and names are how the parts are called there.
	tag, digest string
	names       []string
	// parameter says that Helm reads the value as "--set" does, where "true" is no
	// text. pinned says that a chart may add a version where there was none.
	parameter, values bool
}

// fileKind is what a file is by its name.
type fileKind uint8

const (
	fileOther fileKind = iota
	filePlain
	fileKustomization
	fileOverride
)

func fileKindOf(name string) fileKind {
	switch base := path.Base(name); {
	case base == "kustomization.yaml", base == "kustomization.yml", base == "Kustomization":
		return fileKustomization
	case base == "Chart.yaml", base == "requirements.yaml", base == "values.schema.json", base == ".sops.yaml":
		return fileOther
	case strings.HasPrefix(base, ".argocd-source"):
		if base == ".argocd-source.yaml" || strings.HasPrefix(base, ".argocd-source-") && path.Ext(base) == ".yaml" {
			return fileOverride
		}
		return fileOther
	case slices.Contains([]string{".yaml", ".yml", ".json"}, path.Ext(base)):
		return filePlain
	default:
		return fileOther
	}
}

// places finds the places of images in one file.
type places struct {
	kind   fileKind
	values bool // the file can be Helm values
	rules  *Rules
}

func newPlaces(name string, rules *Rules) places {
	return places{
		kind:   fileKindOf(name),
		values: approval.ProtectedRepository{Paths: rules.Values}.Covers(name),
		rules:  rules,
	}
}

func (p places) find(root *yaml.Node, at []step) place {
	if len(at) == 0 || child(root, "sops") != nil {
		return place{}
	}
	o, isObject := objectOf(root)
	switch p.kind {
	case fileKustomization:
		if isObject && o.group != kustomizeGroup || !isObject && isPartial(root) {
			return place{}
		}
		p := kustomizationPlace(at)
		if p.slot != slotNone && suffixed(root, p.owner) {
			return place{} // the tag is not the one that is written there
		}
		return p
	case fileOverride:
		if isPartial(root) {
			return place{}
		}
		return sourcePlace(root, nil, at)
	case fileOther, filePlain:
	}
	for _, pattern := range p.rules.Paths {
		if pattern.matches(o, isObject, at) {
			return patternPlace(pattern.place, at)
		}
	}
	switch {
	case isObject:
		return manifestPlace(root, nil, at)
	case isPartial(root) || !p.values:
		return place{}
	default:
		return valuesPlace(root, nil, at)
	}
}

// isPartial is true for what has one of apiVersion and kind, or both as something
// else than text: it is no Helm values, and no manifest either.
func isPartial(root *yaml.Node) bool {
	return child(root, "apiVersion") != nil || child(root, "kind") != nil
}

func patternPlace(s slot, at []step) place {
	p := place{slot: s, owner: at[:len(at)-1], digest: "digest", names: []string{"repository", "image"}}
	if last := at[len(at)-1]; last.isKey() {
		switch s {
		case slotTag:
			p.tag = last.key
		case slotDigest:
			p.tag, p.digest = "tag", last.key
		default:
		}
	}
	return p
}

// kustomizationPlace: images[].newTag and images[].digest.
func kustomizationPlace(at []step) place {
	if len(at) != 3 || at[0] != key("images") || at[1].isKey() {
		return place{}
	}
	p := place{owner: at[:2], tag: "newTag", digest: "digest", names: []string{"newName", "name"}}
	switch at[2] {
	case key("newTag"):
		p.slot = slotTag
	case key("digest"):
		p.slot = slotDigest
	default:
		return place{}
	}
	return p
}

// suffixed says whether kustomize appends something to the tag of an image.
func suffixed(root *yaml.Node, owner []step) bool {
	return child(at(root, owner), "tagSuffix") != nil
}

// manifestPlace: the containers of workloads, Applications, and Lists of both.
func manifestPlace(root *yaml.Node, base, rest []step) place {
	n := at(root, base)
	o, ok := objectOf(n)
	if !ok {
		return place{}
	}
	switch {
	case o.group == "" && o.kind == "List":
		if len(rest) < 2 || rest[0] != key("items") || rest[1].isKey() {
			return place{}
		}
		return manifestPlace(root, slices.Concat(base, rest[:2]), rest[2:])
	case o.group == argoGroup && o.kind == "Application":
		if len(rest) > 2 && rest[0] == key("spec") && rest[1] == key("source") {
			return sourcePlace(root, slices.Concat(base, rest[:2]), rest[2:])
		}
		if len(rest) > 3 && rest[0] == key("spec") && rest[1] == key("sources") && !rest[2].isKey() {
			return sourcePlace(root, slices.Concat(base, rest[:3]), rest[3:])
		}
		return place{}
	}
	pod, ok := podPath(o)
	if !ok || len(rest) != len(pod)+3 {
		return place{}
	}
	for i, name := range pod {
		if rest[i] != key(name) {
			return place{}
		}
	}
	containers, element, field := rest[len(pod)], rest[len(pod)+1], rest[len(pod)+2]
	switch containers {
	case key("containers"), key("initContainers"), key("ephemeralContainers"):
	default:
		return place{}
	}
	if element.isKey() || field != key("image") {
		return place{}
	}
	return place{slot: slotImage}
}

// sourcePlace: what of a source of an Application names images. base is the path of
// the source, and rest goes on from there.
func sourcePlace(root *yaml.Node, base, rest []step) place {
	if len(rest) < 3 {
		return place{}
	}
	switch {
	case rest[0] == key("kustomize") && rest[1] == key("images") && len(rest) == 3 && !rest[2].isKey():
		return place{slot: slotKustomize}
	case rest[0] == key("helm") && rest[1] == key("valuesObject"):
		return valuesPlace(root, slices.Concat(base, rest[:2]), rest[2:])
	case rest[0] == key("helm") && rest[1] == key("parameters") && len(rest) == 4 && !rest[2].isKey() && rest[3] == key("value"):
		list := slices.Concat(base, rest[:2])
		name, _ := textOf(at(root, slices.Concat(list, rest[2:3], []step{key("name")})))
		p := parameterPlace(name)
		p.owner = list
		return p
	default:
		return place{}
	}
}

// parameterPlace reads the name of a Helm parameter as a path of values.
func parameterPlace(name string) place {
	names, ok := parameterPath(name)
	if !ok {
		return place{}
	}
	p := valuesPlace(nil, nil, names)
	if p.slot == slotNone {
		return place{}
	}
	p.parameter = true
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		p.prefix = name[:i+1]
	}
	return p
}

// parameterPath reads "a.b[0].c". Escapes are left out: their keys are of labels
// and annotations.
func parameterPath(name string) ([]step, bool) {
	var steps []step
	for part := range strings.SplitSeq(name, ".") {
		part, indexes, _ := strings.Cut(part, "[")
		if !plainKey(part) {
			return nil, false
		}
		steps = append(steps, key(part))
		for indexes != "" {
			number, rest, found := strings.Cut(indexes, "]")
			n, err := strconv.ParseUint(number, 10, 16)
			if !found || err != nil || rest != "" && rest[0] != '[' {
				return nil, false
			}
			steps = append(steps, index(int(n)))
			indexes = strings.TrimPrefix(rest, "[")
		}
	}
	return steps, true
}

// foreign are ends of keys of values below which "image" is not that of a container
// but data that is handed on. Compared in lower case.
var foreign = [...]string{"annotations", "labels", "data", "env", "envvars", "config", "configs", "configmap", "configmaps", "secret", "secrets", "files", "args", "command"}

func isForeign(name string) bool {
	name = strings.ToLower(name)
	for _, end := range foreign {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// valuesPlace: the usual spellings in Helm values.
func valuesPlace(root *yaml.Node, base, rest []step) place {
	if len(rest) == 0 {
		return place{}
	}
	last, above := rest[len(rest)-1], rest[:len(rest)-1]
	for i, s := range above {
		if s.isKey() && isForeign(s.key) {
			return place{}
		}
		if root != nil {
			if n := at(root, slices.Concat(base, rest[:i+1])); child(n, "apiVersion") != nil || child(n, "kind") != nil {
				return place{}
			}
		}
	}
	inImage := len(above) > 0 && above[len(above)-1] == key("image")
	p := place{owner: slices.Concat(base, above), tag: "tag", digest: "digest", names: []string{"repository"}, values: true}
	switch {
	case last == key("image") && !inImage:
		p.slot = slotImage
	case inImage && last == key("tag"):
		p.slot = slotTag
	case inImage && last == key("digest"):
		p.slot = slotDigest
	case last == key("imageTag"):
		p.slot = slotTag
	case last == key("imageDigest"):
		p.slot = slotDigest
	default:
		return place{}
	}
	if last == key("imageTag") || last == key("imageDigest") {
		p.tag, p.digest, p.names = "imageTag", "imageDigest", []string{"imageRepository", "image"}
	}
	return p
}

// Candidate says whether a change of a file with this name can be image.
func Candidate(name string) bool { return fileKindOf(name) != fileOther }
