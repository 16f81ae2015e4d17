package argo

import "maps"

// Digest is the spec digest of an Application as a dynamic client returns it, the
// same as Parser.Application finds.
func Digest(object map[string]any) string {
	return digest(node{fields: object, problems: &problems{}})
}

// Effective is the Application as an operation would deploy it: with the source or
// the sources of the operation in place of those of the spec, when it names any.
// Sources win over source, as in Argo CD (controller/sync.go, SyncAppState in 2.14 and
// newSyncOperationResult in 3.2). Neither argument is changed, and the result shares
// their values.
func Effective(object, operation map[string]any) map[string]any {
	sync, _ := operation["sync"].(map[string]any)
	sources, _ := sync["sources"].([]any)
	source, single := sync["source"].(map[string]any)
	if len(sources) == 0 && !single {
		return object
	}
	effective, spec := maps.Clone(object), map[string]any{}
	if given, ok := object["spec"].(map[string]any); ok {
		spec = maps.Clone(given)
	}
	delete(spec, "source")
	delete(spec, "sources")
	if len(sources) > 0 {
		spec["sources"] = sources
	} else {
		spec["source"] = source
	}
	effective["spec"] = spec
	return effective
}
