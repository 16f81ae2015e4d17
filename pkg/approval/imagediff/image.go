package imagediff

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// image is what one version of a document says of an image.
type image struct {
	name, repository string
	version          Version
}

// readImage takes the value of a place of images apart, false when it is not of its
// grammar.
func readImage(s slot, value string, combined bool) (image, bool) {
	switch s {
	case slotTag:
		tag, digest, found := strings.Cut(value, "@")
		if found && (!combined || !validDigest(digest)) || !validTag(tag) {
			return image{}, false
		}
		return image{version: Version{tag, digest}}, true
	case slotDigest:
		return image{version: Version{Digest: value}}, validDigest(value)
	case slotImage:
		r, ok := parseReference(value)
		return image(r), ok
	case slotKustomize:
		// The name is what kustomize looks for, and compares as it is written.
		old, replacement, found := strings.Cut(value, "=")
		if !found {
			old, replacement = "", value
		} else if _, ok := normalise(old); !ok {
			return image{}, false
		}
		r, ok := parseReference(replacement)
		return image{old + "=" + r.name, r.repository, r.version}, ok
	default:
		return image{}, false
	}
}

// context adds to an image what stands beside it in the document.
func (p place) context(root *yaml.Node, i image) image {
	if p.slot == slotImage || p.slot == slotKustomize {
		return i
	}
	look := p.lookup(root)
	if p.slot == slotTag && i.version.Digest == "" && validDigest(look(p.digest)) {
		i.version.Digest = look(p.digest)
	}
	if p.slot == slotDigest && validTag(look(p.tag)) {
		i.version.Tag = look(p.tag)
	}
	for _, name := range p.names {
		repository := look(name)
		if registry := look("registry"); name == "repository" && registry != "" {
			repository = registry + "/" + repository
		}
		if full, ok := normalise(repository); ok {
			i.repository = full
			break
		}
	}
	return i
}

// lookup finds the other parts of an image by their names.
func (p place) lookup(root *yaml.Node) func(string) string {
	owner := at(root, p.owner)
	return func(name string) string {
		if name == "" {
			return ""
		}
		if !p.parameter {
			return scalar(child(owner, name))
		}
		for _, n := range parametersNamed(owner, p.prefix+name) {
			return scalar(child(n, "value"))
		}
		return ""
	}
}

func scalar(n *yaml.Node) string {
	if n == nil || n.Kind != yaml.ScalarNode {
		return ""
	}
	return n.Value
}

// parametersNamed are the elements of a list with this name.
func parametersNamed(list *yaml.Node, name string) []*yaml.Node {
	if list == nil || list.Kind != yaml.SequenceNode {
		return nil
	}
	var found []*yaml.Node
	for _, n := range list.Content {
		if scalar(child(n, "name")) == name {
			found = append(found, n)
		}
	}
	return found
}

// group names the image that a place belongs to, so that tag and digest make one
// move.
func (p place) group(path []step) string {
	if p.slot == slotImage || p.slot == slotKustomize {
		return pathKey(path)
	}
	return pathKey(p.owner) + "\x00" + p.prefix + p.tag
}

// coerced says whether Helm takes the value of a parameter for something else than
// text when forceString is not set (helm.sh/helm/v3/pkg/strvals, typedVal).
func coerced(value string) bool {
	return slices.Contains([]string{"true", "false", "null"}, strings.ToLower(value)) || strings.Trim(value, "0123456789") == ""
}
