package argo

// Content is what an operation repeats from the spec of an Application. It is a
// function of what the spec digest covers, but for Retry.
type Content struct {
	// Sources are the effective sources as they are stored, fields that this version
	// does not know included, without empty values. They share memory with the object
	// and must not be changed.
	Sources     []map[string]any
	MultiSource bool
	SyncOptions []string
	// Retry is spec.syncPolicy.retry; nil when there is none.
	Retry map[string]any
	// Prune is spec.syncPolicy.automated.prune.
	Prune bool
}

// ContentOf reads the content from an Application as a dynamic client returns it.
// Whether the Application can be judged at all is said by Parser.Application; on
// what that calls unsupported, ContentOf is of no use.
func ContentOf(object map[string]any) Content {
	root := node{fields: object, problems: &problems{}}
	spec := root.object("spec")
	policy := spec.object("syncPolicy")
	sources, multi := effectiveSources(spec)
	content := Content{
		MultiSource: multi,
		SyncOptions: policy.strings("syncOptions"),
		Retry:       policy.object("retry").fields,
		Prune:       policy.object("automated").boolean("prune"),
	}
	for _, source := range sources {
		content.Sources = append(content.Sources, normalSource(source.fields, multi))
	}
	return content
}
