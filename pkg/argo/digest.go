package argo

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
)

// digestFormat is part of what is hashed. It changes whenever the same spec would
// get another digest than before.
const digestFormat = "gatekeeper-spec/1"

// digest identifies the part of an Application that changes what a sync deploys:
// "sha256:" and the hash of a canonical JSON object (sorted keys, no white space) of
//
//   - project: spec.project, "default" when empty
//   - destination: spec.destination, with in-cluster and its server as one
//   - multiSource: whether spec.sources is used
//   - sources: all of every effective source, targetRevision included
//   - syncPolicy: spec.syncPolicy except retry and automated, which say when and how
//     often to sync; but automated.prune, which decides whether Gatekeeper prunes
//   - ignoreDifferences: spec.ignoreDifferences
//   - generatePaths: the annotation argocd.argoproj.io/manifest-generate-paths
//   - other: every other field of the spec (sourceHydrator, and fields that this
//     version does not know) except info and revisionHistoryLimit, which are display
//     and bookkeeping
//
// Empty values that Argo CD's own types leave out, and that its controller therefore
// removes from the spec by a patch of its own (controller/appcontroller.go,
// normalizeApplication), do not count. Inside valuesObject nothing is left out: there
// an explicit null or an empty object is content.
func digest(root node) string {
	sum := sha256.Sum256(canonicalJSON(canonicalSpec(root)))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// canonicalSpec is what the digest is of.
func canonicalSpec(root node) map[string]any {
	// What is wrong with the spec has been reported by whoever read it before.
	spec := node{fields: root.object("spec").fields, path: "spec", problems: &problems{}}
	canonical := map[string]any{
		"format":      digestFormat,
		"project":     projectOf(spec),
		"destination": normalDestination(spec.fields["destination"]),
		"multiSource": false,
		"syncPolicy":  normalPolicy(spec.fields["syncPolicy"]),
		"other":       others(spec.fields),
	}
	if sources, multi := effectiveSources(spec); len(sources) > 0 {
		normal := make([]any, 0, len(sources))
		for _, source := range sources {
			normal = append(normal, normalSource(source.fields, multi))
		}
		canonical["sources"], canonical["multiSource"] = normal, multi
	} else {
		canonical["sources"] = []any{spec.fields["sources"], spec.fields["source"]}
	}
	if differences := spec.fields["ignoreDifferences"]; !isZero(differences) {
		canonical["ignoreDifferences"] = differences
	}
	metadata, _ := root.fields["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	if paths := annotations[generatePathsAnnotation]; !isZero(paths) {
		canonical["generatePaths"] = paths
	}
	return canonical
}

// canonicalJSON encodes what came from JSON: encoding/json sorts the keys of maps.
func canonicalJSON(value any) []byte {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		// Only values that no JSON decoder returns get here: an infinity, a channel.
		// Their digest must match nothing that was approved.
		return []byte("unencodable: " + err.Error())
	}
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n"))
}

// others are the fields of the spec that the digest does not treat by name.
func others(spec map[string]any) map[string]any {
	rest := map[string]any{}
	for key, value := range spec {
		switch key {
		case "project", "destination", "source", "sources", "syncPolicy", "ignoreDifferences", "info", "revisionHistoryLimit":
		default:
			if value != nil {
				rest[key] = value
			}
		}
	}
	return rest
}

func normalDestination(value any) any {
	destination, ok := value.(map[string]any)
	if !ok {
		return value
	}
	destination = withoutZeros(destination)
	if len(destination) > 0 && destination["name"] == inClusterName && destination["server"] == nil {
		destination["server"] = inClusterServer
		delete(destination, "name")
	}
	return destination
}

func normalPolicy(value any) any {
	policy, ok := value.(map[string]any)
	if !ok {
		return value
	}
	policy = maps.Clone(policy)
	delete(policy, "retry")
	if automated, ok := policy["automated"].(map[string]any); ok || policy["automated"] == nil {
		delete(policy, "automated")
		if !isZero(automated["prune"]) {
			policy["prune"] = automated["prune"]
		}
	}
	if isZero(policy["syncOptions"]) {
		delete(policy, "syncOptions")
	}
	// An empty managedNamespaceMetadata is not the same as none: with it Argo CD takes
	// over the labels of a namespace that exists (controller/sync_namespace.go).
	for key, value := range policy {
		if value == nil {
			delete(policy, key)
		}
	}
	if len(policy) == 0 {
		return nil
	}
	return policy
}

// normalSource is a source without the empty values that say nothing. What is left
// of a tool's options when they were all empty is removed from a single source, as
// the controller does (util/argo/argo.go, NormalizeSource), and kept in a list of
// sources, where the controller keeps it: "helm: {}" then means that the folder is
// a chart whatever else it holds.
//
// The result shares its values with the source, and must not be changed.
func normalSource(source map[string]any, multi bool) map[string]any {
	normal := map[string]any{}
	for key, value := range source {
		switch options, isObject := value.(map[string]any); {
		case isObject && (key == "helm" || key == "kustomize" || key == "directory"):
			if kept := normalOptions(options); multi || len(kept) > 0 {
				normal[key] = kept
			}
		case isObject:
			// An empty plugin means a plugin that is found by discovery.
			normal[key] = value
		case !isZero(value):
			normal[key] = value
		}
	}
	return normal
}

func normalOptions(options map[string]any) map[string]any {
	normal := withoutZeros(options)
	if values, ok := options["valuesObject"]; ok && values != nil {
		// Even an empty valuesObject replaces values (argo-cd values.go).
		normal["valuesObject"] = values
	}
	if jsonnet, ok := options["jsonnet"].(map[string]any); ok && len(withoutZeros(jsonnet)) == 0 {
		delete(normal, "jsonnet")
	}
	return normal
}

func withoutZeros(object map[string]any) map[string]any {
	kept := make(map[string]any, len(object))
	for key, value := range object {
		if !isZero(value) {
			kept[key] = value
		}
	}
	return kept
}

// isZero says whether encoding/json leaves the value out of one of Argo CD's types,
// where every field but a few that are required is marked omitempty.
func isZero(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case bool:
		return !v
	case int64:
		return v == 0
	case float64:
		return v == 0
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	default:
		return false
	}
}
