package argo

import "slices"

// UsesPlugin says whether an Application, as a dynamic client returns it, is rendered by
// a config management plugin: because a source asks for one, or because Argo CD found
// one when it compared the Application last. A plugin that is found by files which a
// later commit adds is not foreseen.
func UsesPlugin(object map[string]any) bool {
	found := &problems{}
	root := node{fields: object, problems: found}
	sources, _ := effectiveSources(root.object("spec"))
	for _, source := range sources {
		if source.object("plugin").exists() {
			return true
		}
	}
	status := root.object("status")
	return status.text("sourceType") == "Plugin" || slices.Contains(status.strings("sourceTypes"), "Plugin")
}
