package admission

import (
	"encoding/json"
	"maps"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// targetVariable is the end of the one variable that shows a source's targetRevision to
// what renders it, ARGOCD_APP_SOURCE_TARGET_REVISION (argo-cd reposerver/repository,
// newEnv).
const targetVariable = "TARGET_REVISION"

// withOwnTargets undoes in an operation what "argocd app sync --revisions SHA
// --source-positions N" does to it: argocd-server writes the commit into the
// targetRevision of the source that it copies from the spec (2.14.21 and 3.2.11,
// server/application/application.go, resolveSourceRevisions). With the commit in
// revisions as well, the targetRevision decides nothing any more, and the source is the
// one of the spec. A later rollback brings the same copy from status.history.
//
// It is undone for one exact commit alone, equal in both places, at the position of the
// source in the spec, and not where the rendering could show it: for a plugin, or a
// source that names the variable. Everything else of the source is left as it is, so
// that its digest tells. Neither argument is changed.
func withOwnTargets(object, operation map[string]any) map[string]any {
	sync, _ := operation["sync"].(map[string]any)
	sources, _ := sync["sources"].([]any)
	revisions, _ := sync["revisions"].([]any)
	spec, _ := object["spec"].(map[string]any)
	own, _ := spec["sources"].([]any)
	if len(sources) == 0 || len(sources) != len(own) || len(sources) != len(revisions) {
		return operation
	}
	restored := make([]any, len(sources))
	for i := range sources {
		restored[i] = withOwnTarget(own[i], sources[i], revisions[i])
	}
	sync, operation = maps.Clone(sync), maps.Clone(operation)
	sync["sources"] = restored
	operation["sync"] = sync
	return operation
}

func withOwnTarget(own, asked, revision any) any {
	from, isObject := own.(map[string]any)
	source, isSource := asked.(map[string]any)
	commit, isText := revision.(string)
	if !isObject || !isSource || !isText || source["targetRevision"] != commit {
		return asked
	}
	if _, err := approval.ParseSHA(commit); err != nil {
		return asked
	}
	text, err := json.Marshal(source)
	if _, plugin := source["plugin"]; err != nil || plugin || strings.Contains(string(text), targetVariable) {
		return asked
	}
	source = maps.Clone(source)
	if target, ok := from["targetRevision"]; ok {
		source["targetRevision"] = target
	} else {
		delete(source, "targetRevision")
	}
	return source
}
