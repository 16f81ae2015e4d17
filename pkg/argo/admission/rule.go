package admission

import (
	"strconv"
	"strings"
)

// Rule is one thing that must hold for every write of a protected Application.
type Rule struct {
	// Name is stable; it is in records and metrics.
	Name string
	// Expression is CEL with the variables of a ValidatingAdmissionPolicy and those of
	// variables; true means that the write may pass. It is empty for a rule that only the
	// webhook can check.
	Expression string
	// Message is one line of plain text that says what to do instead.
	Message string
	// Rows are the rows of the bypass catalogue that the rule closes or helps to close.
	Rows []string
	// Doc says in one paragraph, for people, what is refused and why.
	Doc string
}

// Variable is a CEL expression with a name, which rules use as variables.<name>.
type Variable struct {
	Name       string
	Expression string
}

// Condition is a CEL expression that decides whether a write is looked at.
type Condition struct {
	Name       string
	Expression string
}

// The values that operationState can change in without a change of operation.
const stateParts = `["operation", "phase", "message", "startedAt", "finishedAt", "retryCount", "syncResult"]`

// variables are evaluated when a rule uses them. dyn lets a rule look at fields that
// the installed version of Argo CD does not have.
func variables(s Settings) []Variable {
	return []Variable{
		{"caller", caller},
		{"controller", `variables.caller in ` + list(s.Controllers)},
		{"new", `dyn(object)`},
		{"old", `oldObject == null ? dyn({}) : dyn(oldObject)`},
		{"set", `has(variables.new.operation)`},
		{"wasSet", `has(variables.old.operation)`},
		{"starts", `variables.set && !variables.wasSet`},
		{"status", `variables.new.?status.orValue({})`},
		{"oldStatus", `variables.old.?status.orValue({})`},
		{"sync", `variables.new.?operation.?sync.orValue({})`},
		// A terminate writes the whole Application back as the types of Argo CD have it, so
		// that empty fields come and go. That nothing else changes is for the webhook to say.
		{"terminates", `variables.set && variables.wasSet && variables.caller in ` + list(s.Servers) +
			` && variables.status.?operationState.?phase.orValue("") == "Terminating"` +
			` && variables.oldStatus.?operationState.?phase.orValue("") in ["Running", "Terminating"]`},
		{"multi", `size(variables.sync.?sources.orValue([])) > 0 || (!has(variables.sync.source) && size(variables.new.?spec.?sources.orValue([])) > 0)`},
		{"sources", `size(variables.sync.?sources.orValue([])) > 0 ? variables.sync.sources : ` +
			`has(variables.sync.source) ? [variables.sync.source] : ` +
			`size(variables.new.?spec.?sources.orValue([])) > 0 ? variables.new.spec.sources : ` +
			`has(variables.new.spec.source) ? [variables.new.spec.source] : []`},
		{"revisions", `variables.multi ? variables.sync.?revisions.orValue([]) : [variables.sync.?revision.orValue("")]`},
		{"automated", automated("variables.new")},
		{"wasAutomated", automated("variables.old") + ` && (` + selects(s.Protected, "variables.old", false) + `) && !(` + selects(s.GatedAutoSync, "variables.old", true) + `)`},
	}
}

// caller is who writes; never absent in practice.
const caller = `has(request.userInfo.username) ? request.userInfo.username : ""`

// automated says whether an Application syncs itself. enabled is a field of Argo CD 3.1
// and newer; its absence means on.
func automated(object string) string {
	return `(` + object + `.?spec.?syncPolicy.?automated.hasValue() && ` + object + `.spec.syncPolicy.automated.?enabled.orValue(true))`
}

func list(values []string) string {
	quoted := make([]string, len(values))
	for i, value := range values {
		quoted[i] = strconv.Quote(value)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// protects is the condition that an Application is protected, before or after the
// write: whoever moves it away from what is protected has to pass as well.
func protects(s Settings) Condition {
	return Condition{"protected", `[dyn(object), dyn(oldObject)].exists(x, x != null && ` + selects(s.Protected, "x", false) + `)`}
}

// DeletionApproved is the annotation that lets a sync go on which waits for somebody
// to confirm that it may prune or delete (gitops-engine pkg/sync/common/types.go,
// AnnotationDeletionApproved).
const DeletionApproved = "argocd.argoproj.io/deletion-approved"

// Annotations whose change the webhook is asked about: the first decides which
// manifests Argo CD takes from its cache, the second approves deletions.
var watchedAnnotations = []string{"argocd.argoproj.io/manifest-generate-paths", DeletionApproved}

// decides is the condition that a write can change what is deployed, or forges what
// Argo CD reports. What the application-controller writes all day is not among it, so
// that Argo CD works on when Gatekeeper is down, and neither is a terminate.
func decides(s Settings) Condition {
	user := func(names []string) string { return `(` + caller + `) in ` + list(names) }
	parts := []string{
		`request.operation != "UPDATE"`,
		`(has(dyn(object).operation) ? dyn(object).?operation != dyn(oldObject).?operation : has(dyn(oldObject).operation) && !(` + user(s.Controllers) + `))`,
		`dyn(object).?spec != dyn(oldObject).?spec`,
		list(watchedAnnotations) + `.exists(k, dyn(object).?metadata.?annotations[?k] != dyn(oldObject).?metadata.?annotations[?k])`,
		`!(` + user(s.Controllers) + `) && (` +
			stateParts + `.exists(k, !(k == "phase" && (` + user(s.Servers) + `) && dyn(object).?status.?operationState.?phase.orValue("") == "Terminating") && ` +
			`dyn(object).?status.?operationState[?k] != dyn(oldObject).?status.?operationState[?k])` +
			` || dyn(object).?status.?operationState.hasValue() != dyn(oldObject).?status.?operationState.hasValue()` +
			` || ` + history(`dyn(object)`) + ` != ` + history(`dyn(oldObject)`) +
			` || ` + compared(`dyn(object)`) + ` != ` + compared(`dyn(oldObject)`) + `)`,
	}
	return Condition{"decides", strings.Join(parts, " || ")}
}

// history is what Argo CD's history says was deployed. What is left out when it is
// empty by one writer and not by another does not count.
func history(object string) string {
	return object + `.?status.?history.orValue([]).map(h, [h.?id.orValue(-1), h.?revision.orValue(""), h.?revisions.orValue([]), ` +
		`h.?source.orValue({"repoURL": ""}), h.?sources.orValue([]), h.?deployedAt.orValue(""), h.?deployStartedAt.orValue(""), ` +
		`h.?initiatedBy.?username.orValue(""), h.?initiatedBy.?automated.orValue(false)])`
}

// compared is what Argo CD compared the live resources with.
func compared(object string) string {
	sync := object + `.?status.?sync`
	return `[` + sync + `.?revision.orValue(""), ` + sync + `.?revisions.orValue([]), ` + sync + `.?comparedTo.?source.orValue({"repoURL": ""}), ` +
		sync + `.?comparedTo.?sources.orValue([]), ` + sync + `.?comparedTo.?destination.orValue({}), ` + sync + `.?comparedTo.?ignoreDifferences.orValue([])]`
}
