package manifestdiff

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"sigs.k8s.io/yaml"
)

// Bounds of what is read.
const (
	maxResources = 5_000
	maxBytes     = 32 << 20
	maxDepth     = 60
)

// ErrTooLarge says that there is more than is read.
var ErrTooLarge = errors.New("the manifests are too large to be compared")

// errShape is what is said of manifests that cannot be read. What they hold is not
// repeated: it may be a secret.
var errShape = errors.New("a manifest is not a JSON object")

// Manifests are what an Application is rendered to. The zero value is nothing at all.
// They do not change and hold no secrets.
type Manifests struct {
	resources []resource
	size      int
}

// Size is about how many bytes they take.
func (m Manifests) Size() int { return m.size }

// Len is how many resources there are.
func (m Manifests) Len() int { return len(m.resources) }

type resource struct {
	key  key
	hook string
	// text is YAML, exact identifies the value behind it.
	text  string
	json  string
	exact [sha256.Size]byte
	// unseen is true for a Secret that was masked before it came here.
	unseen bool
}

// key is what makes two resources the same one.
type key struct {
	group, kind, namespace, name string
	// ordinal tells apart resources that have everything else in common, from 0.
	ordinal int
}

// Parse reads manifests as Argo CD gives them, one JSON object each. Lists are taken
// apart. The error never repeats what is in a manifest.
func (m *Masker) Parse(manifests []string) (Manifests, error) {
	var out Manifests
	total := 0
	seen := map[key]int{}
	for _, manifest := range manifests {
		if total += len(manifest); total > maxBytes {
			return Manifests{}, ErrTooLarge
		}
		object, err := decode(manifest)
		if err != nil {
			return Manifests{}, err
		}
		for _, item := range flatten(object, 0) {
			if len(out.resources) == maxResources {
				return Manifests{}, ErrTooLarge
			}
			r, err := m.resource(item, seen)
			if err != nil {
				return Manifests{}, err
			}
			out.resources = append(out.resources, r)
			out.size += len(r.text) + len(r.json) + 200
		}
	}
	return out, nil
}

func decode(manifest string) (map[string]any, error) {
	decoder := json.NewDecoder(strings.NewReader(manifest))
	decoder.UseNumber() // a number is what it is written as
	var object map[string]any
	if err := decoder.Decode(&object); err != nil || object == nil {
		return nil, errShape
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errShape
	}
	if deep(object, 0) {
		return nil, ErrTooLarge
	}
	return object, nil
}

func deep(value any, depth int) bool {
	if depth > maxDepth {
		return true
	}
	switch v := value.(type) {
	case map[string]any:
		for _, child := range v {
			if deep(child, depth+1) {
				return true
			}
		}
	case []any:
		for _, child := range v {
			if deep(child, depth+1) {
				return true
			}
		}
	}
	return false
}

// flatten takes lists apart. The items of a typed list, such as a SecretList, may leave
// out what they are.
func flatten(object map[string]any, depth int) []map[string]any {
	kind, _ := object["kind"].(string)
	items, isList := object["items"].([]any)
	of, named := strings.CutSuffix(kind, "List")
	if !isList || !named || depth > 3 {
		return []map[string]any{object}
	}
	var out []map[string]any
	for _, item := range items {
		child, ok := item.(map[string]any)
		if !ok {
			return []map[string]any{object}
		}
		if _, has := child["kind"]; !has && of != "" {
			child["kind"], child["apiVersion"] = of, object["apiVersion"]
		}
		out = append(out, flatten(child, depth+1)...)
	}
	return out
}

func (m *Masker) resource(object map[string]any, seen map[key]int) (resource, error) {
	r := resource{key: keyOf(object)}
	r.key.ordinal = seen[r.key]
	seen[keyOf(object)]++
	r.hook = hookOf(object)
	normalise(object, r.key)
	r.unseen = m.mask(object, r.key)
	canonical, err := encode(object)
	if err != nil {
		return resource{}, errShape
	}
	r.exact = sha256.Sum256(canonical)
	if r.text, err = readable(canonical); err != nil {
		return resource{}, errShape
	}
	r.json = string(canonical)
	return r, nil
}

func encode(value any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(value) // with sorted keys
	return bytes.TrimSpace(b.Bytes()), err
}

// readable is JSON as YAML, which ends with a line break. Where YAML does not take what
// JSON allows, such as some control characters, it is JSON with line breaks.
func readable(canonical []byte) (string, error) {
	text, err := yaml.JSONToYAML(canonical)
	if err != nil {
		return indented(canonical)
	}
	return string(text), nil
}

func indented(canonical []byte) (string, error) {
	var b bytes.Buffer
	if err := json.Indent(&b, canonical, "", "  "); err != nil {
		return "", fmt.Errorf("indent: %w", err)
	}
	return b.String() + "\n", nil
}

func keyOf(object map[string]any) key {
	version, _ := object["apiVersion"].(string)
	group, _, found := strings.Cut(version, "/")
	if !found {
		group = ""
	}
	metadata, _ := object["metadata"].(map[string]any)
	k := key{group: group}
	k.kind, _ = object["kind"].(string)
	k.namespace, _ = metadata["namespace"].(string)
	if k.name, _ = metadata["name"].(string); k.name == "" {
		k.name, _ = metadata["generateName"].(string)
	}
	return k
}

// hookOf says when a hook runs, in the words of its annotation; empty for what is no
// hook. Argo CD takes Helm's hooks for its own (docs/user-guide/helm.md).
func hookOf(object map[string]any) string {
	metadata, _ := object["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	for _, name := range []string{"argocd.argoproj.io/hook", "helm.sh/hook"} {
		if value, ok := annotations[name].(string); ok && value != "" {
			return value
		}
	}
	return ""
}

// trackingAnnotation is where Argo CD writes what it manages
// (docs/user-guide/resource_tracking.md): app:group/kind:namespace/name.
const trackingAnnotation = "argocd.argoproj.io/tracking-id"

// normalise removes what cannot matter.
func normalise(object map[string]any, k key) {
	if status, ok := object["status"]; ok && void(status) {
		delete(object, "status")
	}
	metadata, ok := object["metadata"].(map[string]any)
	if !ok {
		return
	}
	if created, ok := metadata["creationTimestamp"]; ok && created == nil {
		delete(metadata, "creationTimestamp")
	}
	delete(metadata, "managedFields")
	annotations, ok := metadata["annotations"].(map[string]any)
	if !ok {
		return
	}
	if id, ok := annotations[trackingAnnotation].(string); ok && tracks(id, k) {
		delete(annotations, trackingAnnotation)
	}
	if len(annotations) == 0 {
		delete(metadata, "annotations")
	}
}

func tracks(id string, k key) bool {
	app, rest, found := strings.Cut(id, ":")
	what, where, second := strings.Cut(rest, ":")
	return found && second && app != "" && what == k.group+"/"+k.kind && strings.HasSuffix(where, "/"+k.name)
}

// void says whether a value says nothing: generators write such a status.
func void(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case map[string]any:
		for _, child := range v {
			if !void(child) {
				return false
			}
		}
		return true
	case []any:
		return len(v) == 0
	default:
		return false
	}
}
