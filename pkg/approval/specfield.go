package approval

import (
	"maps"
	"slices"
	"time"
)

// SpecField is one field of an Application's spec as it was approved, for telling
// people later what differs. Decisions rest on the digest of the whole spec alone.
type SpecField struct {
	// Path names the field, for example "source.helm.parameters[image.tag]".
	Path string `json:"path"`
	// Digest identifies the value. The value itself may be a secret that somebody put
	// into a parameter, so it is not kept.
	Digest string `json:"digest"`
	// Value is what people read, for the few fields that only say where content comes
	// from and where it goes; empty for all others.
	Value string `json:"value,omitempty"`
}

// SpecUnnamed is the change of specs that differ in no field that is known: lists in
// another order, or an approval from before the fields were kept.
const SpecUnnamed = "spec"

// ChangedFields names the fields in which two specs differ, sorted, with both values
// where they are kept: "destination.namespace (was shop, is billing)". It is meant
// for specs with different digests, and names at least SpecUnnamed.
func ChangedFields(before, after []SpecField) []string {
	was, is := byPath(before), byPath(after)
	paths := map[string]bool{}
	for path, f := range was {
		if is[path].Digest != f.Digest {
			paths[path] = true
		}
	}
	for path, f := range is {
		if was[path].Digest != f.Digest {
			paths[path] = true
		}
	}
	if len(paths) == 0 || len(before) == 0 {
		return []string{SpecUnnamed}
	}
	changed := make([]string, 0, len(paths))
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		old, now := was[path], is[path]
		changed = append(changed, path+values(old, now))
	}
	return changed
}

func values(was, is SpecField) string {
	switch {
	case was.Value != "" && is.Value != "":
		return " (was " + was.Value + ", is " + is.Value + ")"
	case was.Digest == "" && is.Value != "":
		return " (is new: " + is.Value + ")"
	case was.Digest == "":
		return " (is new)"
	case is.Digest == "" && was.Value != "":
		return " (was " + was.Value + ", is gone)"
	case is.Digest == "":
		return " (is gone)"
	default:
		return ""
	}
}

func byPath(fields []SpecField) map[string]SpecField {
	found := make(map[string]SpecField, len(fields))
	for _, f := range fields {
		found[f.Path] = f
	}
	return found
}

// LiveSpec is what is seen of a spec beside its digest. Apart from the fields, whoever
// edits the Application can write it: it helps people, and is no evidence.
type LiveSpec struct {
	Fields []SpecField
	// Writer is who wrote to the spec last, as Kubernetes knows them, and WrittenAt when.
	// Empty when it is not known.
	Writer    string
	WrittenAt time.Time
	// Parent is the Application, "namespace/name", whose mark this one carries.
	Parent string
	// Set is the ApplicationSet, "namespace/name", that owns this one.
	Set string
}

// RenderedSpec is an Application among what Argo CD renders of a parent, or among what
// an ApplicationSet there generates.
type RenderedSpec struct {
	// Application is "namespace/name"; empty for an entry that says that the set is there.
	Application string
	// Digest is that of its spec.
	Digest string
	// Set is the ApplicationSet, "namespace/name", that generates it; empty for none.
	Set string
	// Unfollowed says why it is not known what the set generates; empty if it is.
	Unfollowed string
}
