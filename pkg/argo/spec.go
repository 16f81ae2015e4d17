package argo

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// spec fills in the sources and judges the parts of the spec that say how content
// is obtained. The known keys are those of Argo CD 2.14 to 3.6.
func (p *Parser) spec(spec node, a *approval.Application) {
	spec.known("project", "destination", "source", "sources", "sourceHydrator", "syncPolicy",
		"ignoreDifferences", "info", "revisionHistoryLimit")
	if spec.object("sourceHydrator").exists() {
		spec.problems.addf("spec.sourceHydrator is set: Argo CD commits rendered manifests to a branch by itself")
	}
	policy := spec.object("syncPolicy")
	policy.known("automated", "syncOptions", "retry", "managedNamespaceMetadata")
	policy.strings("syncOptions")
	policy.object("managedNamespaceMetadata").known("labels", "annotations")
	retry := policy.object("retry")
	retry.known("limit", "backoff", "refresh")
	retry.integer("limit")
	retry.object("backoff").known("duration", "factor", "maxDuration")
	if retry.boolean("refresh") {
		spec.problems.addf("spec.syncPolicy.retry.refresh is true: a retry would deploy a newer revision than the one that was asked for")
	}
	spec.list("ignoreDifferences")

	sources, multi := effectiveSources(spec)
	a.MultiSource = multi
	if len(sources) == 0 {
		spec.problems.addf("spec has no source")
		return
	}
	if multi && spec.object("source").exists() {
		spec.problems.addf("spec has both source and sources, of which Argo CD ignores source")
	}
	refs := map[string]approval.Source{}
	for _, source := range sources {
		parsed := p.source(source)
		if parsed.Ref != "" {
			if _, taken := refs[parsed.Ref]; taken {
				spec.problems.addf("%s.ref %q is used twice", source.path, shorten(parsed.Ref))
			}
			refs[parsed.Ref] = parsed
		}
		a.Sources = append(a.Sources, parsed)
	}
	for i, source := range sources {
		noNulls(source, multi)
		reads := &reads{refs: refs, source: a.Sources[i]}
		reads.collect(source)
		a.Sources[i].Reads = reads.found
	}
}

// effectiveSources are the sources that Argo CD deploys: sources when there are
// any, else source (argo-cd types.go, ApplicationSpec.GetSources; a source hydrator,
// which would come first, is not supported).
func effectiveSources(spec node) (sources []node, multi bool) {
	if sources = spec.objects("sources"); len(sources) > 0 {
		return sources, true
	}
	if source := spec.object("source"); source.exists() {
		return []node{source}, false
	}
	return nil, false
}

// noNulls reports nulls that an operation could not carry. In values they mean
// something: Helm drops the chart's default for that key. But a merge patch cannot write
// a null, and Argo CD's controller keeps the operation that it executes by merge patches
// (controller/appcontroller.go, setOperationState): what it applies after a wait is
// rendered without the null. Seen with 2.14.21 and 3.2.11 on 2026-11-21, see testNulls in
// package argosync. Nulls in the options themselves say nothing, and are left out.
func noNulls(source node, multi bool) {
	if path, found := findNull(normalSource(source.fields, multi)); found {
		source.problems.addf("%s%s is null, which Argo CD loses while it syncs; write such values to helm.values or to a value file",
			source.path, shorten(path))
	}
}

// findNull returns the path of the first null in a JSON value.
func findNull(value any) (path string, found bool) {
	switch v := value.(type) {
	case nil:
		return "", true
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if path, found := findNull(v[key]); found {
				return "." + key + path, true
			}
		}
	case []any:
		for i, item := range v {
			if path, found := findNull(item); found {
				return "[" + strconv.Itoa(i) + "]" + path, true
			}
		}
	}
	return "", false
}

// refAlphabet is what Argo CD allows in a ref (util/argo/argo.go, GetRefSources).
const refAlphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

// source reads one source, without its reads.
func (p *Parser) source(source node) approval.Source {
	source.known("repoURL", "path", "targetRevision", "helm", "kustomize", "directory", "plugin", "chart", "ref", "name", "tagPrefix")
	url := source.text("repoURL")
	s := approval.Source{
		Kind:           sourceKind(source),
		RepoURL:        withoutCredentials(url),
		TargetRevision: source.text("targetRevision"),
		Ref:            source.text("ref"),
	}
	if s.Kind == approval.SourceGit {
		s.Repository = p.Repository(url)
	}
	if url == "" {
		source.problems.addf("%s has no repoURL", source.path)
	}
	if strings.Trim(s.Ref, refAlphabet) != "" {
		source.problems.addf("%s.ref %q has characters that Argo CD refuses", source.path, shorten(s.Ref))
	}
	if source.text("path") == "" && source.text("chart") == "" && s.Ref == "" && s.Kind != approval.SourceOCI {
		source.problems.addf("%s has no path, chart or ref", source.path)
	}
	if tools := toolsOf(source); len(tools) > 1 {
		source.problems.addf("%s has options of several tools at once: %s", source.path, strings.Join(tools, ", "))
	}
	return s
}

// toolsOf are the tools whose options are set. Argo CD refuses more than one
// (argo-cd types.go, ApplicationSource.ExplicitType).
func toolsOf(source node) []string {
	var tools []string
	for _, tool := range []string{"helm", "kustomize", "directory", "plugin"} {
		if source.object(tool).exists() {
			tools = append(tools, tool)
		}
	}
	return tools
}

// sourceKind tells what a source is: a chart of a Helm repository, an OCI artifact
// (Argo CD 3.1 and newer) or a folder in git.
func sourceKind(source node) approval.SourceKind {
	switch {
	case strings.HasPrefix(source.text("repoURL"), "oci://"):
		return approval.SourceOCI
	case source.text("chart") != "":
		return approval.SourceHelm
	default:
		return approval.SourceGit
	}
}
