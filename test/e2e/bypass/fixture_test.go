package bypass

import (
	"maps"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// The transfer limit is what every attack is about: it is in the ConfigMap "limits"
// of each victim's namespace.
const (
	// approvedLimit is in the commit that the gate begins with.
	approvedLimit = "1000"
	// pushedLimit is on main and nobody approved it.
	pushedLimit = "9999"
	// branchLimit is on the branch "attack", which was never proposed.
	branchLimit = "6666"
	// stageLimit is in the approved commit, but for another environment.
	stageLimit = "5000"
	// writtenLimit is in no commit: the attacker writes it into an Application, a
	// manifest of the attacker's own, or the cluster.
	writtenLimit = "7777"
)

// shape is a kind of Application that can be attacked.
type shape struct {
	// path is the folder of a single source; empty for sources.
	path string
	// helm, kustomize are the source's own options, as YAML flow mappings.
	helm string
	// multi has a chart and its values as two sources, of one or two repositories.
	multi, sameRepository bool
	// still is in the charts' repository, where main does not move on. healing is for the
	// gate that permits automated sync.
	still, healing bool
	// annotations, as a YAML flow mapping.
	annotations string
	// first is what the first sync adds to its operation.
	first string
}

var (
	// plain is a folder of manifests.
	plain = shape{path: "envs/prod/plain"}
	// chart is a Helm chart with the environment's values.
	chart = shape{path: "charts/limits", helm: `{valueFiles: [../../envs/prod/limits/values.yaml]}`}
	// overlay is a kustomization over a base, with a Deployment.
	overlay = shape{path: "envs/prod/overlay"}
	// multi is a chart of its own repository with $values of the team's.
	multi = shape{multi: true}
	// single is the same with the chart in the team's repository.
	single = shape{multi: true, sameRepository: true}
	// held has a hook that ends when the test lets it: an operation stays under way.
	// The first sync leaves hooks out.
	held = shape{path: "envs/prod/held", first: `"syncStrategy": {"apply": {}}`}
	// doomed has a hook on main that runs when the Application is deleted.
	doomed = shape{path: "envs/prod/doomed"}
	// flaky can be synced in the approved commit once, and never again.
	flaky = shape{path: "envs/prod/flaky"}
	// healed is behind a gate that lets it sync itself.
	healed = shape{path: "envs/prod/plain", still: true, healing: true}
	// remote is a kustomization over a base in a repository that nobody guards.
	remote = shape{path: "envs/prod/remote", still: true}
)

func limits(value string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: limits}\ndata: {transfer: \"" + value + "\"}\n"
}

const holdHook = `apiVersion: v1
kind: Pod
metadata:
  name: hold
  annotations:
    argocd.argoproj.io/hook: PreSync
    argocd.argoproj.io/hook-delete-policy: BeforeHookCreation
spec:
  restartPolicy: Never
  containers: [{name: hold, image: "registry.example.com/payments/hold:1.0-broken"}]
`

// farewell is a hook that runs when the Application is deleted.
func farewell(limit string) string {
	return `apiVersion: v1
kind: ConfigMap
metadata:
  name: farewell
  annotations: {argocd.argoproj.io/hook: PostDelete}
data: {transfer: "` + limit + `"}
`
}

const baseDeployment = `apiVersion: apps/v1
kind: Deployment
metadata: {name: pay}
spec:
  replicas: 1
  selector: {matchLabels: {app: pay}}
  template:
    metadata: {labels: {app: pay}}
    spec: {containers: [{name: pay, image: "registry.example.com/payments/pay:1.0"}]}
`

// approvedFiles are what the approved commit adds to the payments team's repository.
func approvedFiles() map[string]string {
	files := map[string]string{
		"bases/limits/kustomization.yaml":         "resources: [limits.yaml, pay.yaml]\n",
		"bases/limits/limits.yaml":                limits(approvedLimit),
		"bases/limits/pay.yaml":                   baseDeployment,
		"envs/prod/plain/limits.yaml":             limits(approvedLimit),
		"envs/prod/limits/values.yaml":            "transfer: \"" + approvedLimit + "\"\n",
		"envs/prod/overlay/kustomization.yaml":    "resources: [../../../bases/limits]\n",
		"envs/prod/held/limits.yaml":              limits(approvedLimit),
		"envs/prod/held/hold.yaml":                holdHook,
		"envs/prod/doomed/limits.yaml":            limits(approvedLimit),
		"envs/prod/flaky/limits.yaml":             limits(approvedLimit),
		"envs/prod/flaky/elsewhere.yaml":          "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: elsewhere, namespace: " + elsewhere + "}\ndata: {value: one}\n",
		"envs/prod/plain/drafts/draft.yaml":       strings.Replace(limits(stageLimit), "limits", "draft", 1),
		"envs/stage/limits/limit.txt":             "5001",
		"envs/stage/component/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\npatches:\n- target: {kind: ConfigMap}\n  patch: |\n    - op: replace\n      path: /data/transfer\n      value: \"" + stageLimit + "\"\n",
		"envs/stage/plain/limits.yaml":            limits(stageLimit),
		"envs/stage/limits/values.yaml":           "transfer: \"" + stageLimit + "\"\n",
	}
	maps.Copy(files, chartFiles())
	return files
}

// elsewhere is a namespace that Applications of the shape flaky write to.
const elsewhere = "bypass-elsewhere"

// stillFiles are those of the charts' repository. The base of the shape remote is at
// remoteURL.
func stillFiles(remoteURL string) map[string]string {
	files := chartFiles()
	files[healed.path+"/limits.yaml"] = limits(approvedLimit)
	files[remote.path+"/kustomization.yaml"] = "resources: [\"" + remoteURL + "//base?ref=main\"]\n"
	return files
}

// chartFiles are a chart whose one value is the limit.
func chartFiles() map[string]string {
	return map[string]string{
		"charts/limits/Chart.yaml":            "apiVersion: v2\nname: limits\nversion: 1.0.0\n",
		"charts/limits/values.yaml":           "transfer: \"0\"\n",
		"charts/limits/templates/limits.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: limits}\ndata: {transfer: {{ .Values.transfer | quote }}}\n",
	}
}

// changed are the fixtures with another limit in everything that is production's.
func changed(limit string) standin.Change {
	files := map[string]string{
		"bases/limits/limits.yaml":       limits(limit),
		"envs/prod/limits/values.yaml":   "transfer: \"" + limit + "\"\n",
		"envs/prod/doomed/farewell.yaml": farewell(limit),
	}
	for _, name := range []string{"plain", "held", "doomed", "flaky"} {
		files["envs/prod/"+name+"/limits.yaml"] = limits(limit)
	}
	return standin.Change{
		Files: maps.Clone(files), Delete: []string{"envs/prod/flaky/elsewhere.yaml"}, Message: "Raise the limits to " + limit,
	}
}
