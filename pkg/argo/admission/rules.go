package admission

import (
	"slices"
	"strconv"
	"strings"
)

// indexedSources is up to how many sources a rule can pair with their revisions; CEL
// has no counting loop. Of more sources, each revision has to be a commit.
const indexedSources = 32

// The forms of an exact revision.
const (
	commitForm  = `"^[0-9a-f]{40}$"`
	versionForm = `"^v?[0-9]+[.][0-9]+[.][0-9]+([-+][0-9A-Za-z.+-]+)?$"`
	digestForm  = `"^sha256:[0-9a-f]{64}$"`
)

// Rules returns all rules, in the order in which they are checked.
func Rules(settings Settings) ([]Rule, error) {
	s, err := settings.complete()
	if err != nil {
		return nil, err
	}
	return slices.Concat(creation(), starting(s), running(), reporting(), specification(s)), nil
}

// creation are the rules for new Applications.
func creation() []Rule {
	return []Rule{
		{
			Name:       "create-without-operation",
			Expression: `oldObject != null || !variables.set`,
			Message:    "Create the Application without an operation, then sync it.",
			Rows:       []string{"15", "16"},
			Doc:        "A new Application carries an `operation`. The syncs of a new Application are judged like all others, when they are asked for.",
		},
		{
			Name: "create-without-status",
			Expression: `oldObject != null || (!has(variables.status.operationState) && size(variables.status.?history.orValue([])) == 0 && ` +
				compared("variables.new") + ` == ` + compared("dyn({})") + `)`,
			Message: "Create the Application without status: only Argo CD's controller reports what was deployed.",
			Rows:    []string{"B1", "15", "16"},
			Doc: "A new Application carries a status that says what was deployed, is being deployed or was compared " +
				"(`operationState`, `history`, `sync.revision(s)`, `sync.comparedTo`). Argo CD would go on from there.",
		},
	}
}

// starting are the rules for an operation that is asked for.
func starting(s Settings) []Rule {
	rules := []Rule{
		{
			Name:       "operation-starts-clean",
			Expression: `!variables.starts || !has(variables.status.operationState)`,
			Message:    "Set operation and remove status.operationState in one write, as Argo CD's UI and CLI do.",
			Rows:       []string{"B1"},
			Doc: "`operation` is set while `status.operationState` is still there. Argo CD would mix both, so that " +
				"revisions of the older operation could be deployed. Rolling syncs of ApplicationSets write this way.",
		},
		{
			Name:       "no-operation-while-deleting",
			Expression: `!variables.starts || !has(variables.new.metadata.deletionTimestamp)`,
			Message:    "The Application is being deleted, so it cannot be synced any more.",
			Rows:       []string{"B3"},
			Doc:        "An operation is asked for on an Application that is being deleted.",
		},
		{
			Name:       "operation-known-keys",
			Expression: `!variables.starts || (` + knownKeys() + `)`,
			Message:    "The operation has a field that Gatekeeper does not know, or no sync.",
			Rows:       []string{"6"},
			Doc: "The operation is not a sync, or it has a field that no version of Argo CD from 2.14 to 3.6 has. " +
				"What is not known could change what is deployed.",
		},
		{
			Name:       "no-local-manifests",
			Expression: `!variables.starts || size(variables.sync.?manifests.orValue([])) == 0`,
			Message:    "Manifests from a local folder cannot be deployed here: sync a commit of the repository.",
			Rows:       []string{"8"},
			Doc:        "The operation brings its own manifests (`argocd app sync --local`), which no review has seen.",
		},
		{
			Name:       "operation-no-retry-refresh",
			Expression: `!variables.starts || !variables.new.operation.?retry.?refresh.orValue(false)`,
			Message:    "retry.refresh would deploy a newer revision on a retry: sync without it.",
			Rows:       []string{"B4"},
			Doc:        "The operation has `retry.refresh` (Argo CD 3.2 and newer): a retry would deploy whatever is newest then.",
		},
		{
			Name:       "exact-revisions",
			Expression: `!variables.starts || (` + exactRevisions() + `)`,
			Message:    "Name the exact revision of every source: a full commit SHA, a chart version or a digest.",
			Rows:       []string{"6", "10", "25"},
			Doc: "The operation does not name exactly one exact revision for each source: a commit of 40 hexadecimal digits for " +
				"git, a full version for a chart, a version or digest for an OCI artifact. Everything else floats, and Argo CD takes " +
				"`targetRevision` where a revision is missing. The UI and the CLI resolve branches and tags themselves before they write.",
		},
		{
			Name:       "ref-needs-sources",
			Expression: `!variables.starts || !variables.sources.exists(x, x.?ref.orValue("") != "") || size(variables.sync.?sources.orValue([])) > 0`,
			Message:    "Sources refer to each other: the operation has to name them all in sync.sources.",
			Rows:       []string{"24"},
			Doc: "A source refers to another (`ref`), and the operation names only revisions. Argo CD up to 3.1 then takes the " +
				"referenced files from the head of their branch.",
		},
	}
	if !s.AllowForce {
		rules = append(rules, Rule{
			Name: "no-force",
			Expression: `!variables.starts || (!variables.sync.?syncStrategy.?apply.?force.orValue(false) && !variables.sync.?syncStrategy.?hook.?force.orValue(false) && ` +
				`variables.sync.?syncOptions.orValue([]).all(x, !(x in ["Force=true", "Replace=true"]) || x in variables.new.?spec.?syncPolicy.?syncOptions.orValue([])))`,
			Message: "Force and Replace delete and create resources anew: sync without them.",
			Rows:    []string{"6"},
			Doc: "The operation forces or replaces, which deletes resources and creates them anew, without the Application's own `syncOptions` " +
				"asking for it. The gate's configuration can allow it.",
		})
	}
	return rules
}

// running are the rules for an operation that is there already.
func running() []Rule {
	return []Rule{
		{
			Name:       "operation-unchanged",
			Expression: `!(variables.wasSet && variables.set) || variables.terminates || variables.new.operation == variables.old.operation`,
			Message:    "An operation cannot be changed: terminate it, then sync again.",
			Rows:       []string{"B1", "6"},
			Doc:        "An operation is changed after it was asked for, and so after it was judged.",
		},
		{
			Name:       "operation-removed-by-controller",
			Expression: `!variables.wasSet || variables.set || variables.controller`,
			Message:    "Only Argo CD's controller removes an operation: terminate it instead.",
			Rows:       []string{"B1"},
			Doc:        "Somebody other than the application-controller removes an operation. It may still run, unseen, and the next one would be mixed with it.",
		},
		{
			Name:       "spec-frozen-during-operation",
			Expression: `!variables.wasSet || variables.terminates || variables.new.?spec == variables.old.?spec`,
			Message:    "An operation is in progress: change the Application when it has ended.",
			Rows:       []string{"B2"},
			Doc: "The spec is changed while an operation is asked for or running. Argo CD reads parts of the spec again while it works, " +
				"so what was judged would not be what is deployed.",
		},
		{
			Name:       "spec-frozen-while-deleting",
			Expression: `!has(variables.old.metadata) || !has(variables.old.metadata.deletionTimestamp) || variables.new.?spec == variables.old.?spec`,
			Message:    "The Application is being deleted, so its spec cannot be changed any more.",
			Rows:       []string{"B3"},
			Doc:        "The spec of an Application that is being deleted is changed. Hooks that run at its deletion are rendered from the spec.",
		},
		{
			Name:    frozenRule,
			Message: "An operation is in progress: what it deploys cannot be changed.",
			Rows:    []string{"B1", "B2", "B5"},
			Doc: "While an operation is in progress, a write changes its content, what the spec deploys, or `manifest-generate-paths`. Only the webhook " +
				"checks this: to terminate an operation, argocd-server writes the whole Application back, where empty fields come and go, " +
				"and the policy cannot tell those from others, so it leaves the spec and the operation of that one write to the webhook.",
		},
	}
}

// reporting are the rules for what Argo CD reports.
func reporting() []Rule {
	return []Rule{
		{
			Name: "operation-state-by-controller",
			Expression: `oldObject == null || variables.controller || ` + unchanged("operationState") + ` || (variables.starts && !has(variables.status.operationState)) || ` +
				`(has(variables.status.operationState) == has(variables.oldStatus.operationState) && ` + stateParts +
				`.all(k, (k == "phase" && variables.terminates) || variables.status.?operationState[?k] == variables.oldStatus.?operationState[?k]))`,
			Message: "Only Argo CD's controller writes status.operationState.",
			Rows:    []string{"B1"},
			Doc: "`status.operationState` is written by somebody other than the application-controller. Argo CD executes what is there, not what was asked for. " +
				"Two writes are let through: its removal by the write that starts an operation, and a terminate, by argocd-server.",
		},
		{
			Name:       "history-by-controller",
			Expression: `oldObject == null || variables.controller || ` + unchanged("history") + ` || ` + history("variables.new") + ` == ` + history("variables.old"),
			Message:    "Only Argo CD's controller writes status.history.",
			Rows:       []string{"7"},
			Doc:        "`status.history` is written by somebody other than the application-controller. A rollback in the UI takes its sources and revisions from there.",
		},
		{
			Name:       "compared-by-controller",
			Expression: `oldObject == null || variables.controller || ` + unchanged("sync") + ` || ` + compared("variables.new") + ` == ` + compared("variables.old"),
			Message:    "Only Argo CD's controller writes status.sync.",
			Rows:       []string{"B5"},
			Doc: "`status.sync.revision`, `revisions` or `comparedTo` is written by somebody other than the application-controller. " +
				"They steer which manifests Argo CD takes from its cache, and what auto-sync deploys.",
		},
	}
}

// unchanged is that nothing of a part of the status is different. It is most often so, and quicker
// to tell than that what counts is the same.
func unchanged(part string) string {
	return `variables.status.?` + part + ` == variables.oldStatus.?` + part
}

// specification are the rules for the spec.
func specification(s Settings) []Rule {
	return []Rule{
		{
			Name:       "auto-sync-gated",
			Expression: `!variables.automated || variables.wasAutomated || ` + selects(s.GatedAutoSync, "variables.new", true),
			Message:    "Auto-sync is off for protected Applications: remove syncPolicy.automated or set enabled to false.",
			Rows:       []string{"11", "13"},
			Doc: "`syncPolicy.automated` is enabled, or an Application that has it comes under protection. " +
				"Each automatic sync would be judged all the same; a gate can allow it for some Applications.",
		},
		{
			Name: "spec-no-retry-refresh",
			Expression: `!variables.new.?spec.?syncPolicy.?retry.?refresh.orValue(false) || ` +
				`(oldObject != null && variables.old.?spec.?syncPolicy.?retry.?refresh.orValue(false))`,
			Message: "retry.refresh would deploy a newer revision on a retry: leave it out of syncPolicy.",
			Rows:    []string{"B4"},
			Doc: "`syncPolicy.retry.refresh` is set (Argo CD 3.2 and newer): a retry would deploy whatever is newest then. " +
				"Where it is set already it can stay, and Gatekeeper does not sync the Application.",
		},
	}
}

// knownKeys lists the fields of an operation of Argo CD 2.14 to 3.6
// (pkg/apis/application/v1alpha1/types.go; read at 2.14.21, 3.2.11 and 3.6.0).
func knownKeys() string {
	only := func(object string, keys ...string) string { return object + `.all(k, k in ` + list(keys) + `)` }
	return strings.Join([]string{
		`has(variables.new.operation.sync)`,
		only(`variables.new.operation`, "sync", "initiatedBy", "info", "retry"),
		only(`variables.sync`, "revision", "revisions", "prune", "dryRun", "syncStrategy", "resources", "source", "sources",
			"manifests", "syncOptions", "autoHealAttemptsCount"),
		only(`variables.sync.?syncStrategy.orValue({})`, "apply", "hook"),
		only(`variables.sync.?syncStrategy.?apply.orValue({})`, "force"),
		only(`variables.sync.?syncStrategy.?hook.orValue({})`, "force"),
		only(`variables.new.operation.?initiatedBy.orValue({})`, "username", "automated"),
		only(`variables.new.operation.?retry.orValue({})`, "limit", "backoff", "refresh"),
	}, ` && `)
}

// exactRevisions pairs sources and revisions. The field for the other number of
// sources has to be empty: nothing may be left to which one Argo CD takes.
func exactRevisions() string {
	indices := make([]string, indexedSources)
	for i := range indices {
		indices[i] = strconv.Itoa(i)
	}
	source, revision := `variables.sources[i]`, `variables.revisions[i]`
	exact := source + `.?repoURL.orValue("").startsWith("oci://") ? (` + revision + `.matches(` + digestForm + `) || ` + revision + `.matches(` + versionForm + `)) : ` +
		source + `.?chart.orValue("") != "" ? ` + revision + `.matches(` + versionForm + `) : ` + revision + `.matches(` + commitForm + `)`
	return `(variables.multi ? variables.sync.?revision.orValue("") == "" : size(variables.sync.?revisions.orValue([])) == 0) && ` +
		`size(variables.sources) > 0 && size(variables.revisions) == size(variables.sources) && ` +
		`(size(variables.sources) > ` + strconv.Itoa(indexedSources) + ` ? variables.revisions.all(x, x.matches(` + commitForm + `)) : ` +
		`[` + strings.Join(indices, ", ") + `].all(i, i >= size(variables.sources) || (` + exact + `)))`
}
