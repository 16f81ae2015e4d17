package argo

import (
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// OverrideReads returns what the source with the given index is rendered from in
// addition once an override is merged into it, and what of the override cannot be
// judged. The override is the decoded content of .argocd-source.yaml or
// .argocd-source-<app>.yaml in the source's folder.
//
// Argo CD merges it as a JSON merge patch and then restores the chart, path, repoURL
// and targetRevision of the spec (reposerver/repository/repository.go,
// mergeSourceParameters). Each list of the result is either the spec's or the
// override's, so both together read at least what the result reads.
func OverrideReads(a approval.Application, source int, override map[string]any) (found []approval.Read, unclear []string) {
	n := node{fields: override, path: "the override", problems: &problems{}}
	n.known("helm", "kustomize", "directory", "plugin", "chart", "path", "repoURL", "targetRevision")
	r := &reads{refs: refsOf(a.Sources), source: a.Sources[source]}
	base := ""
	if given := r.source.Reads; len(given) > 0 {
		base = strings.Trim(given[0].Path, "/") // the folder of a source comes first
	}
	r.helm(n.object("helm"), base)
	r.kustomize(n.object("kustomize"), base)
	r.directory(n.object("directory"))
	plugin := n.object("plugin")
	plugin.known("name", "env", "parameters")
	if plugin.exists() {
		r.add(r.source.Repository, wholeRepository)
	}
	return r.found, n.problems.list()
}

func refsOf(sources []approval.Source) map[string]approval.Source {
	refs := map[string]approval.Source{}
	for _, s := range sources {
		if s.Ref != "" {
			refs[s.Ref] = s
		}
	}
	return refs
}
